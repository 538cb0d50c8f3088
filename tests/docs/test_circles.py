"""The check for circular imports: found in Python and Rust, in functions too, and not where imports have one direction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "circles.py"
LAZY = "def read():\n    from shop.b import name\n    return name\n"


def check(root: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Write the files of a repository and run the check on it."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        (
            {
                "src/shop/a.py": "from shop.b import name\nfrom shop.b import other\n",
                "src/shop/b.py": "import shop.a\n",
            },
            ["src/shop/a.py:1 imports name, other of src/shop/b.py", "src/shop/b.py:1 imports shop.a of src/shop/a.py"],
        ),
        (
            {"src/shop/a.py": LAZY, "src/shop/b.py": "from shop import a\n"},
            ["src/shop/a.py:2 imports name of src/shop/b.py", "src/shop/b.py:1 imports a of src/shop/a.py"],
        ),
        (
            {"src/shop/__init__.py": "from .a import name\n", "src/shop/a.py": "from . import other\n"},
            [
                "src/shop/__init__.py:1 imports name of src/shop/a.py",
                "src/shop/a.py:1 imports other of src/shop/__init__.py",
            ],
        ),
        (
            {
                "src/shop/a.py": "import shop.b\n",
                "src/shop/b.py": "import shop.c\n",
                "src/shop/c.py": "import shop.a\n",
            },
            [
                "src/shop/a.py:1 imports shop.b of src/shop/b.py",
                "src/shop/b.py:1 imports shop.c of src/shop/c.py",
                "src/shop/c.py:1 imports shop.a of src/shop/a.py",
            ],
        ),
        (
            {
                "rust/shop/src/lib.rs": "mod a;\nmod b;\n",
                "rust/shop/src/a.rs": "// the circle\nuse crate::{\n    b::{self, Name as Other},\n    Unknown,\n};\n",
                "rust/shop/src/b.rs": "fn read() {\n    super::a::read()\n}\n",
            },
            [
                "rust/shop/src/a.rs:2 imports crate::b::self, crate::b::Name of rust/shop/src/b.rs",
                "rust/shop/src/b.rs:2 imports super::a::read of rust/shop/src/a.rs",
            ],
        ),
        (
            {
                "rust/shop/src/lib.rs": "mod a;\n",
                "rust/shop/src/a.rs": "mod b;\nuse self::b::name;\n",
                "rust/shop/src/a/b.rs": "use super::Name;\n",
            },
            [
                "rust/shop/src/a.rs:2 imports self::b::name of rust/shop/src/a/b.rs",
                "rust/shop/src/a/b.rs:1 imports super::Name of rust/shop/src/a.rs",
            ],
        ),
    ],
    ids=["imports", "in a function", "of a package", "of three", "of Rust", "of a parent in Rust"],
)
def test_circles_fail_with_files_and_names(tmp_path: Path, files: dict[str, str], circle: list[str]) -> None:
    result = check(tmp_path, files)
    assert result.returncode == 1
    heading, *lines = result.stderr.splitlines()
    assert heading == f"circle of {len(circle)} modules:"
    start = lines.index(f"  {circle[0]}")
    assert [*lines[start:], *lines[:start]] == [f"  {line}" for line in circle]
    assert result.stdout.endswith(" modules, 1 circles\n")


def test_each_circle_is_printed(tmp_path: Path) -> None:
    files = {f"src/{name}/{module}.py": f"import {name}.{other}\n" for name in "xy" for module, other in ("ab", "ba")}
    result = check(tmp_path, files)
    assert (result.returncode, result.stdout) == (1, "4 modules, 2 circles\n")
    assert result.stderr.count("circle of 2 modules:") == 2


def test_imports_in_one_direction_pass(tmp_path: Path) -> None:
    tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::a::Name;\n}\n"
    files = {
        "src/shop/__init__.py": "",
        "src/shop/a.py": "import os\nfrom shop import b\nfrom shop.b import a\n",
        "src/shop/b.py": '"""from shop import a"""\na = "import shop.a"\n',
        "rust/shop/src/lib.rs": "mod a;\nmod b;\npub use a::Name;\n",
        "rust/shop/src/a.rs": "use std::fmt;\nuse crate::b::Text;\n",
        "rust/shop/src/b.rs": f'// use crate::a::Name;\n/* crate::a */\nfn b() -> &str {{ "crate::a::Name" }}\n{tests}',
        "rust/other/src/lib.rs": "use shop::a::Name;\n",
    }
    result = check(tmp_path, files)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "7 modules, 0 circles\n")
