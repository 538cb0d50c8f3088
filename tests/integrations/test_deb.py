"""The Debian package: checked by lintian, installed by dpkg into a root of its own, run there, and removed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep._native import VERSION
from tests.integrations.conftest import DATE
from tests.integrations.samples import FOLDER, ROOT, find_program

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed"),
]
BUILD = FOLDER / "packages" / "deb" / "build"


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [str(word) for word in command],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def build(archive: Path, folder: Path) -> Path:
    """Build the package."""
    result = run(BUILD, archive, folder, **DATE)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())


@pytest.fixture(scope="module")
def package(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(archive, tmp_path_factory.mktemp("deb"))


@pytest.fixture
def root(package: Path, tmp_path: Path) -> Iterator[Path]:
    """Yield a folder that dpkg takes for the root of an empty system; the package is installed there."""
    for name in ("updates", "info", "triggers"):
        (tmp_path / "var/lib/dpkg" / name).mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("")
    (tmp_path / "var/lib/dpkg/available").write_text("")
    result = dpkg(tmp_path, "--install", package)
    assert result.returncode == 0, result.stderr
    yield tmp_path
    assert dpkg(tmp_path, "--remove", "kubekeep").returncode == 0
    assert not [path for path in (tmp_path / "usr").rglob("*") if not path.is_dir()]


def dpkg(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run dpkg for a root without libc."""
    options = (
        f"--root={root}",
        "--force-depends",
        "--force-not-root",
        "--force-script-chrootless",
        f"--log={root}/log",
    )
    return run("dpkg", *options, *arguments, DPKG_ROOT=str(root))


def test_package_is_installed_run_and_removed(root: Path) -> None:
    program = root / "usr/bin/kubekeep"
    assert run(program, "--version").stdout == f"kubekeep {VERSION}\n"
    result = run(program, "scan", ROOT / "examples" / "online-shop", "-f", "sarif", "-o", "-")
    assert '"C-0057"' in result.stdout
    assert run(root / "usr/bin/kubectl-kubekeep", "--help").stdout.startswith("Usage: kubectl kubekeep")
    assert "Status: install ok installed" in run("dpkg", f"--root={root}", "--status", "kubekeep").stdout
    for name in ("bash-completion/completions/kubekeep", "zsh/vendor-completions/_kubekeep", "doc/kubekeep/copyright"):
        assert (root / "usr/share" / name).stat().st_size
    pages = list((root / "usr/share/man/man1").iterdir())
    assert len(pages) > 20
    assert all(path.resolve().is_file() for path in pages)
    assert not dpkg(root, "--verify", "kubekeep").stdout


def test_lintian_has_nothing_to_say(package: Path) -> None:
    result = run(find_program("lintian"), "--allow-root", "--fail-on", "error,warning", "--no-cfg", package)
    assert result.returncode == 0, result.stdout


def test_lintian_reads_the_package(package: Path) -> None:
    result = run(find_program("lintian"), "--allow-root", "--no-override", "--no-cfg", package)
    assert "embedded-library" in result.stdout


def test_control_file_is_complete(package: Path) -> None:
    fields = run("dpkg-deb", "--field", package).stdout
    assert f"Version: {VERSION}\n" in fields
    assert "Depends: libc6 (>= 2." in fields
    assert "@" not in fields.replace("release@kubekeep.io", "")
    contents = run("dpkg-deb", "--contents", package).stdout.splitlines()
    assert all("root/root" in line for line in contents)


def test_build_is_reproducible(archive: Path, package: Path, tmp_path: Path) -> None:
    assert build(archive, tmp_path / "again").read_bytes() == package.read_bytes()


def test_binary_of_another_system_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / f"kubekeep-{VERSION}-macos-aarch64.tar.xz"
    archive.write_bytes(b"")
    result = run(BUILD, archive, tmp_path)
    assert result.returncode == 2
    assert "is not a binary for Linux" in result.stderr
