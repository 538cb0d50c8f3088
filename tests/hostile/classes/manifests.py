"""Manifests in YAML and JSON: syntax, encodings, sizes, and objects of other shapes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Final

import msgspec

from tests.hostile.member import SCAN, Content, Expected, Member, Run, hostile_class
from tests.hostile.samples import CANARY, OBJECTS, POD, TEXTS, VALUES, damage, dump, mutate

_CANARY_FILE: Final = "in/zz-canary.yaml"


def check_canary(run: Run) -> None:
    """Assert that the findings of the valid manifest beside the hostile one are in the report."""
    failed = [
        result["resourceID"]
        for result in run.report["results"]
        for control in result["controls"]
        if control["controlID"] == "C-0057" and control["status"]["status"] == "failed"
    ]
    assert any(name.endswith("/Pod/canary") for name in failed), "the finding of another file is missing"


def beside_canary(
    name: str, expected: Expected, content: Content, file: str = "a.yaml", arguments: tuple[str, ...] = SCAN
) -> Member:
    """Return a file beside a valid manifest, which must be evaluated in any case."""
    return Member(name, {f"in/{file}": content, _CANARY_FILE: CANARY}, expected, arguments, check=check_canary)


@hostile_class("YAML syntax")
def syntax(source: random.Random) -> Iterator[Member]:
    """Text that is no YAML."""
    del source
    texts = (
        "{",
        "[",
        "}",
        "]",
        "a: b: c",
        "a: [1, 2",
        "a: {b: c",
        "- a\nb: c",
        "a: 'x",
        'a: "x',
        'a: "\\q"',
        "a:\n\t- b",
        "%YAML 3.0\n---\na: b",
        "--- |\n a\n  b\nc",
        "&a &b c: d",
        "a: *b",
        "*a : b",
        "a: !<x b",
        "? ? ? [",
        "a: |9x\n b",
        "a: >+-\n b",
        "@a: b",
        "`a`: b",
        "- - - }",
        "a: b\n  c: d",
        "!!map [a]: b",
        "\x00",
        "a: \x07",
        "a: 'b' c",
        "key: [a, b]]",
        "--- --- ---: {",
    )
    for number, text in enumerate(texts):
        yield beside_canary(f"{number} {text[:20]!r}", Expected.REPORTED, f"apiVersion: v1\nkind: Pod\n{text}\n")


@hostile_class("YAML aliases")
def aliases(source: random.Random) -> Iterator[Member]:
    """Aliases and merge keys that grow without bound, contain themselves or name nothing."""
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    for levels in (6, 9, 20, 100, 1000):
        for kind, first, row in (
            ("lists", "&a0 [x, x, x, x, x, x, x, x, x]", "&a{n} [" + ", ".join(["*a{m}"] * 9) + "]"),
            ("maps", "&a0 {x: x}", "&a{n} {" + ", ".join(f"k{key}: *a{{m}}" for key in range(9)) + "}"),
            ("merges", "&a0 {x: x}", "&a{n} {<<: [" + ", ".join(["*a{m}"] * 9) + "], k{n}: 1}"),
        ):
            rows = [f"  a0: {first}"]
            rows += [f"  a{n}: {row.replace('{n}', str(n)).replace('{m}', str(n - 1))}" for n in range(1, levels)]
            few = (kind == "merges" and levels < 20) or levels == 6
            yield beside_canary(
                f"{levels} levels of {kind}", Expected.EITHER if few else Expected.REPORTED, head + "\n".join(rows)
            )
    for text in ("&a [*a]", "&a {b: *a}", "&a {<<: *a}", "&a {b: &b [*a]}", "*unknown", "{<<: *unknown}"):
        yield beside_canary(f"cycle {text}", Expected.REPORTED, f"{head}  x: {text}")
    for text in ("{<<: 1}", "{<<: [1]}", "{<<: text}", "{<<: [[{a: b}]]}"):
        yield beside_canary(f"merge {text}", Expected.REPORTED, f"{head}  x: {text}")
    many = "".join(f"  k{n}: &k{n} {source.random()}\n" for n in range(20_000))
    yield beside_canary("many anchors", Expected.EITHER, head + many)
    yield beside_canary(
        "one anchor used often",
        Expected.EITHER,
        f"{head}  a: &a {{b: c}}\n" + "".join(f"  k{n}: *a\n" for n in range(200_000)),
    )


@hostile_class("deep nesting")
def nesting(source: random.Random) -> Iterator[Member]:
    """Values nested too deeply, in all notations."""
    del source
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: "
    shapes = (
        ("lists", "[", "]"),
        ("maps", "{a: ", "}"),
        ("open lists", "[", ""),
        ("open maps", "{a: ", ""),
        ("block lists", "- ", ""),
        ("keys", "? ", ""),
    )
    for depth in (501, 2_000, 20_000, 200_000):
        for name, start, end in shapes:
            block = not end and name.startswith(("block", "keys"))
            text = f"{pod}{chr(10) + '  ' if block else ''}{start * depth}x{end * depth}\n"
            yield beside_canary(f"{depth} {name}", Expected.REPORTED, text)
        yield beside_canary(
            f"{depth} JSON lists",
            Expected.REPORTED,
            '{"apiVersion": "v1", "kind": "Pod", "spec": ' + "[" * depth + "]" * depth + "}",
            "a.json",
        )
    for depth in (20, 100, 400):
        document = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
        for _ in range(depth):
            document = f'{{"apiVersion": "v1", "kind": "List", "items": [{document}]}}'
        yield beside_canary(
            f"{depth} lists in lists", Expected.READ if depth < 200 else Expected.REPORTED, document, "a.json"
        )


@hostile_class("encodings")
def encodings(source: random.Random) -> Iterator[Member]:
    """Bytes that are not the text they seem to be."""
    for encoding in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "utf-7",
        "cp037",
        "cp1252",
    ):
        content = POD.replace("nginx", "nginx\u00e9").encode(encoding)
        marked = encoding in {"utf-16", "utf-7"}
        yield beside_canary(f"in {encoding}", Expected.READ if marked else Expected.REPORTED, content)
    for mark in (
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xff\xfe\x00\x00",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        b"\xef\xbb",
    ):
        expected = Expected.READ if mark.startswith(b"\xef\xbb\xbf") else Expected.REPORTED
        yield beside_canary(f"after {mark!r}", expected, mark + POD.encode())
    for part in (
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\x80",
        b"\x00",
        b"\x1b",
        b"\x7f",
    ):
        yield beside_canary(f"with {part!r}", Expected.REPORTED, POD.encode().replace(b"nginx", b"ng" + part + b"inx"))
    for number in range(8):
        content = bytes(source.randrange(1, 256) for _ in range(10 ** (number % 5)))
        yield beside_canary(f"random bytes {number}", Expected.EITHER, content)


@hostile_class("damaged YAML")
def damaged_yaml(source: random.Random) -> Iterator[Member]:
    """Manifests with damaged bytes."""
    for name, content in damage((POD + "---\n" + POD.replace("web", "api")).encode(), source, 60):
        yield beside_canary(name, Expected.EITHER, content)


@hostile_class("damaged JSON")
def damaged_json(source: random.Random) -> Iterator[Member]:
    """JSON with damaged bytes; cut off JSON is never valid."""
    document = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": "a"},
                    "spec": {"containers": [{"name": "a", "image": "b"}]},
                },
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}},
            ],
        }
    ).encode()
    for name, content in damage(document, source, 60):
        is_cut = name.startswith("cut at") and not name.startswith("cut at 0,")
        yield beside_canary(name, Expected.REPORTED if is_cut else Expected.EITHER, content, "a.json")


@hostile_class("JSON syntax")
def json_syntax(source: random.Random) -> Iterator[Member]:
    """JSON with numbers, escapes and marks of other languages."""
    del source
    values = (
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "01",
        "+1",
        ".5",
        "1.",
        "0x1F",
        "1_000",
        "'text'",
        "undefined",
        "// comment\n1",
        "/* c */ 1",
        '"\\x41"',
        '"a\nb"',
        '"\t"',
        '"\\u12"',
        "[1,]",
        "{,}",
        "True",
        "nul",
        "1 2",
        '"a" "b"',
        "{a: 1}",
        '{"a" 1}',
        '{"a": 1 "b": 2}',
    )
    for value in values:
        text = f'{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "a"}}, "data": {{"a": {value}}}}}'
        yield beside_canary(repr(value), Expected.REPORTED, text, "a.json")
    for value in ('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "1" * 5_000, "-0", "1e308", "0.1e-999", '"\\u202e"'):
        text = f'{{"apiVersion": "example.com/v1", "kind": "A", "metadata": {{"name": "a"}}, "data": {{"a": {value}}}}}'
        yield beside_canary(f"unusual {value[:30]}", Expected.EITHER, text, "a.json")


@hostile_class("YAML scalars")
def scalars(source: random.Random) -> Iterator[Member]:
    """Scalars at the border of their types, where a number or a text is expected."""
    del source
    values = (
        ".nan",
        ".inf",
        "-.inf",
        "0o17",
        "0x7fffffffffffffffff",
        "1e400",
        "1" * 6_000,
        "1_000",
        "0b101",
        "!!int text",
        "!!float text",
        "!!bool 2",
        "!!null x",
        "!!binary ~~~",
        "!!timestamp x",
        "!!python/object:os.system {}",
        "!local a",
        "!!set {a}",
        "!!omap [a: b]",
        "!!pairs [a: b]",
        "2001-12-14t21:59:43.10-05:00",
        "190:20:30",
        "y",
        "on",
        "~",
        "!!str",
        "''",
        '"\\0"',
        '"\\ud800"',
        '"\\U00110000"',
        '"\\x9b31m"',
    )
    for value in values:
        yield beside_canary(value[:40], Expected.EITHER, POD.replace("privileged: true", f"privileged: {value}"))


def _check_duplicate(run: Run) -> None:
    """Assert that the key that occurs twice is in the report, and that the valid manifest is evaluated."""
    check_canary(run)
    extra = run.report["kubekeep"]
    messages = [entry["message"] for entry in (*extra["unread"], *extra.get("unknownFields", ()))]
    assert any("duplicate key" in text or "not a complete" in text for text in messages), messages


def _with_duplicate(name: str, content: Content, file: str = "a.yaml") -> Member:
    """Return an object with a key that occurs twice. It is read with the last value, which may make it invalid."""
    member = beside_canary(name, Expected.EITHER, content, file)
    return msgspec.structs.replace(member, check=_check_duplicate)


@hostile_class("duplicate keys")
def duplicate_keys(source: random.Random) -> Iterator[Member]:
    """Objects with repeated keys, which other readers understand in other ways."""
    for key, line in (
        ("kind", "kind: Service"),
        ("apiVersion", "apiVersion: v2"),
        ("spec", "spec: {}"),
        ("metadata", "metadata: {}"),
    ):
        yield _with_duplicate(f"{key} again", f"{POD}{line}\n")
        yield _with_duplicate(f"{key} before", f"{line}\n{POD}")
        yield _with_duplicate(f"{key} quoted", f'{POD}"{key}": {line.partition(": ")[2]}\n')
        yield _with_duplicate(f"{key} with escapes", f'{POD}"\\x{ord(key[0]):02x}{key[1:]}": {{}}\n')
        yield _with_duplicate(
            f"{key} in JSON",
            f'{{"apiVersion": "v1", "kind": "Pod", "spec": {{}}, "metadata": {{}}, "{key}": "x"}}',
            "a.json",
        )
        yield beside_canary(f"{key} with a merge key", Expected.EITHER, f"<<: {{{key}: x}}\n{POD}")
    for count in (2, 1_000, 50_000):
        yield _with_duplicate(f"{count} times", POD + f"x: {source.random()}\n" * count)


@hostile_class("keys of other types")
def odd_keys(source: random.Random) -> Iterator[Member]:
    """Keys that are no text, and texts that are unusual keys."""
    del source
    for key in ("1", "1.5", "true", "null", "~", "2001-01-01", "0x10", ".nan", "!!int 5", "!!binary YQ=="):
        yield beside_canary(f"key {key}", Expected.EITHER, f"{POD}  {key}: x\n")
    for key in ("? [a]\n  :", "? {a: b}\n  :", "? &a x\n  : *a\n  *a :", "? |\n    a\n  :"):
        yield beside_canary(f"key {key!r}", Expected.EITHER, f"{POD}  {key} x\n")
    for name, text in TEXTS.items():
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a", "labels": {text: text}},
            "data": {text: "x"},
        }
        yield beside_canary(f"key with {name}", Expected.EITHER, dump(document), "a.json")


@hostile_class("objects of another type")
def other_objects(source: random.Random) -> Iterator[Member]:
    """Documents that are no Kubernetes object, or only in part."""
    del source
    for field in ("apiVersion", "kind", "metadata", "spec", "items"):
        for value in VALUES:
            document = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "a"},
                "spec": {"containers": []},
                field: value,
            }
            unusable = field in {"apiVersion", "kind"} or (
                field == "items" and not isinstance(value, list) and value is not None
            )
            yield beside_canary(
                f"{field} is {json.dumps(value)[:40]}",
                Expected.REPORTED if unusable else Expected.EITHER,
                dump(document),
                "a.json",
            )


@hostile_class("lists of objects")
def lists(source: random.Random) -> Iterator[Member]:
    """Lists with items of other types, and objects that look like lists."""
    del source
    for kind in ("List", "PodList", "ConfigMap", "Pod"):
        for value in VALUES:
            document: dict[str, object] = {"apiVersion": "v1", "kind": kind, "metadata": {}, "items": [value]}
            expected = Expected.EITHER if value == {} else Expected.REPORTED
            if isinstance(value, dict):
                expected = Expected.EITHER
            yield beside_canary(f"{kind} of {json.dumps(value)[:40]}", expected, dump(document), "a.json")


@hostile_class("values of a manifest")
def changed_values(source: random.Random) -> Iterator[Member]:
    """Real manifests in which one value is of another type."""
    for document in OBJECTS:
        for name, changed in mutate(document, source, 24):
            yield beside_canary(f"{document['kind']}: {name}", Expected.EITHER, dump(changed), "a.json")


@hostile_class("names in manifests")
def names(source: random.Random) -> Iterator[Member]:
    """Texts that attack terminals and readers of reports, in all places of an object that reports show."""
    del source
    for name, text in TEXTS.items():
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": text, "namespace": text, "labels": {text: text}, "annotations": {text: text}},
            "spec": {
                "containers": [
                    {
                        "name": text,
                        "image": text,
                        "command": [text],
                        "env": [{"name": text, "value": text}],
                        "securityContext": {"privileged": True},
                    }
                ],
                "volumes": [{"name": text, "hostPath": {"path": text}}],
                "serviceAccountName": text,
            },
        }
        member = beside_canary(f"name with {name}", Expected.EITHER, dump(document), "a.json")
        yield member
        yield Member(
            f"name with {name} on the terminal",
            member.files,
            Expected.EITHER,
            ("scan", "in", "--format", "pretty", "--view", "all"),
        )
        kind = {**document, "kind": text, "apiVersion": f"{text}/v1"}
        yield beside_canary(f"kind with {name}", Expected.EITHER, dump(kind), "a.json")


@hostile_class("names of files")
def file_names(source: random.Random) -> Iterator[Member]:
    """Names of files and folders that attack terminals and readers of reports."""
    del source
    for name, text in TEXTS.items():
        file = text.replace("/", "_").replace("\x00", "")[:60]
        yield beside_canary(f"file with {name}", Expected.EITHER, POD, f"{file}.yaml")
        yield beside_canary(f"broken file with {name}", Expected.REPORTED, "a: [", f"{file} ]/a.yaml")
    for file in (
        "-",
        "--help",
        "-o",
        "\udcff\udcfe",
        "a\\b",
        ".yaml",
        "con",
        "a:b",
        "*",
        "[a]",
        "~",
        "$HOME",
        "%00",
        "a\x7f",
    ):
        yield beside_canary(f"file {file!r}", Expected.EITHER, POD, f"{file}.yaml" if file != ".yaml" else file)


@hostile_class("large files")
def large(source: random.Random) -> Iterator[Member]:
    """Files at and above the limits of size, documents and values; long lines."""
    del source
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    yield beside_canary("33 MiB", Expected.REPORTED, b" " * (33 << 20))
    yield beside_canary("33 MiB of comments", Expected.REPORTED, b"#" * (33 << 20))
    for count in (1_000, 100_001):
        yield beside_canary(
            f"{count} empty documents", Expected.READ if count < 100_000 else Expected.REPORTED, "---\n" * count
        )
    for name, text in (
        ("line of 10 MB", f"{head}  a: {'x' * 10_000_000}\n"),
        ("key of 1 MB", f"{head}  ? {'x' * 1_000_000}\n  : a\n"),
        ("name of 1 MB", POD.replace("web", "x" * 1_000_000, 1)),
        ("quoted line of 5 MB", f'{head}  a: "{"é" * 2_500_000}"\n'),
        ("folded text", f"{head}  a: >\n" + "    x\n" * 200_000),
        ("comments", f"{head}  a: b\n" + "  # x\n" * 300_000),
        ("blanks", f"{head}  a: b\n" + " " * 5_000_000 + "\n"),
        ("escapes", f'{head}  a: "' + "\\u00e9" * 500_000 + '"\n'),
        ("flow list", f"{head}  a: [" + "1, " * 300_000 + "1]\n"),
        ("quotes", f"{head}  a: '" + "''" * 1_000_000 + "'\n"),
        ("dashes", "-" * 3_000_000),
        ("colons", ":" * 1_000_000),
        ("question marks", "? " * 10_000),
        ("ampersands", "&a " * 10_000),
        ("exclamation marks", "!a " * 10_000),
        ("tabs", "\t" * 1_000_000),
        ("percent signs", "%a b\n" * 50_000),
        ("carriage returns", "\r" * 1_000_000),
    ):
        yield beside_canary(name, Expected.EITHER, text)


@hostile_class("suppression comments")
def comments(source: random.Random) -> Iterator[Member]:
    """Comments and annotations that suppress findings, broken or without an end."""
    del source
    texts = (
        "kubekeep:ignore",
        "kubekeep:ignore C-0057",
        "kubekeep:ignore *",
        "kubekeep:ignore C-9999 reason",
        "kubekeep:ignore C-0057 until=9999-99-99",
        "kubekeep:ignore C-0057 expires=x",
        "kubekeep:ignore-file",
        "kubekeep:ignore-next-line",
        "kubekeep:ignore " + "C-0057," * 5_000,
        "kubekeep:ignore " + "x" * 100_000,
        "kubekeep:ignore [",
        "kubekeep:ignore (.*)*$",
        "kubekeep:ignore " + "(" * 5_000,
        "kubekeep:ignore \x1b[31m",
        "kubekeep:ignore \u202eC-0057",
        "kubekeep:ignore C-0057 reason=" + '"' * 1_000,
        "kubekeep : ignore C-0057",
        "KUBEKEEP:IGNORE C-0057",
        "kubekeep:ignore=C-0057",
        "kubekeep:ignore C-0057 # kubekeep:ignore",
        "kubekeep:ignore 0x57",
        "nosec",
        "checkov:skip=CKV_K8S_16",
        "trivy:ignore:AVD-1",
        "kubekeep:unknown C-0057",
    )
    for number, text in enumerate(texts):
        clean = text.replace("\x1b", "")
        yield beside_canary(f"{number} before {text[:30]!r}", Expected.EITHER, f"# {clean}\n{POD}")
        yield beside_canary(f"{number} behind {text[:30]!r}", Expected.EITHER, POD.replace("true", f"true # {clean}"))
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "a",
                "annotations": {
                    "kubekeep.io/skip-controls": text,
                    "kubekeep.io/skip-expiry": text,
                    "kubekeep.io/skip-reason": text,
                    f"kubekeep.io/{text[:20]}": text,
                    "kubescape.io/skip-controls": text,
                },
            },
            "spec": {"containers": [{"name": "a", "image": "b"}]},
        }
        yield beside_canary(f"{number} annotation {text[:30]!r}", Expected.EITHER, dump(document), "a.json")
