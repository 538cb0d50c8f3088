"""The installation script with a real key pair and a loopback server: nothing unverified is unpacked or run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.releases import Key, Releases, write_archive
from tests.integrations.samples import FOLDER, find_program

SCRIPT = FOLDER / "packages" / "install.sh"
pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("curl", "ssh-keygen", "xz")), reason="curl, ssh-keygen or xz is missing"
)


class Installer:
    """The script, with a prefix and a server of its own."""

    def __init__(self, folder: Path, releases: Releases, url: str) -> None:
        self.releases = releases
        self.prefix = folder / "prefix"
        self.path = os.environ["PATH"]
        self.command = ["sh", str(SCRIPT), "--prefix", str(self.prefix), "--url", url]

    def run(self, *arguments: str, signers: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        command = [*self.command, "--signers", str(signers or self.releases.key.signers), *arguments]
        environment = {"PATH": self.path, "HOME": str(self.prefix.parent)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def list_files(self) -> set[str]:
        """Return the names of all files and links below the prefix."""
        return {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if not path.is_dir()}

    def print_version(self, program: str = "kubekeep") -> str:
        """Run the installed program."""
        command = [str(self.prefix / "bin" / program), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    def assert_refused(self, message: str, *arguments: str, signers: Path | None = None) -> None:
        """Run the script, which must fail with the message and change nothing."""
        before = self.list_files()
        result = self.run(*arguments, signers=signers)
        assert result.returncode == 1
        assert message in result.stderr
        assert self.list_files() == before


@pytest.fixture
def installer(tmp_path: Path) -> Iterator[Installer]:
    releases = Releases(tmp_path / "server", Key(tmp_path))
    releases.add("0.1.0")
    with releases.serve() as url:
        yield Installer(tmp_path, releases, url)


def test_newest_release_is_installed_and_removed(installer: Installer) -> None:
    result = installer.run()
    assert result.returncode == 0, result.stderr
    assert installer.print_version() == "kubekeep 0.1.0"
    assert installer.print_version("kubectl-kubekeep") == "kubekeep 0.1.0"
    assert (installer.prefix / "share/man/man1/kubekeep.1").read_text() == ".TH KUBEKEEP 1\n"
    assert "is not on the PATH" in result.stderr
    (installer.prefix / "bin" / "other").write_text("of the user")
    assert installer.run("--uninstall").returncode == 0
    assert installer.list_files() == {"bin/other"}
    installer.assert_refused("was not made by this script", "--uninstall")


def test_signature_is_downloaded_and_verified_first(installer: Installer, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    path = installer.releases.path("0.1.0")
    write_archive(path, "0.1.0", program=f"#!/bin/sh\ntouch {proof}\n")
    installer.assert_refused("is not valid; nothing was installed")
    assert not proof.exists()
    assert [Path(name).suffix for name in installer.releases.requests] == [".sig", ".xz"]


def test_tampered_signature_is_refused(installer: Installer) -> None:
    signature = installer.releases.path("0.1.0").with_suffix(".xz.sig")
    lines = signature.read_text().splitlines()
    lines[-2] = lines[-2][::-1]
    signature.write_text("\n".join([*lines, ""]))
    installer.assert_refused("is not valid")
    signature.write_text("")
    installer.assert_refused("is not valid")
    signature.unlink()
    installer.assert_refused("cannot be downloaded; nothing was installed")


def test_other_keys_and_purposes_are_refused(installer: Installer, tmp_path: Path) -> None:
    other = Key(tmp_path, "other")
    installer.assert_refused("is not valid", signers=other.signers)
    other.sign(installer.releases.path("0.1.0"))
    installer.assert_refused("is not valid")
    installer.releases.key.sign(installer.releases.path("0.1.0"), namespace="git")
    installer.assert_refused("is not valid")


def test_truncated_download_is_refused(installer: Installer) -> None:
    installer.releases.truncated = True
    installer.assert_refused("tar.xz cannot be downloaded; nothing was installed")


def test_signed_archive_of_another_version_is_refused(installer: Installer) -> None:
    old = installer.releases.path("0.1.0")
    new = installer.releases.add("0.2.0", old)
    shutil.copy(old.with_suffix(".xz.sig"), new.with_suffix(".xz.sig"))
    installer.assert_refused("the archive is not kubekeep-0.2.0")
    write_archive(new, "0.2.0", program="#!/bin/sh\necho kubekeep 0.1.0\n")
    installer.releases.key.sign(new)
    installer.assert_refused("is 'kubekeep 0.1.0' instead of 0.2.0")


def test_binary_that_does_not_run_is_refused(installer: Installer) -> None:
    path = installer.releases.path("0.1.0")
    write_archive(path, "0.1.0", program="#!/bin/sh\necho no GLIBC_2.99 >&2; exit 1\n")
    installer.releases.key.sign(path)
    installer.assert_refused("no GLIBC_2.99")


@pytest.mark.parametrize(("system", "machine"), [("SunOS", "x86_64"), ("Linux", "s390x"), ("MINGW64_NT", "x86_64")])
def test_other_platforms_are_refused(installer: Installer, tmp_path: Path, system: str, machine: str) -> None:
    program = tmp_path / "programs" / "uname"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {machine}\n')
    program.chmod(0o755)
    installer.path = f"{program.parent}:{installer.path}"
    installer.assert_refused("uv tool install kubekeep")
    assert not installer.releases.requests


def test_newer_version_stays_unless_another_is_requested(installer: Installer) -> None:
    installer.releases.add("0.10.0")
    assert installer.run().returncode == 0
    installer.releases.latest = "0.9.0"
    result = installer.run()
    assert result.returncode == 0
    assert "newer than 0.9.0" in result.stderr
    assert installer.print_version() == "kubekeep 0.10.0"
    assert installer.run("--version", "v0.1.0").returncode == 0
    assert installer.print_version() == "kubekeep 0.1.0"


def test_update_keeps_only_the_previous_version(installer: Installer) -> None:
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        if version != "0.1.0":
            installer.releases.add(version)
        assert installer.run().returncode == 0
        assert installer.print_version() == f"kubekeep {version}"
    versions = {path.name for path in (installer.prefix / "lib" / "kubekeep").iterdir()}
    assert versions == {"0.2.0", "0.3.0", ".installed-by-install.sh"}
    assert "0.3.0 is installed" in installer.run().stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_update_leaves_the_old_version(installer: Installer, tmp_path: Path, sent: signal.Signals) -> None:
    assert installer.run().returncode == 0
    before = installer.list_files()
    path, started = installer.releases.add("0.2.0"), tmp_path / "started"
    write_archive(path, "0.2.0", program=f"#!/bin/sh\ntouch {started}\nsleep 5\necho kubekeep 0.2.0\n")
    installer.releases.key.sign(path)
    command = [*installer.command, "--signers", str(installer.releases.key.signers)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 30
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, sent)
    assert process.wait(120) != 0
    assert installer.print_version() == "kubekeep 0.1.0"
    if sent is not signal.SIGKILL:
        assert installer.list_files() == before
    write_archive(path, "0.2.0")
    installer.releases.key.sign(path)
    assert installer.run().returncode == 0
    assert installer.print_version() == "kubekeep 0.2.0"


def test_program_of_another_installer_is_not_replaced(installer: Installer) -> None:
    program = installer.prefix / "bin" / "kubekeep"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho of pipx\n")
    installer.assert_refused("was not installed by this script")
    assert not installer.releases.requests
    folder = installer.prefix / "lib" / "kubekeep"
    folder.mkdir(parents=True)
    installer.assert_refused("was not made by this script")


def test_wrong_arguments_change_nothing(installer: Installer) -> None:
    for version in ("../../etc", "0.1.0/..", "-x", "latest"):
        installer.assert_refused("is not a version", "--version", version)
    assert installer.run("--sudo").returncode == 2
    assert installer.run("--version").returncode == 2
    installer.releases.latest = "../x"
    installer.assert_refused("is not a version")


def test_copy_without_a_key_refuses(installer: Installer) -> None:
    result = subprocess.run(installer.command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert "contains no public key" in result.stderr
    assert not installer.releases.requests


def test_incomplete_script_does_nothing(installer: Installer, tmp_path: Path) -> None:
    text = SCRIPT.read_text().rpartition("# Everything above")[0]
    for share in (0.3, 0.6, 0.9, 1.0):
        part = tmp_path / "part.sh"
        part.write_text(text[: int(len(text) * share)])
        command = ["sh", str(part), *installer.command[2:], "--signers", str(installer.releases.key.signers)]
        subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert not installer.list_files()
        assert not installer.releases.requests


def test_scripts_pass_shellcheck() -> None:
    scripts = [SCRIPT, FOLDER / "packages" / "binary" / "build"]
    subprocess.run([find_program("shellcheck"), *scripts], check=True, timeout=60)
    assert "sudo" not in SCRIPT.read_text()
