"""The container images: built twice with buildah, run with podman and runc under the strictest settings."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep._native import VERSION
from tests.integrations.samples import ROOT
from tests.integrations.wheel import build_wheel

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(not all(map(shutil.which, ("buildah", "podman", "runc"))), reason="needs buildah, podman, runc"),
]
SECONDS = 300
STRICT = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
)
"""The limits are those of this process, or podman asks for more than it may."""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of two builds from the same wheel."""
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    folders = [tmp_path_factory.mktemp("images") for _ in range(2)]
    for folder in folders:
        subprocess.run([ROOT / "integrations/image/build", wheel, folder], check=True, timeout=SECONDS)
    return folders


class Podman:
    """Podman with a storage of its own and the images of one build."""

    def __init__(self, folder: Path, images: Path) -> None:
        self.command: list[str | Path] = [
            *("podman", "--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs"),
            *("--cgroup-manager", "cgroupfs", "--runtime", shutil.which("runc") or "runc"),
        ]
        for archive in sorted(images.iterdir()):
            self.run("load", "--quiet", "--input", archive)

    def run(self, *arguments: str | Path, code: int = 0) -> str:
        """Run podman and return its output, if it ends with the expected code."""
        result = subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert result.returncode == code, result.stderr[-2000:]
        return str(result.stdout)

    def read_log(self, container: str) -> str:
        """Return what a container has printed."""
        result = subprocess.run(
            [*self.command, "logs", container], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return f"{result.stdout}{result.stderr}"

    def scan(self, folder: Path, *arguments: str, tools: bool = False, temporary: bool = False, code: int = 0) -> str:
        """Scan a folder as the working directory, without network, capabilities and writable files."""
        image = f"localhost/kubekeep{'-tools' if tools else ''}:{VERSION}"
        options = [*STRICT, *(("--tmpfs", "/tmp") if temporary else ())]  # noqa: S108 - of the container
        return self.run("run", "--rm", *options, "--volume", f"{folder}:/work:ro", image, "scan", *arguments, code=code)


@pytest.fixture(scope="module")
def podman(archives: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    folder = tmp_path_factory.mktemp("podman")
    program = Podman(folder, archives[0])
    yield program
    program.run("rmi", "--all", "--force")


def read_files(archive: Path) -> dict[str, tarfile.TarInfo]:
    """Return the files of the only layer of an OCI archive."""
    with tarfile.open(archive) as image:
        read = functools.partial(_read_member, image)
        index = json.loads(read("./index.json"))
        manifest = json.loads(read(_blob(index["manifests"][0]["digest"])))
        (layer,) = manifest["layers"]
        stream = image.extractfile(_blob(layer["digest"]))
        assert stream is not None
        with tarfile.open(fileobj=stream, mode="r:*") as files:
            return {member.name.removeprefix("./"): member for member in files}


def _blob(digest: str) -> str:
    return f"./blobs/{digest.replace(':', '/')}"


def _read_member(image: tarfile.TarFile, name: str) -> bytes:
    stream = image.extractfile(name)
    assert stream is not None
    return stream.read()


@pytest.mark.parametrize("name", ["kubekeep.tar", "kubekeep-tools.tar"])
def test_equal_inputs_give_equal_bytes(archives: list[Path], name: str) -> None:
    first, second = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in archives)
    assert first == second


def test_the_image_is_small_and_has_no_shell_package_manager_or_setuid_file(archives: list[Path]) -> None:
    files = read_files(archives[0] / "kubekeep.tar")
    assert sum(member.size for member in files.values()) < 85e6
    assert {name for name in files if name.startswith("usr/bin/")} == {"usr/bin/kubekeep", "usr/bin/python3.11"}
    names = {Path(name).name for name in files}
    assert not names & {"sh", "bash", "dash", "busybox", "apt", "dpkg", "apt-get", "pip", "pip3", "uv", "maturin"}
    assert not [name for name, member in files.items() if member.mode & 0o6000]
    writable = [name for name, member in files.items() if member.mode & 0o022 and not member.issym()]
    assert writable == ["tmp"]
    tools = read_files(archives[0] / "kubekeep-tools.tar")
    assert {name for name in tools if name.startswith("usr/bin/")} == {
        *("usr/bin/kubekeep", "usr/bin/python3.11", "usr/bin/kubectl")
    }


def test_a_scan_needs_no_privilege_and_equals_that_of_the_machine(podman: Podman) -> None:
    reports = [
        json.loads(podman.scan(ROOT / "examples", "online-shop", "--format", "sarif", "-o", "-")),
        json.loads(
            subprocess.run(
                [sys.executable, "-m", "kubekeep", "scan", "online-shop", "--format", "sarif", "-o", "-"],
                capture_output=True,
                check=True,
                cwd=ROOT / "examples",
            ).stdout
        ),
    ]
    first, second = ([(r["ruleId"], r["message"], r["locations"]) for r in x["runs"][0]["results"]] for x in reports)
    assert len(first) > 50
    assert first == second


def test_the_process_is_not_root_and_a_gate_ends_it_with_1(podman: Podman) -> None:
    info = json.loads(podman.run("inspect", f"localhost/kubekeep:{VERSION}"))[0]
    assert info["Config"]["User"] == "65532:65532"
    podman.scan(ROOT / "examples", "online-shop", "--fail-on", "critical", code=1)


def test_images_are_scanned_for_vulnerabilities(podman: Podman) -> None:
    options = ("--framework", "images", "--advisories", "advisories", "--format", "json", "-o", "-")
    # The database of the example has nothing about the system's packages.
    report = podman.scan(ROOT / "examples", "image:oci:catalog-image", *options, temporary=True, code=3)
    assert "4 Debian packages not assessed" in report
    assert "image-root-user" in report


def test_no_module_of_the_scanned_folder_is_imported(podman: Podman, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # the process in the container is another user
    shutil.copy(ROOT / "examples/online-shop/operations/debug-pod.yaml", tmp_path)
    for name in ("kubekeep", "json", "msgspec", "sitecustomize", "click"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    assert "critical" in podman.scan(tmp_path, ".")


def test_charts_and_overlays_need_the_tools(podman: Podman) -> None:
    examples, options = ROOT / "examples", ("--format", "json", "-o", "-")
    report = podman.scan(examples, "storefront-chart", *options, temporary=True, code=3)
    assert "the chart was not rendered" in report
    assert f"the container image with the tag {VERSION}-tools" in report
    report = podman.scan(examples, "storefront-chart", "overlays", *options, tools=True, temporary=True)
    sources = {resource.get("source", {}).get("fileType") for resource in json.loads(report)["resources"]}
    assert {"Helm Chart", "Kustomize Directory"} <= sources


def test_without_a_writable_folder_a_chart_is_reported_as_unread(podman: Podman) -> None:
    report = podman.scan(ROOT / "examples", "storefront-chart", "--format", "json", "-o", "-", tools=True, code=3)
    assert "set TMPDIR to a folder that can be written" in report


SERVER_OPTIONS = (*STRICT, "--volume", "/data")
READY = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/readyz').status)"


def test_the_server_writes_to_its_volume_only_and_stops_gracefully(tmp_path_factory: pytest.TempPathFactory) -> None:
    tmp_path = tmp_path_factory.mktemp("server")
    command: list[str | Path] = [sys.executable, "-m", "flit_core.wheel", ROOT / "server", "--outdir", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    (server,) = tmp_path.glob("kubekeep_server-*.whl")
    images = tmp_path / "images"
    build = ROOT / "integrations/image/build"
    subprocess.run([build, build_wheel(tmp_path), images, server], check=True, timeout=SECONDS)
    files = read_files(images / "kubekeep-server.tar")
    assert {name for name in files if name.startswith("usr/bin/")} == {"usr/bin/kubekeep", "usr/bin/python3.11"}
    writable = [name for name, member in files.items() if member.mode & 0o022 and not member.issym()]
    assert writable == ["data", "tmp"]
    podman = Podman(tmp_path / "podman", images)
    image = f"localhost/kubekeep-server:{VERSION}"
    try:
        container = podman.run("run", "--detach", *SERVER_OPTIONS, image).strip()
        deadline = time.monotonic() + SECONDS
        while "event=ready" not in podman.read_log(container):
            assert time.monotonic() < deadline, podman.read_log(container)
            time.sleep(1)
        assert podman.run("exec", container, "/usr/bin/python3.11", "-c", READY) == "200\n"
        podman.run("stop", "--time", "60", container)
        assert podman.run("inspect", container, "--format", "{{.State.ExitCode}}") == "0\n"
        assert "event=stopped" in podman.read_log(container)
    finally:
        podman.run("rm", "--all", "--force", "--volumes")
        podman.run("rmi", "--all", "--force")
