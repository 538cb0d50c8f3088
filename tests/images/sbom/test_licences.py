"""SPDX licence expressions: recognised as by the library `license-expression`, with the current list of identifiers."""

from __future__ import annotations

import json
from pathlib import Path

import cyclonedx.schema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing  # type: ignore[import-untyped]

from kubekeep.images.licence_expressions import (
    is_identifier,
    join_licences,
    list_licences,
    parse_expression,
    split_conjunction,
)
from kubekeep.images.spdx_licences import EXCEPTIONS, LICENCES

LICENSING = get_spdx_licensing()


def test_list_of_identifiers_is_that_of_cyclonedx() -> None:
    schema = json.loads(
        (Path(cyclonedx.schema.__file__).parent / "_res" / "spdx.SNAPSHOT.schema.json").read_text(encoding="utf-8")
    )
    assert sorted((LICENCES + EXCEPTIONS).split()) == sorted(schema["enum"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("  MIT or (apache-2.0 AND Zlib) ", "MIT OR (Apache-2.0 AND Zlib)"),
        ("GPL-2.0-or-later WITH classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("GPL-2.0+", "GPL-2.0+"),
        ("EPL-1.0+", "EPL-1.0+"),
        ("((MIT))", "((MIT))"),
        ("MPL-2.0-no-copyleft-exception", "MPL-2.0-no-copyleft-exception"),
        *((text, "") for text in ("", "BSD", "MIT AND", "(MIT", "MIT)", "()", "AND", "MIT ISC", "MIT, ISC", "MIT/ISC")),
        *(
            (text, "")
            for text in ("MIT WITH MIT", "Classpath-exception-2.0", "LicenseRef-x", "DocumentRef-a:LicenseRef-b")
        ),
        *(
            (text, "")
            for text in ("(MIT) WITH Classpath-exception-2.0", "MIT WITH", "Apache License 2.0", "MIT OR OR ISC")
        ),
        ("MIT WITH Classpath-exception-2.0 WITH Classpath-exception-2.0", ""),
        ("(" * 31 + "MIT" + ")" * 31, ""),
        ("MIT OR " * 1000 + "MIT", ""),
    ],
)
def test_expressions(text: str, expected: str) -> None:
    assert parse_expression(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("licenseref-Fedora-Public-Domain and mit", "LicenseRef-Fedora-Public-Domain AND MIT"),
        ("LicenseRef-x WITH Classpath-exception-2.0", "LicenseRef-x WITH Classpath-exception-2.0"),
        *(
            (text, "")
            for text in ("LicenseRef-", "LicenseRef-x+", "DocumentRef-a:LicenseRef-b", "MIT WITH LicenseRef-x")
        ),
    ],
)
def test_references(text: str, expected: str) -> None:
    assert parse_expression(text, allows_references=True) == expected


words = st.sampled_from(["MIT", "ISC", "GPL-2.0-only", "Classpath-exception-2.0", "AND", "OR", "WITH", "(", ")", "BSD"])


@settings(max_examples=300, deadline=None)
@given(text=st.lists(words, min_size=1, max_size=9).map(" ".join))
def test_no_expression_is_accepted_that_the_library_refuses(text: str) -> None:
    # The library accepts some invalid expressions, such as "MIT AND MIT AND".
    if parse_expression(text):
        LICENSING.parse(text, validate=True, strict=True)


expressions = st.recursive(
    st.sampled_from(["MIT", "isc", "GPL-2.0-only", "GPL-2.0-only WITH Classpath-exception-2.0"]),
    lambda inner: st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map("".join) | inner.map("({})".format),
    max_leaves=8,
)


@settings(deadline=None)
@given(text=expressions)
def test_expressions_are_spelled_as_by_the_library(text: str) -> None:
    assert LICENSING.parse(parse_expression(text), strict=True) == LICENSING.parse(text, validate=True, strict=True)
    assert parse_expression(parse_expression(text)) == parse_expression(text) != ""


operands = st.sampled_from(["MIT", "ISC", "Apache-2.0 OR Zlib", "GPL-2.0-only WITH Classpath-exception-2.0"])


@given(parts=st.lists(operands, min_size=1, max_size=5, unique=True))
def test_joined_licences_are_split_again(parts: list[str]) -> None:
    expression = join_licences(parts)
    assert parse_expression(expression) == expression
    assert split_conjunction(expression) == tuple(parts)


def test_and_binds_tighter_than_or() -> None:
    assert split_conjunction("MIT OR ISC AND Zlib") == ("MIT OR ISC AND Zlib",)
    assert split_conjunction("(MIT AND (ISC AND Zlib))") == ("MIT", "ISC", "Zlib")
    assert split_conjunction("(MIT) OR (ISC)") == ("(MIT) OR (ISC)",)


def test_list_of_licences() -> None:
    declared = ["mit", "MIT AND Zlib", " BSD ", "NOASSERTION", "", "BSD", "Apache License, Version 2.0 AND x"]
    assert list_licences(declared) == ("MIT", "Zlib", "BSD", "Apache License, Version 2.0 AND x")
    assert is_identifier("MIT")
    assert not is_identifier("mit")
