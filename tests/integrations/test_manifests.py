"""Manifests of package managers, rendered from files: right digests and addresses, and accepted by linters."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kubekeep._native import VERSION
from tests.integrations.releases import Key
from tests.integrations.samples import CACHE, FOLDER, SCRIPTS, find_program
from tests.loopback import serving

PACKAGES = FOLDER / "packages"
PLATFORMS = ("linux-x86_64", "linux-aarch64", "macos-x86_64", "macos-aarch64")
NAMES = [f"kubekeep-{VERSION}-{platform}.tar.{suffix}" for platform in PLATFORMS for suffix in ("xz", "gz")]
NAMES.append(f"kubekeep-{VERSION}-windows-x86_64.zip")
WINGET_FIELDS = {
    "kubekeep.kubekeep.yaml": {"DefaultLocale"},
    "kubekeep.kubekeep.installer.yaml": {"InstallerType", "NestedInstallerType", "NestedInstallerFiles", "Installers"},
    "kubekeep.kubekeep.locale.en-US.yaml": {"PackageLocale", "Publisher", "PackageName", "License", "ShortDescription"},
}


def render(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the script with a bare Python."""
    command = [sys.executable, "-I", "-S", str(PACKAGES / "render.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    for name in NAMES:
        (folder / name).write_text(name)
    return [folder / name for name in NAMES]


@pytest.fixture(scope="module")
def rendered(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    result = render(VERSION, "--output", folder, "--signers", Key(folder).signers, *files)
    assert result.returncode == 0, result.stderr
    return folder


def test_every_address_has_the_digest_of_its_file(rendered: Path) -> None:
    used = set()
    for path in (rendered / name for name in ("kubekeep.rb", "scoop.json", "krew.yaml", "flake.nix")):
        text = path.read_text(encoding="utf-8").replace("${version}", VERSION).replace("${file.name}", "")
        assert "@" not in text
        digests = re.findall(r"\b[0-9a-f]{64}\b", text)
        expected = [name for name in NAMES if hashlib.sha256(name.encode()).hexdigest() in digests]
        assert len(digests) == len(expected)
        used |= set(expected)
        for name in expected if path.name != "flake.nix" else ():
            assert f"https://github.com/kubekeep/kubekeep/releases/download/v{VERSION}/{name}" in text
    assert used == set(NAMES)


def test_homebrew_installs_the_file_of_each_platform(rendered: Path) -> None:
    text = (rendered / "kubekeep.rb").read_text(encoding="utf-8")
    pairs = re.findall(r'url "\S+/(\S+)"\s+sha256 "(\w+)"', text)
    assert [name for name, _ in pairs] == [
        f"kubekeep-{VERSION}-{platform}.tar.xz"
        for platform in ("macos-aarch64", "macos-x86_64", "linux-aarch64", "linux-x86_64")
    ]
    assert all(hashlib.sha256(name.encode()).hexdigest() == digest for name, digest in pairs)


def test_winget_manifests_have_the_required_fields(rendered: Path) -> None:
    paths = {path.name: path for path in (rendered / "winget").iterdir()}
    assert set(paths) == set(WINGET_FIELDS)
    for name, path in paths.items():
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"PackageIdentifier", "PackageVersion", "ManifestType", "ManifestVersion", *WINGET_FIELDS[name]} <= set(
            manifest
        )
        assert (manifest["PackageIdentifier"], manifest["PackageVersion"]) == ("kubekeep.kubekeep", VERSION)
        assert f"manifest.{manifest['ManifestType']}.{manifest['ManifestVersion']}" in path.read_text(encoding="utf-8")
    installer = yaml.safe_load(paths["kubekeep.kubekeep.installer.yaml"].read_text(encoding="utf-8"))
    name = f"kubekeep-{VERSION}-windows-x86_64.zip"
    assert installer["Installers"][0]["InstallerUrl"].endswith(name)
    assert installer["Installers"][0]["InstallerSha256"] == hashlib.sha256(name.encode()).hexdigest().upper()
    assert (
        installer["NestedInstallerFiles"][0]["RelativeFilePath"] == f"kubekeep-{VERSION}-windows-x86_64\\kubekeep.exe"
    )


def test_installation_script_contains_the_key(rendered: Path) -> None:
    key = (rendered / "key.signers").read_text().strip()
    script = (rendered / "install.sh").read_text(encoding="utf-8")
    assert f"signers='{key}'" in script
    assert script.replace(key, "@SIGNERS@") == (PACKAGES / "install.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "# none\n", "a'; touch x; '\n", "name ssh-ed25519 'AAAA'\n", "name $(id) AAAA\n"])
def test_text_that_is_no_key_is_refused(files: list[Path], tmp_path: Path, text: str) -> None:
    signers = tmp_path / "signers"
    signers.write_text(text)
    result = render(VERSION, "--output", tmp_path / "out", "--signers", signers, *files)
    assert result.returncode == 1
    assert "not a file of allowed signers" in result.stderr
    assert not (tmp_path / "out" / "install.sh").exists()


def test_missing_files_and_wrong_versions_are_refused(files: list[Path], tmp_path: Path) -> None:
    result = render(VERSION, "--output", tmp_path, *(path for path in files if "macos-x86_64" not in path.name))
    assert result.returncode == 2
    assert f"requires the file kubekeep-{VERSION}-macos-x86_64.tar" in result.stderr
    assert render("1.0; x", "--output", tmp_path, *files).returncode == 2


@pytest.mark.integration
def test_ruby_parses_the_formula(rendered: Path, tmp_path: Path) -> None:
    ruby = find_program("ruby")
    result = subprocess.run(
        [ruby, "-wc", str(rendered / "kubekeep.rb")], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout == "Syntax OK\n"
    assert not result.stderr
    broken = tmp_path / "broken.rb"
    broken.write_text((rendered / "kubekeep.rb").read_text().replace("\nend\n", "\n"))
    assert subprocess.run([ruby, "-c", broken], capture_output=True, check=False, timeout=60).returncode


@pytest.mark.integration
def test_nix_parses_the_flake(rendered: Path, tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path), "NIX_STATE_DIR": str(tmp_path), "NIX_STORE_DIR": str(tmp_path)}
    command = [str(find_program("nix-instantiate")), "--parse", str(rendered / "flake.nix")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert result.returncode == 0, result.stderr
    assert f'version = "{VERSION}"' in result.stdout


def read_stored_schemas() -> dict[str, Any]:
    """Return the schemas that the package schemastore contains, by identifier: responses in a database."""
    path = CACHE / "schemastore" / "schemastore" / "cache.sqlite"
    if not path.exists():
        pytest.skip("schemastore is not installed: run scripts/test-integrations")
    schemas = {}
    mark = b"_content\x94B"
    with sqlite3.connect(path) as database:
        for (response,) in database.execute("SELECT value FROM responses"):
            start = response.find(mark) + len(mark)
            size = struct.unpack("<I", response[start : start + 4])[0]
            if b"scoop.sh/" in response[start : start + 200]:
                schema = json.loads(response[start + 4 : start + 4 + size])
                schemas[schema["$id"]] = schema
    return schemas


@pytest.mark.integration
def test_scoop_manifest_matches_the_schema(rendered: Path) -> None:
    validator = jsonschema.Draft7Validator(read_stored_schemas()["http://scoop.sh/draft/schema#"])
    manifest = json.loads((rendered / "scoop.json").read_text(encoding="utf-8"))
    validator.validate(manifest)
    manifest["architecture"]["64bit"]["hash"] = "not a digest"
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(manifest)


def write_small_archive(path: Path) -> None:
    """Write an archive of another platform, with the names of its files."""
    folder = path.parent.parent / path.name.removesuffix(".tar.gz").removesuffix(".zip")
    (folder / "share").mkdir(parents=True, exist_ok=True)
    (folder / "share" / "LICENSE").write_bytes(b"licence")
    program = folder / ("kubekeep.exe" if path.suffix == ".zip" else "kubekeep")
    program.write_bytes(b"program")
    program.chmod(0o755)
    command = [sys.executable, str(PACKAGES / "binary" / "archive.py"), str(folder), str(path)]
    subprocess.run(command, check=True, timeout=60, env={"SOURCE_DATE_EPOCH": "1700000000"})


@pytest.mark.integration
def test_krew_accepts_and_installs_the_plugin(archive: Path, tmp_path: Path) -> None:
    """validate-krew-manifest downloads and installs the plugin of every platform: the binary, and small files."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
        if name.endswith((".gz", ".zip")):
            write_small_archive(folder / name)
    shutil.copy(archive.with_suffix(".gz"), folder)

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *values: Any) -> None:
            super().__init__(*values, directory=str(folder))

    with serving(Files) as port:
        url = f"http://127.0.0.1:{port}"
        result = render(VERSION, "--output", tmp_path / "out", "--url", url, *folder.iterdir())
        assert result.returncode == 0, result.stderr
        manifest = tmp_path / "kubekeep.yaml"
        shutil.copy(tmp_path / "out" / "krew.yaml", manifest)
        validate = run_with_krew(tmp_path, str(find_program("validate-krew-manifest")), "-manifest", str(manifest))
        install = run_with_krew(tmp_path, "kubectl", "krew", "install", f"--manifest={manifest}")
    assert validate.returncode == 0, validate.stderr
    assert install.returncode == 0, install.stderr
    assert "Try: kubectl kubekeep scan" in install.stdout + install.stderr
    assert run_with_krew(tmp_path, "kubectl", "kubekeep", "--version").stdout == f"kubekeep {VERSION}\n"


def run_with_krew(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program with kubectl, with krew as its plugin, and with the plugins that krew installed below the folder."""
    programs = (CACHE / "bin", SCRIPTS, folder / "krew" / "bin", os.environ["PATH"])
    environment = {"PATH": os.pathsep.join(map(str, programs)), "HOME": str(folder), "KREW_ROOT": str(folder / "krew")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
