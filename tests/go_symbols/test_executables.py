"""Symbols of real Go executables, and of damaged ones."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.go_symbols.programs import GoPrograms
from tests.images.layer_files import build_tar, entry, read_native
from tests.images.test_executables import INLINE, build_elf, build_macho, build_pe, build_universal

SOURCE = """package main

import (
	"os"
	"strings"
)

type Number interface{ ~int | ~string }

type Set[T Number] struct{ values map[T]struct{ G string `json:"]["` } }

//go:noinline
func (s *Set[T]) Add(value T) { s.values[value] = struct{ G string `json:"]["` }{} }

//go:noinline
func Count[T Number](values []T) int { return len(values) + len(os.Args) }

type Header map[string]string

//go:noinline
func (h Header) Get(key string) string { return h[key] }

func call(f func(string) string) string { return f(os.Args[0]) }

var handler = func(s string) string { return os.Getenv(s) }

func init() { println(handler("x")) }

func main() {
	set := &Set[string]{values: map[string]struct{ G string `json:"]["` }{}}
	set.Add(os.Args[0])
	println(Count(os.Args), len(set.values))
	println(call(Header{"a": "b"}.Get))
	defer func() { println(len(os.Args)) }()
	go func() { println(handler("y")) }()
	println(strings.ToUpper(os.Args[0]))
}
"""
SIMPLE = re.compile(r"((?:[\w.-]+/)*[\w-]+)\.(?:\(\*(\w+)\)\.|([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)")
NUMBERED = re.compile(r"(func|gowrap|deferwrap)?\d+")


def read_symbols(content: bytes, folder: Path, **limits: int) -> dict[str, set[str]] | None:
    """Return the symbols by import path; None if they are unknown."""
    (executable,) = read_native(build_tar({"app": content}), folder, limits=limits, symbols=True).executables()
    data = executable[5]
    if not data:
        return None
    symbols: dict[str, set[str]] = {}
    for line in zlib.decompress(data).decode().split("\n"):
        path, *groups = line.split("\t")
        for receiver, _, names in (group.partition(".") for group in groups):
            symbols.setdefault(path, set()).update(f"{receiver}.{name}".lstrip(".") for name in names.split(","))
    return symbols


def test_symbols_are_those_of_the_linker(programs: GoPrograms, tmp_path: Path) -> None:
    """Every function in the symbol table is among the names, which have inlined functions as well."""
    target = programs.build(SOURCE)
    symbols = read_symbols(target.read_bytes(), tmp_path)
    assert symbols is not None
    compared = 0
    for name in programs.list_names(target):
        match = SIMPLE.fullmatch(name.removesuffix(".abi0").removesuffix("-fm"))
        # `main.main.func1` looks like a method; the linker adds marks around the code.
        if match is None or NUMBERED.fullmatch(match[4]) or name in ("runtime.text", "runtime.etext"):
            continue
        receiver = match[2] or match[3]
        assert (f"{receiver}.{match[4]}" if receiver else match[4]) in symbols[match[1]], name
        compared += 1
    assert compared > 1000
    assert symbols["main"] == {"main", "init", "Set.Add", "Count", "Header.Get", "call"}


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("linux", ["-trimpath", "-ldflags=-s -w"]),
        ("linux", ["-buildmode=pie", "-ldflags=-s -w"]),
        ("windows", ["-ldflags=-s -w"]),
    ],
    ids=["stripped", "pie", "windows"],
)
def test_stripped_executables(programs: GoPrograms, tmp_path: Path, system: str, options: list[str]) -> None:
    """Windows executables have no section for the line table; large files are searched in a temporary file."""
    expected = read_symbols(programs.build(SOURCE).read_bytes(), tmp_path)
    assert expected is not None
    content = programs.build(SOURCE, *options, system=system).read_bytes()
    for limits in ({}, {"memory": 100_000}):
        symbols = read_symbols(content, tmp_path, **limits)
        assert symbols is not None
        assert symbols["main"] == expected["main"]
        if system == "linux":
            assert {path: names - {"init"} for path, names in symbols.items() if path != "runtime"} == {
                path: names - {"init"} for path, names in expected.items() if path != "runtime"
            }


def test_inlined_functions(programs: GoPrograms, tmp_path: Path) -> None:
    """An inlined function keeps its name if code of it remains, else its literals have it."""
    source = """package main

import (
	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

var render = html.Render()

func main() { println(language.ParseAcceptLanguage("x"), render("y")) }
"""
    target = programs.build(source)
    symbols = read_symbols(target.read_bytes(), tmp_path)
    assert symbols is not None
    assert "golang.org/x/text/language.ParseAcceptLanguage" not in programs.list_names(target)
    assert symbols["golang.org/x/text/language"] == {"ParseAcceptLanguage"}
    assert "golang.org/x/net/html" not in symbols
    assert "Render" in symbols[""]


def test_symbols_are_read_only_if_requested(programs: GoPrograms, tmp_path: Path) -> None:
    archive = build_tar({"app": programs.build(SOURCE).read_bytes()})
    assert read_native(archive, tmp_path).executables()[0][5] == b""


def test_hard_links_have_symbols(programs: GoPrograms, tmp_path: Path) -> None:
    content = programs.build(SOURCE).read_bytes()
    archive = build_tar([(entry("bin/a"), content), (entry("bin/b", type=b"1", linkname="bin/a"), b"")])
    first, second = read_native(archive, tmp_path, symbols=True).executables()
    assert first[5] == second[5] != b""


def test_executable_without_sections(programs: GoPrograms, tmp_path: Path) -> None:
    """The table is found by its magic number; with another program in the file, nobody knows whose table it is."""
    content = bytearray(programs.build(SOURCE).read_bytes())
    expected = read_symbols(bytes(content), tmp_path)
    struct.pack_into("<Q", content, 0x28, 0)  # e_shoff
    struct.pack_into("<HHH", content, 0x3A, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    assert read_symbols(bytes(content), tmp_path) == expected
    assert read_symbols(bytes(content + content), tmp_path) is None


def test_other_languages_have_no_symbols(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (tmp_path / "app.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-o", "app", "app.c"], cwd=tmp_path, check=True, timeout=60)
    archive = build_tar({"app": (tmp_path / "app").read_bytes()})
    assert read_native(archive, tmp_path, symbols=True).executables() == []


RUNTIME = b"runtime.goexit\0runtime.gopanic\0runtime.mallocgc\0"


def build_table(names: bytes, *, magic: int = 0xFFFFFFF1, count: int = 4) -> bytes:
    end = 72 + len(names)
    return struct.pack("<IHBB8Q", magic, 0, 1, 8, count, 1, 0, 72, end, end, end, end) + names + bytes(32)


def test_formats_of_executables(tmp_path: Path) -> None:
    data = INLINE.ljust(256, b"\0") + build_table(RUNTIME + b"a/b.F\0")
    expected = {"runtime": {"goexit", "gopanic", "mallocgc"}, "a/b": {"F"}}
    for content in (build_elf(data), build_macho(data), build_universal(build_macho(data))):
        assert read_symbols(content, tmp_path) == expected
    assert read_symbols(build_pe(INLINE) + build_table(RUNTIME + b"a/b.F\0"), tmp_path) == expected


@pytest.mark.parametrize(
    "table",
    [
        b"",
        build_table(b"main.main\0"),
        build_table(RUNTIME + b"a/b.F"),
        build_table(RUNTIME + b"a/b.\xff\0"),
        build_table(RUNTIME + b"a/b.T[x\0"),
        build_table(RUNTIME + b"a/b.F\0", magic=0xFFFFFFFB),
        build_table(RUNTIME + b"a/b.F\0", magic=0xFFFFFFF2),
        build_table(RUNTIME + b"a/b.F\0", count=0),
        build_table(RUNTIME + b"a" * 100 + b".b" * 1000 + b"\0"),
        build_table(RUNTIME + b"x.F\0" * 1_000_001),
        build_table(RUNTIME) * 2,
    ],
    ids=["none", "no runtime", "end", "text", "brackets", "Go 1.2", "newer", "empty", "parts", "many", "two"],
)
def test_incomplete_tables_are_unknown(table: bytes, tmp_path: Path) -> None:
    assert read_symbols(build_elf(INLINE.ljust(256, b"\0") + table), tmp_path) is None


def test_damaged_tables_do_no_harm(tmp_path: Path) -> None:
    """No change of a byte makes the reader fail; a changed name is another name."""
    content = build_elf(INLINE.ljust(256, b"\0") + build_table(RUNTIME + b"a/b.(*T).F.func1\0a/b.init.New.func1\0"))
    start = content.index(struct.pack("<I", 0xFFFFFFF1))
    random_bytes = random.Random(1)
    files = {}
    for number in range(2000):
        damaged = bytearray(content)
        for _ in range(random_bytes.randint(1, 3)):
            damaged[random_bytes.randrange(start, len(content))] = random_bytes.choice((0, 1, 0x2E, 0x5B, 0x7F, 0xFF))
        files[f"app{number}"] = bytes(damaged)
    executables = read_native(build_tar(files), tmp_path, symbols=True).executables()
    assert len(executables) == len(files)
    texts = {zlib.decompress(fields[5]) for fields in executables if fields[5]}
    assert len(texts) > 10
