"""The release workflow: its scripts sign and render files, and the resulting install.sh installs the binary."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep._native import VERSION
from tests.integrations.releases import Key, Releases
from tests.integrations.samples import ROOT, SCRIPTS, base_environment, commit_all, find_program
from tests.integrations.test_manifests import NAMES

WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


def read_jobs() -> dict[str, Any]:
    """Return the jobs of the workflow."""
    jobs: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    return jobs


def run_job(name: str, folder: Path, **variables: str) -> None:
    """Run the scripts of a job in a folder, as the runner does."""
    for step in read_jobs()[name]["steps"]:
        if "run" in step:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            subprocess.run(command, cwd=folder, env=os.environ | variables, check=True, timeout=300)


def test_only_one_job_has_the_key() -> None:
    jobs = read_jobs()
    assert [name for name, job in jobs.items() if "secrets." in str(job)] == ["sign"]
    assert jobs["sign"]["environment"] == "release"
    assert not [step for step in jobs["sign"]["steps"] if "checkout" in step.get("uses", "")]
    assert {"manifests", "smoke"} <= set(jobs["publish"]["needs"])


def test_every_action_is_pinned() -> None:
    for job in read_jobs().values():
        for step in job["steps"]:
            assert "uses" not in step or len(step["uses"].rpartition("@")[2]) == 40


@pytest.mark.integration
def test_linters_accept_the_workflows() -> None:
    workflows = sorted(WORKFLOW.parent.glob("*.yml"))
    subprocess.run([find_program("actionlint"), "-no-color", *workflows], check=True, timeout=120)
    command = [str(SCRIPTS / "zizmor"), "--offline", "--no-progress", str(WORKFLOW.parent)]
    subprocess.run(command, check=True, timeout=120)


@pytest.mark.integration
def test_signed_release_is_installed_by_its_own_script(archive: Path, tmp_path: Path) -> None:
    dist, releases = tmp_path / "dist", Releases(tmp_path / "server", Key(tmp_path, "secret"))
    dist.mkdir()
    for name in NAMES:
        (dist / name).write_text(name)
    for suffix in (".xz", ".gz"):
        shutil.copy(archive.with_suffix(suffix), dist)
    shutil.copytree(ROOT / "integrations" / "packages", tmp_path / "integrations" / "packages")
    (tmp_path / "rust").mkdir()
    shutil.copy(ROOT / "rust" / "Cargo.toml", tmp_path / "rust")
    run_job("sign", tmp_path, SIGNING_KEY=releases.key.path.read_text().strip())
    assert len(list((tmp_path / "signatures").glob("*.sig"))) == len(NAMES)
    assert not (tmp_path / "key").exists()
    commit_all(tmp_path / "rust", base_environment(tmp_path))
    (tmp_path / "rust" / ".git").rename(tmp_path / ".git")
    run_job("manifests", tmp_path)
    with tarfile.open(tmp_path / "manifests" / f"kubekeep-{VERSION}-manual.tar.xz") as manual:
        assert "share/man/man1/kubekeep.1" in manual.getnames()

    target = releases.path(VERSION)
    target.parent.mkdir(parents=True)
    shutil.copy(dist / target.name, target)
    shutil.copy(tmp_path / "signatures" / f"{target.name}.sig", target.parent)
    releases.latest = VERSION
    with releases.serve() as url:
        script, prefix = str(tmp_path / "manifests" / "install.sh"), str(tmp_path / "prefix")
        command = ["sh", script, "--prefix", prefix, "--url", url]
        subprocess.run(command, check=True, timeout=120)
    program = tmp_path / "prefix" / "bin" / "kubectl-kubekeep"
    result = subprocess.run([program, "scan", ROOT / "examples" / "online-shop"], capture_output=True, check=True)
    assert b"17 files, 23 resources" in result.stdout
    assert (tmp_path / "prefix/share/man/man1/kubekeep.1").resolve().is_file()
