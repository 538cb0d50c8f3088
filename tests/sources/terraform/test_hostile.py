"""Terraform made to hurt: each ends in an Unread or in an unknown field, inside the limits, and what is sound is read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kubekeep.model.assessment import Unread
from kubekeep.model.resource import Resource
from kubekeep.sources.terraform import files, read_module

SOUND = 'resource "kubernetes_namespace" "sound" {\n  metadata {\n    name = "sound"\n  }\n}\n'
CONFIG = 'resource "kubernetes_config_map" "c" {{\n  metadata {{\n    name = "c"\n  }}\n  data = {{ v = {} }}\n}}\n'


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder inside a folder with a secret that no module may read; its last file is sound."""
    (tmp_path / "secret").write_text("top secret")
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "zz.tf").write_text(SOUND)
    return folder


def outcome(folder: Path) -> list[str]:
    """What the folder gives but for the sound object, which must be there."""
    found = list(read_module(str(folder), ".", str(folder)))
    shown = [
        f"{item.location} {item.message}" if isinstance(item, Unread) else f"{item.name} {item.object.get('data')}"
        for item in found
    ]
    assert any(isinstance(item, Resource) and item.name == "sound" for item in found)
    assert "top secret" not in repr(found)
    return [line for line in shown if not line.startswith("sound ")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a = "x\n', "a.tf:1 not Terraform: unexpected"),
        ("a = <<EOT\nx\n", "a.tf:1 not Terraform: unexpected"),
        ("/* no end\n", "a.tf:1 not Terraform: unexpected"),
        ("resource {{{\n", "a.tf:1 not Terraform: unexpected"),
        ("\n\na = \n", "a.tf:3 not Terraform: unexpected"),
        ('\nresource "kubernetes_pod" {\n}\n', "a.tf:2 not Terraform: a resource has a type and a name"),
        ("a = 1\na = 2\n", "a.tf:2 a is set twice in one block"),
        (f"a = {'[' * 5_000}{']' * 5_000}\n", "a.tf:1 nested deeper than 300 levels"),
        ("b {\n" * 1_000 + "}\n" * 1_000, "nested deeper than 300 levels"),
        (f"a = 1{' + 1' * 2_000}\n", "a.tf:1 nested deeper than 300 levels"),
        (f"a = x{'.y' * 2_000}\n", "a.tf:1 nested deeper than 300 levels"),
        ('a = "' + '${"' * 400 + "x" + '"}' * 400 + '"\n', "a.tf:1 nested deeper than 300 levels"),
        ("a = [\n" + "1,\n" * 31_000 + "]\n", "more than 60000 tokens: not read"),
        ("# kubernetes_\n" * 80_000, "a.tf larger than 1048576 bytes: not read"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(here: Path, text: str, message: str) -> None:
    (here / "a.tf").write_text(text)
    (found,) = outcome(here)
    assert message in found


@pytest.mark.parametrize(("data", "message"), [(b"a = \xff\n", "not UTF-8"), (b"\x00\x01", "not Terraform")])
def test_what_is_no_text(here: Path, data: bytes, message: str) -> None:
    (here / "a.tf").write_bytes(data)
    (found,) = outcome(here)
    assert message in found


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('file("/etc/passwd")', "'/etc/passwd' cannot be read: the file lies outside the scanned folder"),
        ('file("../secret")', "'../secret' cannot be read: the file lies outside the scanned folder"),
        ('file("${path.module}/../secret")', "outside the scanned folder"),
        ('file("link")', "'link' cannot be read: the file lies outside the scanned folder"),
        ('templatefile("../secret", {})', "outside the scanned folder"),
        ('file("pipe")', "'pipe' cannot be read: not a regular file"),
        ('file(".")', "not a regular file"),
        ('file("a\\u0000b")', "outside the scanned folder"),
        ('file("missing")', "no such file"),
        ("local.one", "local.one refers to itself"),
        ('format("%999999999d", 1)', "too wide a format"),
        ("range(1000000000)", "a range of more than 1024 numbers"),
        ('yamldecode("a: &a [x]\\nb: [*b]")', "yamldecode: unknown anchor"),
        ('yamldecode("{")', "yamldecode: "),
        ('jsondecode("{")', "jsondecode: not JSON"),
        ("1 / 0", "division by zero"),
        ('tonumber("hunter2")', "tonumber: text where a number is needed"),
        ('fileset(path.module, "**")', "the function fileset is not evaluated here"),
        ("uuid()", "the function uuid is not evaluated here"),
        ("merge([1], 2)", "merge: "),
        ('"%{ for x in [1] }a%{ endfor }"', "template directives are not evaluated"),
    ],
)
def test_a_value_that_cannot_be_made_is_unknown(here: Path, expression: str, message: str) -> None:
    (here / "link").symlink_to("../secret")
    os.mkfifo(here / "pipe")
    (here / "a.tf").write_text("locals {\n  one = local.two\n  two = local.one\n}\n" + CONFIG.format(expression))
    resource, found = outcome(here)
    assert resource == "c {}"
    assert found.startswith("a.tf:9 data.v is not known before apply: ")
    assert message in found


def test_a_value_that_doubles_without_end(here: Path) -> None:
    doubling = "".join(f'  s{n} = "${{local.s{n - 1}}}${{local.s{n - 1}}}"\n' for n in range(1, 40))
    (here / "a.tf").write_text(f'locals {{\n  s0 = "xxxxxxxx"\n{doubling}}}\n' + CONFIG.format("local.s39"))
    (found,) = outcome(here)
    assert "not evaluated: a value is too large" in found


def test_lists_that_double_without_end(here: Path) -> None:
    doubling = "".join(f"  s{n} = [local.s{n - 1}, local.s{n - 1}]\n" for n in range(1, 31))
    manifest = 'resource "kubernetes_manifest" "m" {\n  manifest = {\n    apiVersion = "v1"\n    kind = "X"\n'
    (here / "zzz.tf").write_text(f"locals {{\n  s0 = 1\n{doubling}}}\n{manifest}    v = local.s30\n  }}\n}}\n")
    found = outcome(here)
    assert "not evaluated: it takes more than 200000 steps to evaluate" in found[0]
    assert "not evaluated further" in found[-1]


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
def test_what_would_fill_the_memory(here: Path, expression: str) -> None:
    doubling = "".join(
        f"  {name}{n} = [local.{name}{n - 1}, local.{name}{n - 1}]\n" for name in "st" for n in range(1, 31)
    )
    names = f'locals {{\n  s0 = 1\n  t0 = 1\n  big = "{"x" * 100_000}"\n{doubling}}}\n'
    (here / "zzz.tf").write_text(names + CONFIG.format(f'"${{{expression}}}"' if "$" not in expression else expression))
    found = outcome(here)
    assert any(word in " ".join(found) for word in ("too large", "steps to evaluate", "where a string is needed"))


def test_loops_within_loops(here: Path) -> None:
    loops = "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]"
    (here / "zzz.tf").write_text(f"locals {{\n  x = {loops}\n}}\n" + CONFIG.format("local.x"))
    assert "it takes more than 200000 steps to evaluate" in outcome(here)[0]


def test_a_long_chain_of_locals(here: Path) -> None:
    chain = "".join(f"  s{n} = local.s{n - 1}\n" for n in range(1, 3_000))
    (here / "a.tf").write_text(f"locals {{\n  s0 = 1\n{chain}}}\n" + CONFIG.format("local.s2999"))
    (found,) = outcome(here)
    assert "nested deeper than 120 levels, or refer to each other in a circle" in found


def test_a_million_objects(here: Path) -> None:
    many = SOUND.replace("{\n  metadata", "{\n  count = 1000000\n  metadata", 1).replace('"sound"', '"many"')
    (here / "zzz.tf").write_text(many)
    found = outcome(here)
    assert len(found) == 10_001
    assert found[-1] == "zzz.tf:2 more than 10000 objects and modules: the rest was not read"


def test_a_dynamic_block_of_too_many(here: Path) -> None:
    numbers = ", ".join(map(str, range(1_001)))
    pod = 'resource "kubernetes_pod" "p" {\n  spec {\n    dynamic "container" {\n'
    (here / "a.tf").write_text(
        f'{pod}      for_each = [{numbers}]\n      content {{\n        name = "x"\n      }}\n    }}\n  }}\n}}\n'
    )
    resource, found = outcome(here)
    assert resource.strip() == "None"
    assert found == ("a.tf:3 spec.containers is not known before apply: its for_each is no collection of at most 1000")


def test_modules_that_call_each_other(here: Path) -> None:
    (here / "a.tf").write_text('module "b" {\n  source = "./b"\n}\n')
    (here / "b").mkdir()
    (here / "b" / "b.tf").write_text('module "again" {\n  source = "../b"\n}\n')
    (found,) = outcome(here)
    assert found == "b/b.tf:1 this module was not read: modules call each other more than 16 deep"


@pytest.mark.parametrize(
    ("source", "why"),
    [("../", "lies outside the scanned folder"), ("./nowhere", "is no folder"), ("./link", "outside")],
)
def test_modules_that_may_not_be_read(here: Path, source: str, why: str) -> None:
    (here / "link").symlink_to("..")
    (here / "a.tf").write_text(f'module "m" {{\n  source = "{source}"\n}}\n')
    (found,) = outcome(here)
    assert found.startswith("a.tf:1 this module was not read: its source ")
    assert why in found


def test_a_module_file_that_is_a_pipe_or_a_link_out(here: Path) -> None:
    os.mkfifo(here / "a.tf")
    (here / "b.tf").symlink_to("../secret")
    assert outcome(here) == ["a.tf not a regular file", "b.tf the file lies outside the scanned folder"]


def test_an_override_file_is_said(here: Path) -> None:
    (here / "x_override.tf").write_text(SOUND)
    assert outcome(here) == ["x_override.tf override file: what it changes was not taken over"]


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("[]", "not assessed: its manifest is no object"),
        ('{ kind = "Pod" }', "not a complete Kubernetes object: it has no apiVersion"),
        ('{ apiVersion = "v1", kind = var.x }', "its kind is not known before apply: var.x has no value here"),
        ("var.x", "manifest is not known before apply: var.x has no value here"),
        ('{ apiVersion = "v1", (var.x) = "Pod" }', "manifest is not known before apply"),
    ],
)
def test_manifests_that_are_no_objects(here: Path, manifest: str, message: str) -> None:
    (here / "a.tf").write_text(f'resource "kubernetes_manifest" "m" {{\n  manifest = {manifest}\n}}\n')
    (found,) = outcome(here)
    assert found.startswith("a.tf:2 not assessed: ")
    assert message in found


@pytest.mark.parametrize("text", ["[]", "{", '{"resource": x}', "null"])
def test_json_that_is_no_terraform(here: Path, text: str) -> None:
    (here / "a.tf.json").write_text(text)
    (found,) = outcome(here)
    assert found.startswith("a.tf.json:1 not ")


def test_json_of_the_wrong_shape(here: Path) -> None:
    (here / "a.tf.json").write_text('{"resource": [1, {"kubernetes_pod": 3}], "locals": [[]], "module": {"x": 1}}')
    assert outcome(here) == []
    (here / "a.tf.json").write_text("{} {}")
    assert outcome(here) == ["a.tf.json:1 more than 1 documents: the rest was not read"]


def test_many_files_of_many_tokens(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_TOKENS", 5_000)
    for number in range(4):
        (here / f"{number}.tf").write_text("a = [\n" + "1,\n" * 1_000 + "]\n")
    rest = "the module's files have more than 5000 tokens: the rest was not read"
    first, *others = outcome_of_last(here)
    assert "tokens: not read" in first
    assert others == [rest, rest, rest]


def outcome_of_last(folder: Path) -> list[str]:
    """What the folder gives, whatever became of the sound object."""
    return [item.message for item in read_module(str(folder), ".", str(folder)) if isinstance(item, Unread)]


def test_without_the_extra(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hcl2.parser", None)
    assert outcome_of_last(here) == ["not read: Terraform needs `pip install kubekeep[terraform]`"]
