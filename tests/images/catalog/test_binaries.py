"""Version strings of programs on this machine, against the version that each program prints."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep.images.catalog import binaries
from kubekeep.images.content import Executable

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
    run = subprocess.run([path, *options], capture_output=True, text=True, check=False, timeout=30)
    printed = re.search(r"\d+\.\d+\.\d+[a-z]?", run.stdout + run.stderr)
    files = [Path(path).resolve(), *list_libraries(path)]
    versions = {version for file in files for version in match_versions(name, file)}
    if not versions:
        pytest.skip(f"no file of {program} here has a pattern")
    assert printed is not None
    assert versions == {printed[0]}


def list_libraries(path: str) -> list[Path]:
    """Return the files of the shared libraries of a program."""
    listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False, timeout=30).stdout
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
    ("text", "version"),
    [
        (b"7.2.45b8b6a2a1f9d-1698867600000000000\0", "7.2.4"),
        (b"7.2.10abcdef012345-1698867600000000000\0", "7.2.10"),
        (b"7.0.151790282056000000000\0", "7.0.15"),
    ],
)
def test_redis(text: bytes, version: str) -> None:
    (expression,) = [expression for name, _, expression in binaries.VERSION_PATTERNS if name == "redis"]
    match = re.search(expression.encode(), text)
    assert match is not None
    assert match[1].decode() == version
