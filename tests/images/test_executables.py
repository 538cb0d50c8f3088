"""Executables in layers: real ones, built by Go and objcopy, and damaged ones."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.images.layer_files import build_tar, entry, read_native

SOURCE = 'package main\n\nvar Version = "none"\n\nfunc main() { println("version", Version) }\n'
OPTIONS = [[], ["-trimpath", "-ldflags=-s -w -X main.Version=1.2.3"]]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    folder = tmp_path_factory.mktemp("go")
    (folder / "go.mod").write_text("module example.com/app\n\ngo 1.21\n")
    (folder / "main.go").write_text(SOURCE)
    return folder


def build(module: Path, options: list[str]) -> Path:
    target = module / f"app-{len(options)}"
    environment = {
        "PATH": f"{Path(shutil.which('go') or '').parent}:/usr/bin:/bin",
        "HOME": str(Path.home()),
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
    }
    subprocess.run(["go", "build", "-o", target, *options], cwd=module, env=environment, check=True, timeout=300)
    return target


@pytest.mark.parametrize("options", OPTIONS)
def test_go_executables(module: Path, tmp_path: Path, options: list[str]) -> None:
    """The facts are those of `go version -m`, in memory and in a temporary file."""
    target = build(module, options)
    listed = subprocess.run(
        ["go", "version", "-m", target], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    first, *modules = listed.splitlines()
    archive = build_tar({"usr/bin/app": target.read_bytes()})
    for limits in ({}, {"memory": 100_000}):
        ((path, version, text, cargo, versions, symbols, *_),) = read_native(
            archive, tmp_path, limits=limits
        ).executables()
        assert path == "usr/bin/app"
        assert first == f"{target}: {version}"
        assert [f"\t{line}" for line in text.splitlines()] == modules
        assert (cargo, versions, symbols) == (b"", [], b"")


def test_packed_executable_is_unknown(module: Path, tmp_path: Path) -> None:
    content = build(module, []).read_bytes()
    packed = content[:64] + zlib.compress(content)
    native = read_native(build_tar({"app": packed}), tmp_path)
    assert (native.executables(), native.problems) == ([], [])


def test_hard_links_to_executables(module: Path, tmp_path: Path) -> None:
    content = build(module, []).read_bytes()
    archive = build_tar([(entry("bin/a"), content), (entry("bin/b", type=b"1", linkname="bin/a"), b"")])
    native = read_native(archive, tmp_path)
    assert [fields[0] for fields in native.executables()] == ["bin/a", "bin/b"]


PACKAGES = {"packages": [{"name": "app", "version": "1.0.0", "source": "local", "root": True}]}


def add_section(source: Path, target: Path, content: bytes) -> bytes:
    """Add the section of cargo-auditable to an ELF file."""
    section = target.with_suffix(".section")
    section.write_bytes(content)
    command = ["objcopy", "--add-section", f".dep-v0={section}", "--set-section-flags", ".dep-v0=noload,readonly"]
    subprocess.run([*command, source, target], check=True, timeout=60)
    return target.read_bytes()


@pytest.fixture(scope="module")
def elf() -> Path:
    if shutil.which("objcopy") is None or sys.platform != "linux":
        pytest.skip("objcopy is not installed")
    return Path("/bin/true")


def test_cargo_auditable(elf: Path, tmp_path: Path) -> None:
    text = json.dumps(PACKAGES).encode()
    archive = build_tar({"bin/app": add_section(elf, tmp_path / "app", zlib.compress(text))})
    for limits in ({}, {"memory": 1000}):
        ((_, version, _, cargo, *_),) = read_native(archive, tmp_path, limits=limits).executables()
        assert (version, cargo) == ("", text)


def test_damaged_lists_of_crates_are_problems(elf: Path, tmp_path: Path) -> None:
    packed = zlib.compress(json.dumps(PACKAGES).encode())
    bomb = zlib.compress(b" " * (9 << 20))
    for number, content in enumerate((packed[:-6], b"no zlib", bomb, b"x")):
        archive = build_tar({"app": add_section(elf, tmp_path / f"app{number}", content)})
        native = read_native(archive, tmp_path)
        assert native.executables() == []
        assert native.problems == [("app", "the list of Rust packages (.dep-v0) is damaged")]


VERSIONS = [
    ("tool", "**/tool", r"tool/(\d+\.\d+\.\d+)"),
    ("tool", "**/tool", r"Tool v(\d+)"),
    ("bytes", "opt/*", r"(?-u:\xff)(\d+)"),
]


def test_versions_of_loose_executables(tmp_path: Path) -> None:
    elf_start = b"\x7fELF" + bytes(60)
    filler = b"x" * (3 << 20)
    files = {
        "a/tool": elf_start + b"tool/1.2.3 and tool/4.5.6",
        "b/tool": elf_start + filler + b"Tool v7",
        "c/other": elf_start + b"tool/1.2.3",
        "d/tool": b"#!/bin/sh\necho tool/1.2.3",
        "opt/x": elf_start + b"\xff42",
    }
    for limits in ({}, {"memory": 100_000}):
        executables = read_native(build_tar(files), tmp_path, versions=VERSIONS, limits=limits).executables()
        assert [(path, versions) for path, _, _, _, versions, *_ in executables] == [
            ("a/tool", [("tool", "1.2.3")]),
            ("b/tool", [("tool", "7")]),
            ("opt/x", [("bytes", "42")]),
        ]


def test_match_over_the_border_of_two_windows(tmp_path: Path) -> None:
    for offset in (-10, -5, -1, 0, 1):
        content = b"\x7fELF" + b"x" * ((1 << 20) + offset) + b"tool/10.20.30" + b"y" * (2 << 20)
        native = read_native(build_tar({"tool": content}), tmp_path, versions=VERSIONS, limits={"memory": 100_000})
        assert native.executables()[0][4] == [("tool", "10.20.30")]


def test_invalid_patterns_are_refused(tmp_path: Path) -> None:
    for patterns, versions in ((["a[", "b"], []), ([], [("x", "*", "(")]), ([], [("x", "{", "a")])):
        with pytest.raises(ValueError, match="invalid"):
            read_native(b"", tmp_path, patterns, versions)


GO_MAGIC = b"\xff Go buildinf:"


def build_elf(data: bytes, *, address: int = 0x400000) -> bytes:
    """Return an ELF file without sections whose only segment is writable and has the data."""
    offset = 64 + 56
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, address, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    program = struct.pack("<IIQQQQQQ", 1, 6, offset, address, address, len(data), len(data), 16)
    return header + program + data


def build_pe(data: bytes) -> bytes:
    """Return a Windows executable with a read-only and a writable section of data."""
    header = b"MZ" + bytes(58) + struct.pack("<I", 64)
    header += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 2, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, 0, 0, 0, 0, 0)
    optional += struct.pack("<QII", 0x140000000, 0x1000, 0x200) + bytes(240 - len(optional) - 16)
    sections = b""
    for number, (name, flags) in enumerate([(b".rdata", 0x40000040), (b".data", 0xC0000040)], 1):
        size = 0x10000  # in memory larger than in the file
        sections += struct.pack(
            "<8sIIIIIIHHI", name, size, 0x1000 + 0x10000 * number, 0x200, 0x200 * number, 0, 0, 0, 0, flags
        )
    return (header + optional + sections).ljust(0x200, b"\0") + GO_MAGIC.ljust(0x200, b"x") + data.ljust(0x200, b"\0")


def build_macho(data: bytes) -> bytes:
    """Return an executable of macOS with the section of build information."""
    offset = 32 + 72 + 80
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 2, 1, 72 + 80, 0, 0)
    segment = struct.pack("<II16sQQQQiiII", 0x19, 72 + 80, b"__DATA", 0x1000, 4096, offset, len(data), 3, 3, 1, 0)
    section = struct.pack(
        "<16s16sQQIIIIIIII", b"__go_buildinfo", b"__DATA", 0x1000, len(data), offset, 4, 0, 0, 0, 0, 0, 0
    )
    return header + segment + section + data


def build_universal(part: bytes) -> bytes:
    """Return an executable of macOS for several processors that has one."""
    return struct.pack(">IIIIIII", 0xCAFEBABE, 1, 0x0100000C, 0, 64, len(part), 0).ljust(64, b"\0") + part


INLINE = GO_MAGIC + b"\x08\x02" + bytes(16) + b"\x08go1.22.1" + b"\x2b" + b"m" * 16 + b"path\tapp.x\n" + b"n" * 16


def test_formats_of_executables(tmp_path: Path) -> None:
    files = {
        "elf": build_elf(INLINE),
        "macho": build_macho(INLINE),
        "pe.exe": build_pe(INLINE),
        "universal": build_universal(build_macho(INLINE)),
    }
    for limits in ({}, {"memory": 100}):
        native = read_native(build_tar(files), tmp_path, limits=limits)
        facts = [(path, version, modules) for path, version, modules, *_ in native.executables()]
        assert facts == [(path, "go1.22.1", "path\tapp.x\n") for path in files]


def old_build_info(*, modules: bytes = b"", big_endian: bool = False) -> bytes:
    """Return build information as before Go 1.18: pointers to texts."""
    order = ">" if big_endian else "<"
    address, version = 0x400000, b"go1.13.4"
    texts = 32 + 32
    header = GO_MAGIC + bytes([8, int(big_endian)])
    header += struct.pack(f"{order}QQ", address + 32, address + 48)
    header += struct.pack(f"{order}QQQQ", address + texts, len(version), address + texts + len(version), len(modules))
    return header + version + modules


@pytest.mark.parametrize("big_endian", [False, True])
def test_old_go_executables(tmp_path: Path, *, big_endian: bool) -> None:
    text = b"path\texample.com/app\nmod\texample.com/app\tv1.0.0\t\n"
    content = build_elf(old_build_info(modules=b"m" * 16 + text + b"n" * 16, big_endian=big_endian))
    ((_, version, modules, *_),) = read_native(build_tar({"app": content}), tmp_path).executables()
    assert (version, modules.encode()) == ("go1.13.4", text)


def test_damaged_build_information_is_a_problem(tmp_path: Path) -> None:
    inline = GO_MAGIC + b"\x08\x02" + bytes(16)
    cases = {
        "size": inline + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01go",
        "beyond": inline + b"\x7fgo1.20",
        "modules": inline + b"\x06go1.20" + b"\xff\xff\xff\x7f" + b"x",
        "text": inline + b"\x04\xff\xfe\xfd\xfc\0",
        "pointer": GO_MAGIC + b"\x08\0" + struct.pack("<QQ", 0xFFFFFFFFFFFFFFF8, 0),
        "loop": GO_MAGIC + b"\x08\0" + struct.pack("<QQ", 0x400010, 0x400010),
        "width": GO_MAGIC + b"\x03\0" + bytes(16),
        "empty": inline + b"\0\0",
    }
    native = read_native(build_tar({name: build_elf(data) for name, data in cases.items()}), tmp_path)
    assert native.executables() == []
    assert dict(native.problems) == dict.fromkeys(cases, "the build information of Go is damaged")
