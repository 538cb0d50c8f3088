"""Versions of Go programs without a stamped version: real builds in several styles, and evidence that proves nothing."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubekeep.images.catalog.go_versions import find_version
from kubekeep.images.content import Executable, GoLinkedValue, GoVariable
from kubekeep.images.layers import read_layers
from kubekeep.images.merge import merge
from tests.images.layer_files import MemoryImage, build_tar, read_native

MAIN = """package main

import (
	"fmt"
	"os"

	"example.com/app/internal/version"
	"example.com/lib"
)

var release = "dev"
var appVersion = "0.9.0"

func main() {
	if len(os.Args) > 1 {
		fmt.Printf("app %s\\n", appVersion)
	}
	fmt.Println(release, version.Get(), lib.UserAgent(), lib.Version)
}
"""
FILES = {
    "go.mod": "module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v1.0.0\n\nreplace example.com/lib => ./lib\n",
    "main.go": MAIN,
    "internal/version/version.go": 'package version\n\nvar version = ""\n\n//go:noinline\nfunc Get() string { return version }\n',
    "lib/go.mod": "module example.com/lib\n\ngo 1.21\n",
    "lib/lib.go": 'package lib\n\nvar Version = "none"\n\nfunc UserAgent() string { return "lib/" + Version }\n',
}
OWN = "-X example.com/app/internal/version.version=v2.3.4"
LIBRARY = "-X example.com/lib.Version=9.9.9"
STRIPPED = "-s -w"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    folder = tmp_path_factory.mktemp("versions")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def build(module: Path, flags: Sequence[str], *options: str, architecture: str = "amd64") -> bytes:
    target = module / "app"
    environment = {
        "PATH": f"{Path(shutil.which('go') or '').parent}:/usr/bin:/bin",
        "HOME": str(Path.home()),
        "CGO_ENABLED": "0",
        "GOARCH": architecture,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false -mod=mod",
        "GOPROXY": "off",
    }
    command = ["go", "build", "-o", str(target), f"-ldflags={' '.join(flags)}", *options, "."]
    subprocess.run(command, cwd=module, env=environment, check=True, timeout=300)
    return target.read_bytes()


def read_version(content: bytes) -> str:
    """Return the version of the main module in an image with the executable."""
    image = merge(read_layers(MemoryImage(build_tar({"usr/bin/app": content}))))
    (package,) = [package for package in image.packages if package.name == "app"]
    return package.version


@pytest.mark.parametrize(
    ("flags", "options", "version"),
    [
        # The build information has the flags.
        ([OWN], [], "v2.3.4"),
        ([STRIPPED, OWN, LIBRARY], [], "v2.3.4"),
        ([LIBRARY], [], "v0.9.0"),
        ([STRIPPED, LIBRARY], [], ""),
        # It has not, but there are symbols.
        ([OWN], ["-trimpath"], "v2.3.4"),
        ([OWN, LIBRARY, "-X main.release=v2.3.4"], ["-trimpath"], "v2.3.4"),
        (["-X main.appVersion=1.5.0", LIBRARY], ["-trimpath"], "v1.5.0"),
        # The value in the source.
        ([], ["-trimpath"], "v0.9.0"),
        ([LIBRARY], ["-trimpath"], "v0.9.0"),
        # The flags do not agree.
        ([OWN, "-X main.appVersion=1.0.0"], ["-trimpath"], "v2.3.4"),
        # No symbols either.
        ([STRIPPED, OWN], ["-trimpath"], "v2.3.4"),
        ([STRIPPED, "-X main.appVersion=1.5.0"], ["-trimpath"], "v1.5.0"),
        # A dependency has this version.
        ([STRIPPED, "-X main.appVersion=1.0.0"], ["-trimpath"], ""),
        ([STRIPPED], ["-trimpath"], ""),
        ([STRIPPED, LIBRARY], ["-trimpath"], ""),
        ([STRIPPED, OWN, LIBRARY], ["-trimpath"], ""),
        ([STRIPPED, OWN, "-X main.release=9.9.9"], ["-trimpath"], ""),
    ],
)
def test_builds(module: Path, flags: list[str], options: list[str], version: str) -> None:
    assert read_version(build(module, flags, *options)) == version


def test_processors(module: Path) -> None:
    """Without symbols, the readers of a variable are known for two processors."""
    for architecture, version in (("arm64", "v2.3.4"), ("s390x", "")):
        content = build(module, [STRIPPED, OWN], "-trimpath", architecture=architecture)
        assert read_version(content) == version


def test_large_executables_are_read_from_a_file(module: Path, tmp_path: Path) -> None:
    for flags in ([OWN], [STRIPPED, OWN]):
        archive = build_tar({"app": build(module, flags, "-trimpath")})
        facts = [read_native(archive, tmp_path, limits=limits).executables() for limits in ({}, {"memory": 100_000})]
        assert facts[0] == facts[1]
        assert any(facts[0][0][6:8])


def test_damaged_executables(module: Path, tmp_path: Path) -> None:
    random_bytes = random.Random(1)
    for flags in ([OWN], [STRIPPED, OWN]):
        content = build(module, flags, "-trimpath")
        files = {"start": content[: len(content) // 2], "end": content[:-1000]}
        for number in range(40):
            damaged = bytearray(content)
            for _ in range(200):
                damaged[random_bytes.randrange(64, len(content))] = random_bytes.randrange(256)
            files[str(number)] = bytes(damaged)
        read_native(build_tar(files), tmp_path)


def find(*variables: GoVariable, flags: str = "", path: str = "example.com/app", **fields: object) -> str:
    executable = Executable("app", go_variables=variables, **fields)  # type: ignore[arg-type]
    return find_version(path, f"{path}/cmd/tool", executable, flags, "1.24.1")


@pytest.mark.parametrize(
    ("name", "value", "version"),
    [
        ("main.version", "1.2.3", "v1.2.3"),
        ("main.Version", "v1.2.3-rc.1+5", "v1.2.3-rc.1+5"),
        ("example.com/app/pkg/version/app.ver", "0.50.1", "v0.50.1"),
        ("example.com/app.toolVersion", "1.2.3", "v1.2.3"),
        ("main.appVersion", "1.2.3", "v1.2.3"),
        ("main.GitTag", "v1.2.3", "v1.2.3"),
        ("main.versionString", "1.2.3", "v1.2.3"),
        ("github.com/prometheus/common/version.Version", "2.45.0", "v2.45.0"),
        ("main.goVersion", "1.24.3", ""),
        ("main.protocVersion", "25.1.0", ""),
        ("main.minimumVersion", "1.2.3", ""),
        ("main.version", "unknown", ""),
        ("main.version", "0.0.0-dev", ""),
        ("main.version", "1.2", ""),
        ("main.version", "1.2.3 with text", ""),
        ("main.commit", "1.2.3", ""),
        ("example.com/application.version", "1.2.3", ""),
        ("example.com/lib.Version", "1.2.3", ""),
        ("k8s.io/component-base/version.gitVersion", "v1.31.0", ""),
    ],
)
def test_variables(name: str, value: str, version: str) -> None:
    assert find(GoVariable(name, value, is_linked=True)) == version
    flags = f"-s -w -X '{name}={value}' -X main.date=2024.01.01"
    assert find(flags=flags if " " not in value else "") == ("" if " " in value else version)


def test_variables_of_the_source() -> None:
    assert find(GoVariable("main.version", "1.2.3", is_linked=False)) == "v1.2.3"
    assert find(GoVariable("example.com/app/version.Version", "1.2.3", is_linked=False)) == "v1.2.3"
    # The version of something else that the module is about.
    assert find(GoVariable("example.com/app/openapi.Version", "3.0.0", is_linked=False)) == ""
    assert find(GoVariable("github.com/prometheus/common/version.Version", "1.2.3", is_linked=False)) == ""


def test_variables_that_differ() -> None:
    own = GoVariable("main.version", "1.2.3", is_linked=True)
    assert find(own, GoVariable("main.buildTag", "v1.2.4", is_linked=True)) == "v1.2.3"
    assert find(own, GoVariable("example.com/app/cmd.Version", "v1.2.4", is_linked=True)) == ""
    shared = GoVariable("github.com/prometheus/common/version.Version", "2.0.0", is_linked=True)
    assert find(own, shared) == "v1.2.3"
    assert find(GoVariable("main.baseVersion", "1.2.3", is_linked=True), shared) == ""


def test_kubernetes() -> None:
    variable = GoVariable("k8s.io/component-base/version.gitVersion", "v1.31.0", is_linked=True)
    for path, version in (
        ("k8s.io/kubernetes", "v1.31.0"),
        ("sigs.k8s.io/x", "v1.31.0"),
        ("github.com/kcp-dev/kcp", ""),
    ):
        assert find(variable, path=path) == version
        linked = GoLinkedValue("v1.31.0", (("k8s.io/component-base/version.Get", ()),))
        assert find(path=path, go_linked=(linked,)) == version


@pytest.mark.parametrize(
    ("readers", "version"),
    [
        ([("main.main", ("tool version %s",))], "v1.2.3"),
        ([("main.main", ("tool/",))], "v1.2.3"),
        ([("main.main", ("version: %s",))], "v1.2.3"),
        ([("main.(*cli).printVersion.func1", ())], "v1.2.3"),
        ([("example.com/app/internal/version.Get", ())], "v1.2.3"),
        ([("main.main", ())], ""),
        ([], ""),
        ([("main.main", ("lib version %s", "toolbox", "versions"))], ""),
        ([("main.checkLibraryVersion", ())], ""),
        ([("main.main", ("tool version",)), ("example.com/lib.init", ())], ""),
        ([("example.com/lib/version.Get", ())], ""),
    ],
)
def test_values_without_names(readers: list[tuple[str, tuple[str, ...]]], version: str) -> None:
    values = (GoLinkedValue("1.2.3", tuple(readers)), GoLinkedValue("1.24.1", ()), GoLinkedValue("2024.01", ()))
    assert find(go_linked=values) == version
    assert find(go_linked=(*values, GoLinkedValue("v3.0.0", ()))) == ""
    modules = "dep\texample.com/lib\tv1.2.3\th1:x=\n"
    assert find(go_linked=values, go_modules=modules) == ""
