"""Elixir and Erlang: applications in releases, the version of Erlang/OTP, and the lock files of Mix and Rebar.

Applications that belong to Erlang/OTP are not listed one by one. Terms are read without evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_text
from kubekeep.images.catalog.documents import MAXIMUM_SLOW_BYTES, as_text, build_record, is_name, is_plain
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.package_url import normalise_name
from kubekeep.model.package import Package

PATTERNS: Final = ("**/mix.lock", "**/rebar.lock", "**/ebin/*.app", "**/releases/*/OTP_VERSION")
MAXIMUM_DEPTH: Final = 100
MAXIMUM_TOKENS: Final = 500_000
LEXEME: Final = (
    r"\s+|[%#](?!\{)[^\n]*"  # white space, comments
    r'|"((?:[^"\\]++|\\.)*+)"'  # 1: a string or binary
    r"|'((?:[^'\\]++|\\.)*+)'"  # 2: a quoted atom
    r"|([A-Za-z0-9_@.:+*/$-]+)"  # 3: an atom, a number or a key
    r"|(%\{|[\[{(])|([\]})])"  # 4: an opening, 5: a closing bracket
    r"|<<|>>|=>|[,;=|]"
)
OTP_APPLICATIONS: Final = frozenset(
    (
        *(
            "asn1",
            "common_test",
            "compiler",
            "crypto",
            "debugger",
            "dialyzer",
            "diameter",
            "edoc",
            "eldap",
            "erl_docgen",
        ),
        *(
            "erl_interface",
            "erts",
            "et",
            "eunit",
            "ftp",
            "inets",
            "jinterface",
            "kernel",
            "megaco",
            "mnesia",
            "observer",
        ),
        *(
            "odbc",
            "os_mon",
            "parsetools",
            "public_key",
            "reltool",
            "runtime_tools",
            "sasl",
            "snmp",
            "ssh",
            "ssl",
            "stdlib",
        ),
        *("syntax_tools", "tftp", "tools", "wx", "xmerl", "hipe"),
        *("elixir", "eex", "ex_unit", "iex", "logger", "mix"),
    )
)


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of a lock file, the application of a release, or Erlang/OTP itself."""
    text = read_text(file, MAXIMUM_SLOW_BYTES)
    if file.path.endswith("/OTP_VERSION"):
        packages: Iterator[Package] = _list_runtime("erlang", text.strip().rstrip("*"), "OTP_VERSION")
    elif file.path.endswith(".app"):
        packages = _list_application(read_terms(text))
    else:
        packages = _list_locked(read_terms(text), is_rebar=file.path.endswith("rebar.lock"))
    return build_record(file, "beam", packages)


def read_terms(text: str) -> list[Any]:
    """Return terms of Erlang or Elixir as nested lists of strings; maps, tuples and lists are all lists.

    Keys keep their colon (`:hex`, `vsn:`), strings have no mark. Raises ValueError for damaged or deep terms.
    """
    terms: list[Any] = []
    stack = [terms]
    position = 0
    scanner = re.compile(LEXEME, re.DOTALL)
    for _ in range(MAXIMUM_TOKENS):
        if position >= len(text):
            break
        match = scanner.match(text, position)
        if match is None:
            raise ValueError(f"not a term at character {position}")
        position = match.end()
        string, atom, word, opening, closing = match.groups()
        if opening:
            inner: list[Any] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif closing:
            stack.pop()
        elif (value := next((text for text in (string, atom, word) if text is not None), None)) is not None:
            stack[-1].append(value)
        if not 0 < len(stack) <= MAXIMUM_DEPTH:
            raise ValueError(f"brackets are nested too deeply or not opened, at character {position}")
    else:
        raise ValueError(f"has more than {MAXIMUM_TOKENS} tokens")
    if len(stack) != 1:
        raise ValueError("ends within a term")
    return terms


def _build(name: str, version: str, evidence: str, vcs_url: str = "") -> Iterator[Package]:
    if re.fullmatch(r"[a-zA-Z][\w/.-]{0,200}", name) and is_plain(version):
        namespace, _, plain_name = name.rpartition("/")
        namespace, plain_name = normalise_name("hex", namespace, plain_name)
        yield Package(
            type="hex",
            namespace=namespace,
            name=plain_name,
            version=version,
            qualifiers=(("vcs_url", vcs_url),) if vcs_url else (),
            evidence=evidence,
            declared=not evidence.startswith("application"),
        )


def _list_runtime(name: str, version: str, evidence: str) -> Iterator[Package]:
    if is_name(version):
        yield Package(type="generic", name=name, version=version, evidence=evidence)


def _list_application(terms: list[Any]) -> Iterator[Package]:
    """Yield the application of a resource file: `{application, NAME, [{vsn, "1.0"}, ...]}`."""
    match terms:
        case [["application", str() as name, [*properties]], *_]:
            version = next((as_text(pair[1]) for pair in properties if len(pair) == 2 and pair[0] == "vsn"), "")
            if name == "elixir":
                yield from _list_runtime("elixir", version, "application resource file")
            elif name not in OTP_APPLICATIONS:
                yield from _build(name, version, "application resource file")
        case _:
            raise ValueError("is no application resource file")


def _list_locked(terms: list[Any], *, is_rebar: bool) -> Iterator[Package]:
    if is_rebar:
        # {"1.2.0", [{Name, Source, Level}, ...]}, or only the list in old versions.
        first = terms[0] if terms else []
        entries = first[1] if len(first) == 2 and isinstance(first[0], str) and isinstance(first[1], list) else first
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, list) and len(entry) >= 2:
                yield from _list_source(as_text(entry[0]), entry[1], "rebar.lock")
        return
    entries = terms[0] if terms and isinstance(terms[0], list) else []
    # A map of names and sources: the colon behind a name is a word of its own.
    words = [entry for entry in entries if entry != ":"]
    for name, source in zip(words[::2], words[1::2], strict=False):
        yield from _list_source(as_text(name).rstrip(":"), source, "mix.lock")


def _list_source(name: str, source: object, evidence: str) -> Iterator[Package]:
    match source:
        case [(":hex" | "pkg"), str() as package, str() as version, *_]:
            yield from _build(package.lstrip(":"), version, evidence)
        case [(":git" | "git"), str() as address, [_, str() as revision, *_], *_]:
            yield from _build(name, revision, evidence, f"git+{address}")
        case [":git", str() as address, str() as revision, *_]:
            yield from _build(name, revision, evidence, f"git+{address}")
        case _:
            pass
