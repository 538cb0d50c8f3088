"""Linked functions of an image in the comparison with records."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from kubekeep.images.catalog import go
from kubekeep.images.content import Executable
from kubekeep.model.package import GoSymbols, Package, PackageLocation
from kubekeep.vulnerabilities.used_symbols import ImageSymbols

TEXT = "\t.New\ngolang.org/x/net/html\t.Parse,Render\tTokenizer.Next\nmain\t.main\ngithub.com/Shop/x\t.F"


def pack(text: str) -> bytes:
    return zlib.compress(text.encode())


def build_package(*paths: str) -> Package:
    return Package(type="golang", name="net", locations=tuple(map(PackageLocation, paths)))


def build_symbols(path: str = "app", text: str = TEXT, **fields: object) -> GoSymbols:
    return GoSymbols(path, pack(text), **fields)  # type: ignore[arg-type]


def find_imports(symbols: GoSymbols) -> dict[str, Any]:
    imports = ImageSymbols([symbols]).get_imports(build_package("app"))
    assert imports is not None
    return dict(imports)


def test_functions_are_in_lower_case() -> None:
    imports = ImageSymbols([build_symbols()]).get_imports(build_package("app"))
    assert imports is not None
    assert find_imports(build_symbols()) == {
        "": {"new"},
        "golang.org/x/net/html": {"parse", "render", "tokenizer.next"},
        "main": {"main"},
        "github.com/shop/x": {"f"},
    }
    assert len(imports) == 4
    with pytest.raises(KeyError):
        imports["golang.org/x/net"]


def test_package_in_several_executables() -> None:
    """A function of one of them counts; one without names makes the answer unknown."""
    symbols = ImageSymbols(
        [build_symbols("a", "p\t.F\nq\t.G"), build_symbols("b", "p\t.H"), build_symbols("c", "p\t.I")]
    )
    imports = symbols.get_imports(build_package("a", "b"))
    assert imports is not None
    assert imports["p"] == frozenset(("f", "h"))
    assert imports["q"] == frozenset("g")
    assert symbols.get_imports(build_package("a", "other")) is None
    assert symbols.get_imports(build_package()) is None


@pytest.mark.parametrize("text", [b"", b"x", pack(TEXT)[:-5], zlib.compress(b"\xff"), zlib.compress(bytes(65 << 20))])
def test_damaged_text_is_unknown(text: bytes) -> None:
    assert ImageSymbols([GoSymbols("app", text)]).get_imports(build_package("app")) is None


def test_old_executables_have_paths_only() -> None:
    imports = find_imports(build_symbols(has_functions=False))
    assert imports["golang.org/x/net/html"] is None
    assert "golang.org/x/net/idna" not in imports
    assert imports[""] == {"new"}


def test_aliases() -> None:
    aliases = (("main", "example.com/cmd/Shop"), ("golang.org/x/net", "github.com/fork/net"), ("unused", ""))
    imports = find_imports(build_symbols(aliases=aliases))
    assert imports["example.com/cmd/shop"] == {"main"}
    assert imports["github.com/fork/net/html"] == imports["golang.org/x/net/html"]
    assert imports[""] == {"new"}
    assert find_imports(build_symbols(aliases=(("main", ""),)))[""] == {"new", "main"}


def test_frozen_cryptography() -> None:
    text = "crypto/internal/fips140/v1.0.0-c2097c7c\t.F\ncrypto/internal/fips140/v1.0.0-c2097c7c/nistec\t.G"
    imports = find_imports(build_symbols(text=text))
    assert imports["crypto/internal/fips140"] == {"f"}
    assert imports["crypto/internal/fips140/nistec"] == {"g"}


MODULES = """path\tk8s.io/shop/cmd/app
mod\tk8s.io/shop\tv1.0.0\t
dep\tgolang.org/x/net\tv0.1.0
=>\tgithub.com/fork/net\tv0.2.0\th1:x=
dep\tgolang.org/x/text\tv0.3.0
=>\t./text\t\t
dep\tgolang.org/x/sys\tv0.1.0
=>\tgolang.org/x/sys\tv0.2.0\th1:x="""


@pytest.mark.parametrize(
    ("version", "modules", "expected"),
    [
        ("go1.26.8", MODULES, (True, (("main", "k8s.io/shop/cmd/app"), ("golang.org/x/net", "github.com/fork/net")))),
        ("go1.21.0 X:boringcrypto", "", (True, (("main", ""),))),
        ("go1.21rc2", "path\tcommand-line-arguments", (True, (("main", ""),))),
        ("devel go1.25-abcdef Mon", "", (True, (("main", ""),))),
        ("go1.20.14", "", (False, (("main", ""),))),
        ("go1.26.8", "path\tp\nmod\tp\tv1.0.0\t\nbuild\t-buildmode=plugin", None),
    ],
)
def test_catalogue(version: str, modules: str, expected: tuple[bool, tuple[tuple[str, str], ...]] | None) -> None:
    record = go.read_executable(Executable("app", version, modules, go_symbols=b"x"))
    assert record is not None
    symbols = record.go_symbols
    assert (None if symbols is None else (symbols.has_functions, symbols.aliases)) == expected
    other = go.read_executable(Executable("app", version, modules))
    assert other is not None
    assert other.go_symbols is None
