"""Go and Rust: modules and crates of real executables against `go list` and `cargo tree`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubekeep.images.catalog import go, go_files, rust
from kubekeep.images.content import Executable
from kubekeep.model.package import Package
from tests.images.catalog.reading import RECORDED, list_names, read_packages

MODULES = (RECORDED / "locks/go/modules.txt").read_text()


def read_modules(text: str, version: str = "go1.22.1") -> set[tuple[str, str]]:
    record = go.read_executable(Executable("app", version, text))
    return list_names(record.packages) if record else set()


def list_expected() -> set[tuple[str, str]]:
    """Return the modules of `go list -deps`; a module replaced by a local folder has no version."""
    expected = set()
    for line in (RECORDED / "locks/go/list.txt").read_text().splitlines():
        match line.split():
            case [_, _, "=>", path, version] | [path, version]:
                expected.add((path.lower(), version))
            case [path, *_]:
                expected.add((path.lower(), ""))
    return expected


def test_modules() -> None:
    expected = list_expected() - {("example.com/shop", "")} | {("example.com/shop", "v1.4.2"), ("stdlib", "1.22.1")}
    assert read_modules(MODULES) == expected


def test_requirements() -> None:
    packages = read_packages(go_files, "go/go.mod")
    assert list_names(packages) == {pair for pair in list_expected() if pair[1] and pair[0] != "example.com/shop"}
    text = "module m\ngo 1.22.0\ntoolchain go1.22.5\nrequire a.com/b v1.0.0 // indirect\nexclude a.com/b v0.9.0\nreplace a.com/b v1.0.0 => c.com/d v1.1.0\n"
    assert list_names(read_packages(go_files, "go.mod", text)) == {("stdlib", "1.22.5"), ("c.com/d", "v1.1.0")}


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_real_executable() -> None:
    """The program kubectl as its project builds it, against `go version -m`."""
    kubectl = Path(sys.executable).parent / "kubectl"
    if not kubectl.exists():
        pytest.skip("kubectl is not installed")
    command = ["go", "version", "-m", str(kubectl)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    version = listing[0].rpartition(": ")[2]
    text = "\n".join(line.removeprefix("\t") for line in listing[1:])
    rows = [line.split("\t") for line in text.splitlines()]
    expected = {(row[1].lower(), row[2]) for row in rows if row[0] in ("mod", "dep")}
    assert len(expected) > 30
    assert read_modules(text, version) == {*expected, ("stdlib", version.removeprefix("go").partition(" ")[0])}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.22.1", "1.22.1"),
        ("go1.22.1 X:boringcrypto", "1.22.1"),
        ("go1.24.6-fips", "1.24.6"),
        ("go1.23rc2", "1.23rc2"),
        ("devel go1.25-abcdef Mon", "1.25"),
    ],
)
def test_toolchains(text: str, version: str) -> None:
    assert read_modules("", text) == {("stdlib", version)}


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ("mod\texample.com/app\tv1.2.3\th1:x=", "v1.2.3"),
        ("mod\texample.com/app\tv1.2.3+dirty\t", "v1.2.3+dirty"),
        ("mod\texample.com/app\t(devel)\t", ""),
        ("mod\texample.com/app\tv0.0.0-20240101101010-abcdefabcdef\t", ""),
        ("mod\texample.com/app\tv1.2.4-0.20240101101010-abcdefabcdef\t", "v1.2.4-0.20240101101010-abcdefabcdef"),
        ('mod\texample.com/app\t(devel)\t\nbuild\t-ldflags="-s -w -X main.version=2.1.0"', "v2.1.0"),
        (
            "mod\texample.com/app\t(devel)\t\nbuild\t-ldflags=\"-X 'example.com/app/build.GitVersion=v2.1.0-rc1'\"",
            "v2.1.0-rc1",
        ),
        ('mod\texample.com/app\t(devel)\t\nbuild\t-ldflags="-X example.com/other.Version=9.9.9"', ""),
        ('mod\texample.com/app\t(devel)\t\nbuild\t-ldflags="-X main.commit=1.2.3"', ""),
    ],
)
def test_main_module(lines: str, version: str) -> None:
    assert read_modules(lines) == {("stdlib", "1.22.1"), ("example.com/app", version)}


def test_crates() -> None:
    """`cargo tree -e normal,no-proc-macro` of the program; build dependencies are not part of the executable."""
    content = (RECORDED / "locks/rust/auditable.json").read_bytes()
    record = rust.read_executable(Executable("app", cargo=content))
    assert record is not None
    assert list_crates(record.packages) == set((RECORDED / "locks/rust/runtime.txt").read_text().split("\n")) - {""}


def test_locked_crates() -> None:
    expected = set((RECORDED / "locks/rust/lock.txt").read_text().split("\n")) - {"", "app v0.1.0"}
    assert list_crates(read_packages(rust, "rust/Cargo.lock")) == expected


def list_crates(packages: tuple[Package, ...]) -> set[str]:
    return {f"{package.name} v{package.version}" for package in packages}
