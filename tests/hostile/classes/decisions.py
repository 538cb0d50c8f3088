"""Files that decide what a scan shows: configuration, exceptions, baselines and earlier reports."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, Final

from tests.hostile.member import REPORT, SCAN, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import POD, TEXTS, VALUES, damage, dump, mutate

_CONFIGURATION: Final = {
    "fail-on": "high",
    "strict": True,
    "framework": ["nsa"],
    "exclude-controls": ["C-0016"],
    "format": ["json"],
    "exceptions": ["e.yaml"],
    "compliance-threshold": 50,
    "max-failures": "high=1",
    "include-namespaces": ["a"],
    "kubernetes-version": "1.30",
    "exclude-path": ["*.txt"],
    "charts": {"chart": {"set": {"image": "a"}}},
    "severity-threshold": "high",
}
_POLICY: Final = {
    "name": "a",
    "policyType": "postureExceptionPolicy",
    "actions": ["alertOnly"],
    "reason": "b",
    "expirationDate": "2099-01-01T00:00:00Z",
    "resources": [{"designatorType": "Attributes", "attributes": {"kind": "Pod", "name": "web"}}],
    "posturePolicies": [{"frameworkName": "nsa", "controlID": "C-0057"}],
}
_OBJECT: Final = {
    "apiVersion": "kubescape.io/v1",
    "kind": "SecurityException",
    "metadata": {"name": "a", "namespace": "b"},
    "spec": {
        "reason": "c",
        "expiresAt": "2099-01-01T00:00:00Z",
        "match": {"resources": [{"kind": "Pod", "name": "web"}], "objectSelector": {"matchLabels": {"a": "b"}}},
        "posture": [{"controlID": "C-0057", "action": "ignore"}],
        "vulnerabilities": [{"vulnerability": {"id": "CVE-2024-1"}}],
    },
}
_BASELINE: Final = {
    "kubekeepBaseline": 2,
    "paths": "1",
    "settings": {"a": "b"},
    "controls": ["C-0057"],
    "notEvaluated": ["C-0016"],
    "notRead": ["a"],
    "findings": [
        {
            "control": "C-0057",
            "severity": "High",
            "resource": {"kind": "Pod", "name": "web", "related": [{"kind": "Role", "name": "a"}]},
            "path": "spec.a",
            "file": "a.yaml",
            "copy": 0,
        }
    ],
    "notEvaluatedOn": [{"control": "C-0016", "resource": {"kind": "Pod", "name": "a"}}],
    "alsoIn": [{"file": "b.yaml", "resource": {"kind": "Pod", "name": "web"}}],
}
_REPORT: Final[dict[str, Any]] = {
    "clusterName": "a",
    "summaryDetails": {
        "frameworks": [{"name": "nsa", "complianceScore": 50.0}],
        "controls": {
            "C-0057": {"controlID": "C-0057", "name": "a", "statusInfo": {"status": "failed"}, "scoreFactor": 8}
        },
    },
    "resources": [
        {
            "resourceID": "path=1/api=/v1//Pod/web",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}},
            "source": {"path": "in", "relativePath": "a.yaml"},
        }
    ],
    "results": [
        {
            "resourceID": "path=1/api=/v1//Pod/web",
            "controls": [
                {
                    "controlID": "C-0057",
                    "name": "a",
                    "status": {"status": "failed"},
                    "rules": [
                        {
                            "name": "r",
                            "status": "failed",
                            "paths": [
                                {
                                    "failedPath": "spec.containers[0].securityContext.privileged",
                                    "fixPath": {"path": "", "value": ""},
                                }
                            ],
                        }
                    ],
                }
            ],
        }
    ],
    "metadata": {"scanMetadata": {"formatVersion": "v2"}},
    "kubekeep": {"version": "0.1.0", "files": 1, "unread": [], "notes": []},
}
_BROKEN: Final[tuple[Content, ...]] = (
    "",
    "[",
    "{",
    "text",
    "\x00",
    "5",
    "null",
    "[[[[",
    "a: &a [*a]",
    b"\xff\xfe{",
    b"\xef\xbb\xbf",
    "[" * 100_000,
    '{"a":' * 100_000,
    " " * (17 << 20),
    '{"a": NaN}',
    '{"a": 1e999}',
    Special.FIFO,
    Special.FOLDER,
    Link("/dev/zero"),
    Link("missing"),
    Link("file"),
)


def _list_broken(option: str, expected: Expected = Expected.REFUSED) -> Iterator[Member]:
    for number, content in enumerate(_BROKEN):
        files: dict[str, Content] = {"in/a.yaml": POD, "file": content}
        arguments = tuple("file" if word == "{}" else word for word in option.split())
        allowed = Expected.EITHER if content in {"", "null", b"\xef\xbb\xbf"} else expected
        yield Member(f"{number} {str(content)[:20]!r}", files, allowed, (*SCAN, *arguments))


@hostile_class("broken configuration")
def broken_configuration(source: random.Random) -> Iterator[Member]:
    """Configuration files that are no YAML, too large, or no files."""
    del source
    yield from _list_broken("--config {}")


@hostile_class("values of a configuration")
def configuration_values(source: random.Random) -> Iterator[Member]:
    """Configuration files, found in a folder, in which one value is of another type, or that lead elsewhere."""
    for name, changed in mutate(_CONFIGURATION, source, 24):
        yield Member(
            name,
            {"in/kubekeep.yaml": dump(changed), "in/a.yaml": POD, "in/e.yaml": "[]"},
            Expected.EITHER,
            ("scan", "in", *REPORT),
        )
    for key in (
        "output",
        "custom-rules",
        "kubeconfig",
        "use-from",
        "exceptions",
        "values",
        "controls-config",
        "policies",
        "baseline",
        "host-data",
    ):
        for value in ("/etc/passwd", "../../../secret"):
            content = dump({key: value})
            yield Member(
                f"{key} {value}",
                {"in/kubekeep.yaml": content, "in/a.yaml": POD},
                Expected.REFUSED,
                ("scan", "in", *REPORT),
            )


@hostile_class("broken exceptions")
def broken_exceptions(source: random.Random) -> Iterator[Member]:
    """Files of exceptions that are no YAML or JSON, too large, or no files."""
    del source
    yield from _list_broken("--exceptions {}")


def _suppress(name: str, document: Any) -> Iterator[Member]:
    files: dict[str, Content] = {"in/a.yaml": POD, "file": dump(document)}
    yield Member(name, files, Expected.EITHER, (*SCAN, "--exceptions", "file", "--audit-exceptions"))


@hostile_class("exceptions of Kubescape")
def exceptions(source: random.Random) -> Iterator[Member]:
    """Policies in which one value is of another type, or a pattern takes long to match."""
    for name, changed in mutate([_POLICY], source, 24):
        yield from _suppress(name, changed)
    for pattern in (
        "(a*)*$",
        "(a|a)*b",
        ".*" * 500,
        "*" * 1_000,
        "[",
        "(",
        "a{1,99999}",
        "(?i)" * 50,
        "\\",
        "\x1b[31m",
        "(" * 2_000,
        "^(?=.*a)",
        "x" * 100_000,
    ):
        for key in ("name", "kind", "namespace", "path"):
            resources = [{"designatorType": "Attributes", "attributes": {key: pattern}}]
            yield from _suppress(f"{key} {pattern[:20]!r}", [{**_POLICY, "resources": resources}])


@hostile_class("exceptions as objects")
def exception_objects(source: random.Random) -> Iterator[Member]:
    """Custom resources in which one value is of another type, in files and snapshots."""
    for name, changed in mutate(_OBJECT, source, 24):
        yield from _suppress(name, changed)
        files = {"in/a.yaml": POD, "in/b.json": dump(changed)}
        yield Member(f"snapshot: {name}", files, Expected.EITHER, (*SCAN, "--snapshot"))


@hostile_class("broken baselines")
def broken_baselines(source: random.Random) -> Iterator[Member]:
    """Baselines that are no JSON, too large, or no files."""
    del source
    for member in _list_broken("--baseline {} --fail-on-new"):
        yield Member(member.name, member.files, Expected.REFUSED, member.arguments)


@hostile_class("values of a baseline")
def baselines(source: random.Random) -> Iterator[Member]:
    """Baselines in which one value is of another type."""
    for name, changed in mutate(_BASELINE, source, 26):
        files = {"in/a.yaml": POD, "file": dump(changed)}
        yield Member(name, files, Expected.EITHER, (*SCAN, "--baseline", "file", "--fail-on-new"))


@hostile_class("reports to compare")
def compared_reports(source: random.Random) -> Iterator[Member]:
    """Reports in which one value is of another type, as both sides of a comparison."""
    formats = ("pretty", "json", "yaml", "markdown", "sarif", "junit", "gitlab-sast")
    for number, (name, changed) in enumerate(mutate(_REPORT, source, 30)):
        files = {"a.json": dump(_REPORT), "b.json": dump(changed)}
        sides = ("a.json", "b.json") if number % 2 else ("b.json", "a.json")
        yield Member(name, files, Expected.EITHER, ("diff", *sides, "-f", formats[number % 7], "--fail-on-new"))
    for name, text in TEXTS.items():
        document = json.loads(
            json.dumps(_REPORT)
            .replace('"web"', json.dumps(text))
            .replace("spec.containers", f"{json.dumps(text)[1:-1]}")
        )
        files = {"a.json": dump(_REPORT), "b.json": dump(document)}
        yield Member(f"names with {name}", files, Expected.EITHER, ("diff", "a.json", "b.json", "-v"))


@hostile_class("reports to fix")
def fixed_reports(source: random.Random) -> Iterator[Member]:
    """Reports with paths to files outside of the folder and values of other types, as the plan of fixes."""
    for name, changed in mutate(_REPORT, source, 20):
        yield Member(
            name,
            {"in/a.yaml": POD, "r.json": dump(changed)},
            Expected.EITHER,
            ("fix", "--report", "r.json", "--yes"),
            outputs=("in/a.yaml",),
        )
    for path in ("../../../secret", "/etc/passwd", "a.yaml\x00", "../in/a.yaml", "", ".", "\x1b[31m", "x" * 5_000):
        resource = {**_REPORT["resources"][0], "source": {"path": "in", "relativePath": path}}
        document = {**_REPORT, "resources": [resource]}
        yield Member(
            f"path {path[:20]!r}",
            {"in/a.yaml": POD, "r.json": dump(document)},
            Expected.EITHER,
            ("fix", "--report", "r.json", "--yes"),
            outputs=("in/a.yaml",),
        )


@hostile_class("broken reports")
def broken_reports(source: random.Random) -> Iterator[Member]:
    """Files that are no reports, for all commands that read one."""
    for number, content in enumerate(_BROKEN):
        files: dict[str, Content] = {"a.json": dump(_REPORT), "file": content, "in/a.yaml": POD}
        for arguments in (
            ("diff", "file", "a.json"),
            ("diff", "a.json", "file"),
            ("fix", "--report", "file", "--yes"),
            ("decrypt", "file"),
            ("baseline", "from-report", "file", "-o", "report"),
        ):
            environment = {"KUBEKEEP_MASTER_KEY": "a" * 32}
            yield Member(f"{number} {' '.join(arguments)}", files, Expected.REFUSED, arguments, environment=environment)
    for name, content in damage(json.dumps(_REPORT).encode(), source, 20):
        yield Member(name, {"file": content, "a.json": dump(_REPORT)}, Expected.EITHER, ("diff", "file", "a.json"))


@hostile_class("encrypted reports")
def encrypted(source: random.Random) -> Iterator[Member]:
    """Reports with damaged ciphertexts and keys of other lengths."""
    document = {**_REPORT, "kubekeep": {"encryption": {"algorithm": "AES-256-GCM", "salt": "AAAA", "key": "AAAA"}}}
    keys = ("", "a", "\x1b[31m", "0" * 64, "z" * 64, "a" * 100_000, "\udcff")
    for number, key in enumerate(keys):
        for variable in ("KUBEKEEP_MASTER_KEY", "KUBEKEEP_MASTER_KEY_HEX"):
            yield Member(
                f"{variable} {number}",
                {"r.json": dump(document)},
                Expected.EITHER,
                ("decrypt", "r.json"),
                environment={variable: key},
            )
            yield Member(
                f"encrypt with {variable} {number}",
                {"in/a.yaml": POD},
                Expected.EITHER,
                ("scan", "control", "C-0057", "in", "-f", "json", "-o", "report", "--encrypt"),
                environment={variable: key},
            )
    for value in VALUES:
        changed = {**_REPORT, "kubekeep": {"encryption": value}}
        yield Member(
            f"encryption is {dump(value)[:30]}",
            {"r.json": dump(changed)},
            Expected.EITHER,
            ("decrypt", "r.json"),
            environment={"KUBEKEEP_MASTER_KEY": "k" * 20},
        )
    for name, changed in mutate(document, source, 5):
        yield Member(
            name,
            {"r.json": dump(changed)},
            Expected.EITHER,
            ("decrypt", "r.json"),
            environment={"KUBEKEEP_MASTER_KEY": "k" * 20},
        )
