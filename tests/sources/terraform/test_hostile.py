"""Malicious Terraform: each file gives an `UnreadInput` or an unknown field within the limits, and valid files are read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.source import Root
from kubekeep.sources.terraform import files
from kubekeep.sources.terraform.files import preview_module
from kubekeep.sources.terraform.read import read_modules

VALID = 'resource "kubernetes_namespace" "sound" {\n  metadata {\n    name = "sound"\n  }\n}\n'
CONFIG = 'resource "kubernetes_config_map" "c" {{\n  metadata {{\n    name = "c"\n  }}\n  data = {{ v = {} }}\n}}\n'


@pytest.fixture
def module_folder(tmp_path: Path) -> Path:
    """Return a module folder beside a secret that it may not read; its last file is valid."""
    (tmp_path / "secret").write_text("top secret")
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "zz.tf").write_text(VALID)
    return folder


def read_results(folder: Path) -> list[str]:
    """Return all results of the folder except the valid object, which must be there."""
    results = list(read_modules([Root("terraform", str(folder), ".", str(folder))]))
    lines = [
        f"{result.location} {result.message}"
        if isinstance(result, UnreadInput)
        else f"{result.name} {result.object.get('data')}"
        for result in results
    ]
    assert any(isinstance(result, Resource) and result.name == "sound" for result in results)
    assert "top secret" not in repr(results)
    return [line for line in lines if not line.startswith("sound ")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a = "x\n', "a.tf:1 not Terraform: unexpected"),
        ("a = <<EOT\nx\n", "a.tf:1 not Terraform: unexpected"),
        ("/* no end\n", "a.tf:1 not Terraform: unexpected"),
        ("resource {{{\n", "a.tf:1 not Terraform: unexpected"),
        ("\n\na = \n", "a.tf:3 not Terraform: unexpected"),
        ('\nresource "kubernetes_pod" {\n}\n', "a.tf:2 not Terraform: a resource needs a type and a name"),
        ("a = 1\na = 2\n", "a.tf:2 a is set twice in one block"),
        (f"a = {'[' * 5_000}{']' * 5_000}\n", "a.tf:1 nested deeper than 300 levels"),
        ("b {\n" * 1_000 + "}\n" * 1_000, "nested deeper than 300 levels"),
        (f"a = 1{' + 1' * 2_000}\n", "a.tf:1 nested deeper than 300 levels"),
        (f"a = x{'.y' * 2_000}\n", "a.tf:1 nested deeper than 300 levels"),
        ('a = "' + '${"' * 400 + "x" + '"}' * 400 + '"\n', "a.tf:1 nested deeper than 300 levels"),
        ("a = " + "a+a+(" * 60 + "<" + ")" * 60 + "\n", "a.tf:1 not Terraform: unexpected '<"),
        ("a = " + "a+a+(\n" * 60 + "<" + ")" * 60 + "\n", "a.tf:61 not Terraform: unexpected '<"),
        ("a = " + 'a+a+"${' * 60 + "<" + '}"' * 60 + "\n", "a.tf:1 not Terraform: unexpected '<"),
        ("a = " + "a+a+{ a = " * 60 + "<" + "}" * 60 + "\n", "a.tf:1 not Terraform: unexpected '<"),
        ("a = " + "!x.x[" * 60 + "<" + "]" * 60 + "\n", "a.tf:1 not Terraform: unexpected '<"),
        ("a = [\n" + "1,\n" * 31_000 + "]\n", "more than 60000 tokens: not read"),
        ("# kubernetes_\n" * 80_000, "a.tf larger than 1048576 bytes: not read"),
    ],
)
def test_unreadable_file_is_reported(module_folder: Path, text: str, message: str) -> None:
    (module_folder / "a.tf").write_text(text)
    (actual,) = read_results(module_folder)
    assert message in actual


def test_key_set_twice_has_the_last_value(module_folder: Path) -> None:
    keys = ("b", '"b"', '"long key"', "null", '"true"')
    entries = "".join(f"{key} = {number}\n" for number in range(3) for key in keys)
    (module_folder / "a.tf").write_text(CONFIG.format("jsonencode({\n" + entries + "})"))
    assert read_results(module_folder) == ['c {\'v\': \'{"b":2,"long key":2,"null":2,"true":2}\'}']


@pytest.mark.parametrize("key", ["k{}", "(local.n + {})", "({{ a = 1, b = {} }}.b)"])
def test_object_with_many_keys_is_read(module_folder: Path, key: str) -> None:
    entries = "".join(f"{key.format(number)} = {number}\n" for number in range(1_000))
    locals_ = "locals {\nn = 0\nentries = {\n" + entries + "}\n}\n"
    (module_folder / "a.tf").write_text(locals_ + CONFIG.format("length(local.entries)"))
    assert read_results(module_folder) == ["c {'v': '1000'}"]


def test_empty_heredocs_are_read(module_folder: Path) -> None:
    nested = '"x"'
    for _ in range(20):
        nested = f'"${{join("", [<<A\nA\n, {nested}])}}"'
    heredocs = "".join(f"h{number} = <<A\nA\n" for number in range(2_000))
    (module_folder / "a.tf").write_text(
        f"locals {{\n{heredocs}e = <<-E\n  E\nlast = <<A\ny\nA\n}}\n"
        + CONFIG.format(f'"${{local.h7}}${{local.e}}${{local.last}}${{{nested}}}"')
    )
    assert read_results(module_folder) == ["c {'v': 'y\\nx'}"]


@pytest.mark.parametrize(("content", "message"), [(b"a = \xff\n", "not UTF-8"), (b"\x00\x01", "not Terraform")])
def test_binary_file_is_reported(module_folder: Path, content: bytes, message: str) -> None:
    (module_folder / "a.tf").write_bytes(content)
    (actual,) = read_results(module_folder)
    assert message in actual


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('file("/etc/passwd")', "'/etc/passwd' cannot be read: the file is outside the scanned folder"),
        ('file("../secret")', "'../secret' cannot be read: the file is outside the scanned folder"),
        ('file("${path.module}/../secret")', "outside the scanned folder"),
        ('file("link")', "'link' cannot be read: the file is outside the scanned folder"),
        ('templatefile("../secret", {})', "outside the scanned folder"),
        ('file("pipe")', "'pipe' cannot be read: not a regular file"),
        ('file(".")', "not a regular file"),
        ('file("a\\u0000b")', "outside the scanned folder"),
        ('file("missing")', "no such file"),
        ("local.one", "local.one refers to itself"),
        ('format("%999999999d", 1)', "the format is too wide"),
        ("range(1000000000)", "the range has more than 1024 numbers"),
        ('yamldecode("a: &a [x]\\nb: [*b]")', "yamldecode: unknown anchor"),
        ('yamldecode("{")', "yamldecode: "),
        ('jsondecode("{")', "jsondecode: not JSON"),
        ("1 / 0", "division by zero"),
        ("local.n39", "the number is too large"),
        ("local.n39 > 1", "the number is too large"),
        ("1.0e200 * 1.0e200", "the number is too large"),
        ('tonumber("inf")', "the number is infinite or too large"),
        ('tonumber("1e999")', "the number is infinite or too large"),
        ('tonumber("hunter2")', "tonumber: expected a number, not text"),
        ('fileset(path.module, "**")', "the function fileset is not supported"),
        ("uuid()", "the function uuid is not supported"),
        ("merge([1], 2)", "merge: "),
        ('"%{ for x in [1] }a%{ endfor }"', "template directives are not supported"),
    ],
)
def test_failing_expression_is_unknown(module_folder: Path, expression: str, message: str) -> None:
    (module_folder / "link").symlink_to("../secret")
    os.mkfifo(module_folder / "pipe")
    squares = " ".join(f"n{n} = local.n{n - 1} * local.n{n - 1}," for n in range(1, 40))
    (module_folder / "b.tf").write_text(f"locals {{\n  n0 = 3\n{squares.replace(',', chr(10))}}}\n")
    (module_folder / "a.tf").write_text(
        "locals {\n  one = local.two\n  two = local.one\n}\n" + CONFIG.format(expression)
    )
    resource, actual = read_results(module_folder)
    assert resource == "c {}"
    assert actual.startswith("a.tf:9 data.v is not known before apply: ")
    assert message in actual


def test_exponential_text_is_stopped(module_folder: Path) -> None:
    doubling = "".join(f'  s{n} = "${{local.s{n - 1}}}${{local.s{n - 1}}}"\n' for n in range(1, 40))
    (module_folder / "a.tf").write_text(f'locals {{\n  s0 = "xxxxxxxx"\n{doubling}}}\n' + CONFIG.format("local.s39"))
    (message,) = read_results(module_folder)
    assert "not evaluated: a value is too large" in message


def test_exponential_lists_are_stopped(module_folder: Path) -> None:
    doubling = "".join(f"  s{n} = [local.s{n - 1}, local.s{n - 1}]\n" for n in range(1, 31))
    manifest = 'resource "kubernetes_manifest" "m" {\n  manifest = {\n    apiVersion = "v1"\n    kind = "X"\n'
    (module_folder / "zzz.tf").write_text(f"locals {{\n  s0 = 1\n{doubling}}}\n{manifest}    v = local.s30\n  }}\n}}\n")
    messages = read_results(module_folder)
    assert "not evaluated: evaluation needs more than 200000 steps" in messages[0]
    assert "the rest was not evaluated" in messages[-1]


@pytest.mark.parametrize(
    "expression",
    [
        "local.s30 == local.t30",
        "jsonencode(local.s30)",
        "length(local.s30)",
        'join("", [for x in range(1000) : local.big])',
        'replace(local.big, "x", local.big)',
        'indent(150, replace(local.big, "x", "\n"))',
        f'"{"${local.big}" * 1_000}"',
    ],
)
def test_large_values_are_stopped(module_folder: Path, expression: str) -> None:
    doubling = "".join(
        f"  {name}{n} = [local.{name}{n - 1}, local.{name}{n - 1}]\n" for name in "st" for n in range(1, 31)
    )
    names = f'locals {{\n  s0 = 1\n  t0 = 1\n  big = "{"x" * 100_000}"\n{doubling}}}\n'
    (module_folder / "zzz.tf").write_text(
        names + CONFIG.format(f'"${{{expression}}}"' if "$" not in expression else expression)
    )
    messages = read_results(module_folder)
    assert any(
        word in " ".join(messages) for word in ("too large", "too long", "evaluation needs", "expected a string")
    )


def test_nested_loops_are_stopped(module_folder: Path) -> None:
    loops = "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]"
    (module_folder / "zzz.tf").write_text(f"locals {{\n  x = {loops}\n}}\n" + CONFIG.format("local.x"))
    assert "evaluation needs more than 200000 steps" in read_results(module_folder)[0]


def test_long_chain_of_locals_is_stopped(module_folder: Path) -> None:
    chain = "".join(f"  s{n} = local.s{n - 1}\n" for n in range(1, 3_000))
    (module_folder / "a.tf").write_text(f"locals {{\n  s0 = 1\n{chain}}}\n" + CONFIG.format("local.s2999"))
    (message,) = read_results(module_folder)
    assert "nested deeper than 120 levels, or form a cycle" in message


def test_number_of_objects_is_limited(module_folder: Path) -> None:
    many = VALID.replace("{\n  metadata", "{\n  count = 1000000\n  metadata", 1).replace('"sound"', '"many"')
    (module_folder / "zzz.tf").write_text(many)
    messages = read_results(module_folder)
    assert len(messages) == 10_001
    assert messages[-1] == "zzz.tf:2 more than 10000 objects and modules: the rest was not read"


def test_number_of_dynamic_blocks_is_limited(module_folder: Path) -> None:
    numbers = ", ".join(map(str, range(1_001)))
    pod = 'resource "kubernetes_pod" "p" {\n  spec {\n    dynamic "container" {\n'
    (module_folder / "a.tf").write_text(
        f'{pod}      for_each = [{numbers}]\n      content {{\n        name = "x"\n      }}\n    }}\n  }}\n}}\n'
    )
    resource, message = read_results(module_folder)
    assert resource.strip() == "None"
    assert message == (
        "a.tf:3 spec.containers is not known before apply: for_each is not a collection of at most 1000 entries"
    )


def test_nested_dynamic_blocks_are_limited(module_folder: Path) -> None:
    numbers = f"[{', '.join(map(str, range(1_000)))}]"
    inner = f'dynamic "env" {{\n for_each = {numbers}\n content {{}}\n}}\n'
    outer = f'dynamic "container" {{\n for_each = {numbers}\n content {{\n{inner}}}\n}}\n'
    (module_folder / "zzz.tf").write_text(f'resource "kubernetes_pod" "p" {{\n  spec {{\n{outer}}}\n}}\n')
    assert "not evaluated: evaluation needs more than 200000 steps" in read_results(module_folder)[0]


def test_recursive_modules_are_stopped(module_folder: Path) -> None:
    (module_folder / "a.tf").write_text('module "b" {\n  source = "./b"\n}\n')
    (module_folder / "b").mkdir()
    (module_folder / "b" / "b.tf").write_text('module "again" {\n  source = "../b"\n}\n')
    (message,) = read_results(module_folder)
    assert message == "b/b.tf:1 the module was not read: module calls are nested deeper than 16 levels"


@pytest.mark.parametrize(
    ("source", "reason"),
    [("../", "is outside the scanned folder"), ("./nowhere", "is not a folder"), ("./link", "outside")],
)
def test_module_outside_the_folder_is_reported(module_folder: Path, source: str, reason: str) -> None:
    (module_folder / "link").symlink_to("..")
    (module_folder / "a.tf").write_text(f'module "m" {{\n  source = "{source}"\n}}\n')
    (message,) = read_results(module_folder)
    assert message.startswith("a.tf:1 the module was not read: source ")
    assert reason in message


def test_outside_link_is_not_opened(module_folder: Path) -> None:
    (module_folder.parent / "secret").write_text('module "a" {\n  source = "./child"\n}\n')
    (module_folder / "a.tf").symlink_to(module_folder.parent / "secret")
    assert preview_module(str(module_folder), str(module_folder)) == (True, [])


def test_pipe_and_outside_link_are_reported(module_folder: Path) -> None:
    os.mkfifo(module_folder / "a.tf")
    (module_folder / "b.tf").symlink_to("../secret")
    assert read_results(module_folder) == ["a.tf not a regular file", "b.tf the file is outside the scanned folder"]


@pytest.mark.parametrize("size", [1024 * 1024 - 20, 1024 * 1024 - 10, 1024 * 1024, 3_000_000])
def test_late_mention_of_kubernetes_is_reported(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.tf").write_text("#" * size + "\n" + VALID)
    assert read_messages(tmp_path) == ["larger than 1048576 bytes: not read"]
    (tmp_path / "a.tf").write_text("#" * 3_000_000)
    assert read_messages(tmp_path) == []


def test_module_of_a_pipe_is_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "main.tf")
    (tmp_path / "folder.tf").mkdir()
    assert read_messages(tmp_path) == ["not a regular file"]
    (tmp_path / "main.tf").unlink()
    assert read_messages(tmp_path) == []


def test_override_file_is_reported(module_folder: Path) -> None:
    (module_folder / "x_override.tf").write_text(VALID)
    assert read_results(module_folder) == ["x_override.tf override file: not applied"]


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("[]", "not evaluated: the manifest is not an object"),
        ('{ kind = "Pod" }', "not a complete Kubernetes object: apiVersion is missing"),
        ('{ apiVersion = "v1", kind = var.x }', "kind is not known before apply: var.x has no value"),
        ("var.x", "manifest is not known before apply: var.x has no value"),
        ('{ apiVersion = "v1", (var.x) = "Pod" }', "manifest is not known before apply"),
    ],
)
def test_invalid_manifest_is_reported(module_folder: Path, manifest: str, message: str) -> None:
    (module_folder / "a.tf").write_text(f'resource "kubernetes_manifest" "m" {{\n  manifest = {manifest}\n}}\n')
    (actual,) = read_results(module_folder)
    assert actual.startswith("a.tf:2 not evaluated: ")
    assert message in actual


@pytest.mark.parametrize("text", ["[]", "{", '{"resource": x}', "null"])
def test_invalid_json_is_reported(module_folder: Path, text: str) -> None:
    (module_folder / "a.tf.json").write_text(text)
    (message,) = read_results(module_folder)
    assert message.startswith("a.tf.json:1 not ")


def test_invalid_type_in_json_is_reported_at_its_line(module_folder: Path) -> None:
    text = '{\n  "variable": {\n    "a": {\n      "default": 1,\n      "type": "list("\n    }\n  }\n}\n'
    (module_folder / "a.tf.json").write_text(text)
    (message,) = read_results(module_folder)
    assert message.startswith("a.tf.json:5 not Terraform: unexpected ")


def test_json_of_another_shape_is_ignored(module_folder: Path) -> None:
    (module_folder / "a.tf.json").write_text(
        '{"resource": [1, {"kubernetes_pod": 3}], "locals": [[]], "module": {"x": 1}}'
    )
    assert read_results(module_folder) == []
    (module_folder / "a.tf.json").write_text("{} {}")
    assert read_results(module_folder) == ["a.tf.json:1 more than 1 documents: the rest was not read"]


def test_total_number_of_tokens_is_limited(module_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_TOTAL_TOKENS", 5_000)
    for number in range(4):
        (module_folder / f"{number}.tf").write_text("a = [\n" + "1,\n" * 1_000 + "]\n")
    rest = "the files of the module exceed 5000 tokens: the rest was not read"
    first, *others = read_messages(module_folder)
    assert "tokens: not read" in first
    assert others == [rest, rest, rest]


def read_messages(folder: Path) -> list[str]:
    """Return the messages of the folder, without requiring the valid object."""
    return [
        result.message
        for result in read_modules([Root("terraform", str(folder), ".", str(folder))])
        if isinstance(result, UnreadInput)
    ]


def test_missing_extra_is_reported(module_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hcl2.parser", None)
    assert read_messages(module_folder) == ["not read: run pip install 'kubekeep[terraform]' to read Terraform"]
