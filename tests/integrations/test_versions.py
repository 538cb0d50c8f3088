"""Versions, copies and pins of the integrations: all install this version of Kubekeep, and none is a stale copy."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from scripts import integrations as copies

from kubekeep._native import VERSION
from tests.integrations.samples import FOLDER, ROOT

TEMPLATES = (
    "gitlab/templates/scan.yml",
    "circleci/orb.yml",
    "azure/scan.yml",
    "bitbucket/bitbucket-pipelines.yml",
    "jenkins/vars/kubekeep.groovy",
)
LOCK = FOLDER / "github" / "requirements.lock"


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_installs_this_version(name: str) -> None:
    text = copies.COPY.sub("", (FOLDER / name).read_text(encoding="utf-8"))
    versions = re.findall(r"""["'](\d+\.\d+\.\d+\S*?)["']""", text)
    assert versions == [VERSION]


def test_action_installs_no_other_version() -> None:
    pins = re.findall(r"^kubekeep==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    assert pins in ([], [VERSION]), "run scripts/lock"


def test_every_requirement_of_the_action_has_hashes() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8").strip())[1:]
    assert len(entries) > 10
    assert all("--hash=sha256:" in entry for entry in entries)


def test_copies_of_the_scan_script_are_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert copies.main(["--check"]) == 0
    script = FOLDER / "scan.sh"
    for name in copies.TEMPLATES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert copies.embed(text, script.read_text()) == text
        assert copies.embed(text, script.read_text().replace("set -f", "set -g")) != text
        target = tmp_path / name
        target.parent.mkdir(parents=True)
        target.write_text(text.replace("set -f", ""), encoding="utf-8")
    monkeypatch.setattr(copies, "FOLDER", tmp_path)
    assert copies.main(["--check"]) == 1
    assert copies.main([]) == 0
    assert copies.main(["--check"]) == 0
    template = tmp_path / copies.TEMPLATES[0]
    template.write_text(template.read_text(encoding="utf-8").replace("# Install Kubekeep if", "# Install"))
    assert copies.main(["--check"]) == 1


def test_release_adds_the_hashes_of_its_wheels(tmp_path: Path) -> None:
    for name in ("scripts/lock", "rust/Cargo.toml", "integrations/github/requirements.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    lock = tmp_path / "integrations" / "github" / "requirements.lock"
    before = lock.read_text()
    (tmp_path / "scripts" / "lock").chmod(0o755)
    hashes = []
    for platform in ("manylinux_2_28_x86_64", "win_amd64"):
        content = platform.encode()
        write = tmp_path / "dist" / f"kubekeep-{VERSION}-cp311-abi3-{platform}.whl"
        write.parent.mkdir(exist_ok=True)
        write.write_bytes(content)
        hashes.append(f"    --hash=sha256:{hashlib.sha256(content).hexdigest()}")
    entry = "\n".join([f"kubekeep=={VERSION} \\", " \\\n".join(sorted(hashes))])
    for _ in range(2):  # a second run replaces the entry
        subprocess.run([tmp_path / "scripts" / "lock", "--release", tmp_path / "dist"], check=True, timeout=120)
        assert lock.read_text() == f"{before}{entry}\n"


PAGES = (*sorted(FOLDER.glob("*/README.md")), ROOT / "docs" / "guides" / "integrations.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_pages_name_this_version(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    versions = re.findall(r"(?:kubekeep==|kubekeep@|[`/ ]v)(\d+\.\d+\.\d+)", text)
    assert set(versions) <= {VERSION}
    tags = re.findall(r"kubekeep/kubekeep@v(\d+)(?!\.)\b", text)
    assert set(tags) <= {VERSION.partition(".")[0]}


@pytest.mark.parametrize(("system", "language"), [("jenkins", "groovy"), ("circleci", "yaml"), ("azure", "yaml")])
def test_guide_shows_the_example_of_the_integration(system: str, language: str) -> None:
    readme = (FOLDER / system / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"^```{language}\n.*?^```", readme, re.MULTILINE | re.DOTALL)
    assert match is not None
    assert match[0] in (ROOT / "docs" / "guides" / "integrations.md").read_text(encoding="utf-8")
