"""Version strings of programs on this machine, against the version that each program prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubekeep.images.catalog import binaries
from kubekeep.images.content import Executable
from kubekeep.images.layers import read_layers
from kubekeep.images.merge import merge
from tests.images.layer_files import MemoryImage, build_tar

PROGRAMS = (
    ("bash", "bash", ["--version"]),
    ("busybox", "busybox", ["--help"]),
    ("curl", "curl", ["--version"]),
    ("haproxy", "haproxy", ["-v"]),
    ("httpd", "apache2", ["-v"]),
    ("lighttpd", "lighttpd", ["-v"]),
    ("memcached", "memcached", ["--version"]),
    ("nginx", "nginx", ["-v"]),
    ("node", "node", ["--version"]),
    ("openssl", "openssl", ["version"]),
    ("perl", "perl", ["--version"]),
    ("php", "php", ["--version"]),
    ("redis", "redis-server", ["--version"]),
    ("sqlite", "sqlite3", ["--version"]),
)


@pytest.mark.parametrize(("name", "program", "options"), PROGRAMS)
def test_programs(name: str, program: str, options: list[str]) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    run = subprocess.run([path, *options], capture_output=True, text=True, check=False, timeout=120)
    printed = re.search(r"\d+\.\d+\.\d+[a-z]?", run.stdout + run.stderr)
    files = [Path(path).resolve(), *list_libraries(path)]
    versions = {version for file in files for version in match_versions(name, file)}
    if not versions:
        pytest.skip(f"no file of {program} here has a pattern")
    assert printed is not None
    assert versions == {printed[0]}


def list_libraries(path: str) -> list[Path]:
    """Return the files of the shared libraries of a program."""
    listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False, timeout=120).stdout
    return [Path(file).resolve() for file in re.findall(r"=> (/\S+)", listing)]


def match_versions(name: str, file: Path) -> list[str]:
    """Return the version in the first match of each pattern for the file, as the native reader does."""
    content = file.read_bytes()
    globs = [(glob, expression) for key, glob, expression in binaries.VERSION_PATTERNS if key == name]
    matches = [re.search(expression.encode(), content) for glob, expression in globs if match_glob(glob, file)]
    return [match[1].decode() for match in matches if match]


def match_glob(glob: str, file: Path) -> bool:
    """Match the last parts of a glob: `**/bin/x*`, with choices in braces."""
    expanded = [glob]
    while "{" in expanded[0]:
        expanded = [
            re.sub(r"\{[^}]*\}", choice, text, count=1)
            for text in expanded
            for choice in text[text.index("{") + 1 : text.index("}")].split(",")
        ]
    return any(file.match(text.removeprefix("**/")) for text in expanded)


def test_record() -> None:
    executable = Executable("usr/local/bin/node", versions=(("node", "22.1.0"), ("unknown", "1.0"), ("node", "22.1.0")))
    record = binaries.read_executable(executable)
    assert record is not None
    (package,) = record.packages
    assert (package.type, package.name, package.version) == ("generic", "node", "22.1.0")
    assert binaries.read_executable(Executable("bin/x")) is None


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("redis", b"7.2.45b8b6a2a1f9d-1698867600000000000\0", "7.2.4"),
        ("redis", b"7.2.10abcdef012345-1698867600000000000\0", "7.2.10"),
        ("redis", b"7.0.151790282056000000000\0", "7.0.15"),
        # The host name begins with digits, so that only the texts of the command INFO tell where the version ends.
        ("redis", b"\x007.0.0\0err\x006.2.14\0c11-builtin\0 6.2.14912196-d8565-1701469167040305114\0", "6.2.14"),
        ("valkey", b"\0valkey8.0.1buildkitsandbox-17304567890a1b2c3d4\0", "8.0.1"),
        ("valkey", b"\0valkey8.1.10ip-10-0-0-1.ec2.internal-17304567890a1b2c3d4\0", "8.1.10"),
        ("redis", b"\x006.2.14\0replica\0", ""),
        ("valkey", b"valkey8.0.1\0", ""),
    ],
)
def test_redis_and_valkey(name: str, text: bytes, version: str) -> None:
    expressions = [expression for key, _, expression in binaries.VERSION_PATTERNS if key == name]
    matches = [match[1] for expression in expressions if (match := re.search(expression.encode(), text))]
    assert (matches[0].decode() if matches else "") == version


COMPILER = shutil.which("cc")
SOURCE = """
#include <stdio.h>
static const char *volatile texts[] = {%s};
int main(void) { for (int i = 0; texts[i]; i++) puts(texts[i]); return 0; }
"""


def compile_program(folder: Path, text: str) -> bytes:
    """Return a C program that has a text in its read-only data."""
    source = folder / "program.c"
    source.write_text(SOURCE % f"{json.dumps(text)}, 0")
    target = folder / "program"
    subprocess.run([COMPILER or "cc", "-O1", "-o", str(target), str(source)], check=True, timeout=60)
    return target.read_bytes()


def list_generic(files: Mapping[str, bytes]) -> list[str]:
    image = merge(read_layers(MemoryImage(build_tar(files))))
    assert image.problems == ()
    return [f"{package.name} {package.version}" for package in image.packages if package.type == "generic"]


@pytest.mark.skipif(COMPILER is None, reason="no C compiler is installed")
@pytest.mark.parametrize(
    ("path", "text", "package"),
    [
        ("usr/local/sbin/nginx", "nginx version: nginx/1.25.3", "nginx 1.25.3"),
        ("usr/local/bin/node", "node.js/v22.1.0", "node 22.1.0"),
        ("usr/local/bin/python3.12", "3.12.4", "python 3.12.4"),
        ("usr/local/lib/libcrypto.so.3", "OpenSSL 3.3.1 4 Jun 2024", "openssl 3.3.1"),
        ("usr/local/pgsql/bin/postgres", "postgres (PostgreSQL) 16.4", "postgresql 16.4"),
        ("usr/local/bin/httpd", "Apache/2.4.62 (Unix)", "httpd 2.4.62"),
    ],
)
def test_programs_and_near_misses(path: str, text: str, package: str, tmp_path: Path) -> None:
    """A text proves a program only in an executable with the name of the program."""
    program = compile_program(tmp_path, text)
    assert list_generic({path: program}) == [package]
    others = {
        f"{path}.log": text.encode(),
        path: f"#!/bin/sh\necho {text}\n".encode(),
        "usr/local/bin/exporter": program,
        f"{path}.bak": b"\x7fELF",
    }
    assert list_generic(others) == []
