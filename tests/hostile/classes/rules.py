"""Rules of users: Rego, controls, bundles of Kubescape, admission policies and parameters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from tests.hostile.member import REPORT, SCAN, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import POD, TEXTS, VALUES, damage, dump, mutate

_RESPONSE: Final = (
    '{"alertMessage": "no owner", "failedPaths": [], "fixPaths": [{"path": "a", "value": "b"}], '
    '"alertObject": {"k8sApiObjects": [pod]}}'
)
_REGO: Final = f"""\
# @name Pods have an owner
# @baseScore 7
package rules

import rego.v1

deny contains response if {{
	some pod in input
	pod.kind == "Pod"
	response := {_RESPONSE}
}}
"""
_SCAN_FOLDER: Final = ("scan", "control", "C-0057,C-0016", ".", *REPORT)
CONTROL: Final = {
    "title": "A pod",
    "asks": "Is it a pod?",
    "why": "Because.",
    "fix": "Fix it.",
    "severity": 5,
    "targets": ["workload"],
    "satisfies": {"nsa": ["1"]},
    "references": ["https://example.com"],
    "params": {"a": {"description": "b", "default": ["c"]}},
}
CONTROL_REGO: Final = """\
package kubekeep.controls.pod_named

import rego.v1

violation contains {"path": "metadata.name", "message": "m"} if input.workload
"""
_BUNDLE: Final = {
    "name": "house",
    "description": "d",
    "controls": [
        {
            "controlID": "X-1",
            "name": "n",
            "description": "d",
            "remediation": "r",
            "baseScore": 5,
            "rules": [
                {
                    "name": "r",
                    "rule": "package armo_builtins\n\ndeny[r] { r := {} }",
                    "match": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["Pod"]}],
                    "attributes": {"a": "b"},
                    "ruleLanguage": "Rego",
                    "configInputs": ["a.b"],
                    "controlConfigInputs": [{"path": "a.b", "name": "c", "description": "d"}],
                }
            ],
        }
    ],
}
_POLICY: Final[dict[str, Any]] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "a", "annotations": {"kubekeep.io/severity": "4"}},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "matchConditions": [{"name": "m", "expression": "true"}],
        "variables": [{"name": "v", "expression": "1"}],
        "auditAnnotations": [{"key": "k", "valueExpression": "'a'"}],
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [
            {
                "expression": "object.metadata.name != 'web'",
                "message": "m",
                "messageExpression": "'a'",
                "reason": "Forbidden",
            }
        ],
    },
}
_BINDING: Final = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "a"},
    "spec": {
        "policyName": "a",
        "validationActions": ["Deny"],
        "paramRef": {"name": "p", "namespace": "default"},
        "matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    },
}


def _rules(name: str, expected: Expected, **files: Content) -> Member:
    entries = {f"rules/{file}": content for file, content in files.items()}
    return Member(name, {"in/a.yaml": POD, **entries}, expected, (*SCAN, "--custom-rules", "rules"))


@hostile_class("Rego of users")
def rego(source: random.Random) -> Iterator[Member]:
    """Rego with damaged bytes, unusual syntax and metadata."""
    for name, content in damage(_REGO.encode(), source, 24):
        yield _rules(name, Expected.EITHER, **{"a.rego": content})
    for name, text in TEXTS.items():
        line = text.replace("\n", " ").replace("\r", " ")
        yield _rules(f"name with {name}", Expected.EITHER, **{"a.rego": _REGO.replace("Pods have an owner", line)})
        yield _rules(f"message with {name}", Expected.EITHER, **{"a.rego": _REGO.replace('"no owner"', dump(text))})
    for value in ("-1", "11", "1e999", "NaN", "", "x", "9" * 400):
        yield _rules(
            f"score {value[:10]}", Expected.EITHER, **{"a.rego": _REGO.replace("@baseScore 7", f"@baseScore {value}")}
        )
    contents: tuple[Content, ...] = (
        "",
        "package",
        "package a",
        "\x00",
        "deny",
        "(" * 10_000,
        "[" * 10_000,
        b"\xff",
        "#" * 1_000_000,
        "package a\n" + "\n" * 500_000,
        Special.FIFO,
        Link("/dev/zero"),
        Link("../../../secret"),
    )
    for text_or_entry in contents:
        yield _rules(
            f"content {str(text_or_entry)[:20]!r}",
            Expected.REFUSED if text_or_entry != "" else Expected.EITHER,
            **{"a.rego": text_or_entry},
        )


@hostile_class("controls of users")
def controls(source: random.Random) -> Iterator[Member]:
    """Folders of controls in which one value is of another type, and files that are missing or no text."""
    folder = "workload/pod-named"
    valid: dict[str, Content] = {f"{folder}/control.yaml": dump(CONTROL), f"{folder}/control.rego": CONTROL_REGO}
    for name, changed in mutate(CONTROL, source, 20):
        yield _rules(name, Expected.EITHER, **{**valid, f"{folder}/control.yaml": dump(changed)})
    for content in (
        "",
        "[",
        "\x00",
        b"\xff\xfe",
        "a: &a [*a]",
        "[" * 50_000,
        " " * (40 << 20),
        Special.FIFO,
        Special.FOLDER,
        Link("/dev/zero"),
        Link("../../../../../secret"),
    ):
        name = str(content)[:20]
        yield _rules(f"control.yaml {name!r}", Expected.REFUSED, **{**valid, f"{folder}/control.yaml": content})
        yield _rules(f"control.rego {name!r}", Expected.EITHER, **{**valid, f"{folder}/control.rego": content})
        yield _rules(f"library {name!r}", Expected.EITHER, **{**valid, "lib/x.rego": content})
        yield _rules(f"framework {name!r}", Expected.EITHER, **{**valid, "frameworks/x.yaml": content})
        yield _rules(f"exceptions {name!r}", Expected.EITHER, **{**valid, "exceptions.json": content})
    for slug in ("privileged-container", "..", "-", "a b", "\u202e", "A", "a" * 200):
        yield _rules(
            f"slug {slug!r}",
            Expected.EITHER,
            **{f"workload/{slug}/control.yaml": dump(CONTROL), f"workload/{slug}/control.rego": CONTROL_REGO},
        )


@hostile_class("links in folders of rules")
def links(source: random.Random) -> Iterator[Member]:  # noqa: ARG001 - the links are the same in every run
    """Links to themselves, to each other, to folders and to nothing in the place of each file of a library."""
    folder = "workload/pod-named"
    valid: dict[str, Content] = {f"{folder}/control.yaml": dump(CONTROL), f"{folder}/control.rego": CONTROL_REGO}
    for file in ("a.rego", f"{folder}/control.yaml", f"{folder}/control.rego", "lib/x.rego", "frameworks/x.yaml"):
        parent, _, name = file.rpartition("/")
        other = f"{parent}/y-{name}".lstrip("/")
        for target in (name, f"y-{name}", ".", "..", "missing", f"../{name}"):
            entries = {**valid, file: Link(target), other: Link(name)}
            yield _rules(f"{file} to {target}", Expected.EITHER, **entries)
            files = {f"rules/{path}": content for path, content in entries.items()}
            yield Member(f"test of {file} to {target}", files, Expected.EITHER, ("control", "test", "rules"))
    for arguments in (("control", "test", "rules"), ("library", "push", "rules", "oci://127.0.0.1:9/a:1")):
        yield Member(f"{arguments[0]} at a link to itself", {"rules": Link("rules")}, Expected.REFUSED, arguments)


@hostile_class("cases of controls")
def cases(source: random.Random) -> Iterator[Member]:
    """Cases for `control test` that are broken, of other types, or named in other ways."""
    folder = "rules/workload/pod-named"
    valid: dict[str, Content] = {f"{folder}/control.yaml": dump(CONTROL), f"{folder}/control.rego": CONTROL_REGO}
    contents: tuple[Content, ...] = (
        "",
        "[",
        "\x00",
        b"\xff",
        "a: &a [*a]",
        "# params: {",
        "# kubernetes: 5",
        '# kubernetes: "1.999999"',
        "# paths: [1]",
        "# params: []",
        "text",
        "- a",
        "[" * 10_000,
        Special.FIFO,
        Special.FOLDER,
        Link("/dev/zero"),
        Link("missing"),
        "# paths: " + "[" * 50_000,
        "apiVersion: v1\nkind: Pod\nspec: []\n",
        dump({"apiVersion": 5, "kind": []}),
    )
    for number, content in enumerate(contents):
        yield Member(
            f"{number} {str(content)[:20]!r}",
            {**valid, f"{folder}/cases/fail.a.yaml": content},
            Expected.EITHER,
            ("control", "test", "rules"),
        )
    for name in ("fail.yaml", "x.yaml", "fail.\x1b.yaml", "pass..yaml", ".yaml", "fail.\u202e.yaml"):
        yield Member(
            f"name {name!r}", {**valid, f"{folder}/cases/{name}": POD}, Expected.EITHER, ("control", "test", "rules")
        )
    for name, changed in mutate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}, source, 6):
        yield Member(
            name, {**valid, f"{folder}/cases/fail.a.yaml": dump(changed)}, Expected.EITHER, ("control", "test", "rules")
        )


@hostile_class("bundles of Kubescape")
def bundles(source: random.Random) -> Iterator[Member]:
    """Frameworks and controls in which one value is of another type."""
    for name, changed in mutate(_BUNDLE, source, 26):
        for option in ("--use-from", "--use-artifacts-from"):
            yield Member(
                f"{option}: {name}",
                {"in/a.yaml": POD, "b/house.json": dump(changed)},
                Expected.EITHER,
                ("scan", "in", "-f", "json", "-o", "report", option, "b"),
            )
    for content in (
        "",
        "[",
        "\x00",
        b"\xff\xfe",
        "[" * 100_000,
        Special.FIFO,
        Special.FOLDER,
        Link("/dev/zero"),
        Link("missing"),
        "null",
        "5",
    ):
        for file in ("house.json", "controls-inputs.json", "exceptions.json"):
            yield Member(
                f"{file} {str(content)[:20]!r}",
                {"in/a.yaml": POD, "b/a.json": dump(_BUNDLE), f"b/{file}": content},
                Expected.EITHER,
                ("scan", "in", "-f", "json", "-o", "report", "--use-artifacts-from", "b"),
            )


@hostile_class("parameters of controls")
def parameters(source: random.Random) -> Iterator[Member]:
    """Files for --controls-config of other types."""
    del source
    for value in VALUES:
        for document in (value, {"insecureCapabilities": value}, {"settings": {"postureControlInputs": value}}):
            yield Member(
                f"{dump(document)[:60]}",
                {"in/a.yaml": POD, "p.json": dump(document)},
                Expected.EITHER,
                (*SCAN, "--controls-config", "p.json"),
            )
    for content in (
        "",
        "[",
        "\x00",
        b"\xff\xfe",
        "[" * 100_000,
        " " * (5 << 20),
        Special.FOLDER,
        Special.FIFO,
        Special.SOCKET,
        Link("/dev/zero"),
        Link("p.json"),
    ):
        yield Member(
            f"content {str(content)[:20]!r}",
            {"in/a.yaml": POD, "p.json": content},
            Expected.REFUSED if content else Expected.EITHER,
            (*SCAN, "--controls-config", "p.json"),
        )
    # A file that the folder itself names.
    config: dict[str, Content] = {"a.yaml": POD, "kubekeep.yaml": "controls-config: p\n"}
    yield Member("named by the folder", {**config, "p": Special.FIFO}, Expected.REFUSED, _SCAN_FOLDER)


def _evaluate(name: str, expected: Expected, *documents: object) -> Member:
    text = "\n---\n".join(dump(document) for document in documents)
    return Member(name, {"in/a.yaml": POD, "p.yaml": text}, expected, (*SCAN, "--policies", "p.yaml"))


@hostile_class("admission policies")
def policies(source: random.Random) -> Iterator[Member]:
    """Policies and bindings in which one value is of another type."""
    for name, changed in mutate(_POLICY, source, 24):
        yield _evaluate(f"policy: {name}", Expected.EITHER, changed, _BINDING)
    for name, changed in mutate(_BINDING, source, 12):
        yield _evaluate(f"binding: {name}", Expected.EITHER, _POLICY, changed)
    for name, text in TEXTS.items():
        metadata = {"name": text, "annotations": {"kubekeep.io/title": text, "kubekeep.io/severity": text}}
        yield _evaluate(f"names with {name}", Expected.EITHER, {**_POLICY, "metadata": metadata})


@hostile_class("CEL expressions")
def expressions(source: random.Random) -> Iterator[Member]:
    """Expressions that are no CEL, nested deeply, or expensive."""
    del source
    texts = (
        "",
        "(",
        "1 +",
        "true" + " && true" * 20_000,
        "(" * 5_000 + "true" + ")" * 5_000,
        "!" * 10_000 + "true",
        "-" * 10_000 + "1 == 1",
        "[" * 1_000 + "]" * 1_000,
        "a.b.c",
        "object.x.y.z",
        "'a'.matches('(a*)*$')",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(a|a)*$')",
        "[1,2,3].all(a, [1,2,3].all(b, [1,2,3].all(c, true)))",
        "1 / 0 == 1",
        "9223372036854775807 + 1 == 0",
        "'\\u202e'",
        "'\\x00'",
        "b'\\xff'",
        '"' + "a" * 200_000 + "\" == ''",
        "{'a': {'b': {}}}['x']",
        "1 ? 2 : 3",
        "true ? true : " * 2_000 + "true",
        "object.metadata.name.split('')",
        "'a'.replace('', 'b')",
        "url('http://[')",
        "quantity('x')",
        "ip('1')",
        "cidr('x')",
        "duration('9999999999h')",
        "timestamp('x')",
        "'%s'.format([1])",
        "'%999999999d'.format([1])",
        "lists.range(100000000)",
        "has(object)",
        "size(object)",
        "[[1]].map(a, a.map(b, b))",
        "object.spec.containers.map(c, object.spec.containers.map(d, object.spec.containers))",
        "\x00",
        "\ud800",
        "0x" + "f" * 5_000,
        "1e999",
        "1.0e-999 == 0.0",
        "variables.v",
        "params.data",
        "'a' * 5",
    )
    for number, text in enumerate(texts):
        spec = {**_POLICY["spec"], "validations": [{"expression": text}]}
        spec.pop("paramKind")
        yield _evaluate(f"{number} {text[:40]!r}", Expected.EITHER, {**_POLICY, "spec": spec})
