"""Ignore files of Trivy and Grype: the converted exceptions, and the rules that are left out."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from kubekeep.exceptions.ignore_files import SkippedRule, convert_ignore_file, convert_path_glob
from kubekeep.exceptions.kubescape_format import parse_exception
from kubekeep.exceptions.policy_exception import InvalidExceptionError
from kubekeep.model.location import Location

LINES = """
# Not reachable
# in our setup
CVE-2018-14618

CVE-2019-14697 exp:2027-01-01
ghsa-aaaa-bbbb-cccc   # patched by us
AVD-DS-0002
CVE-2020-1 exp:soon
"""
FINDINGS = """
vulnerabilities:
  - id: CVE-2022-40897
    paths: ["/usr/**/METADATA"]
    statement: Accept the risk
  - id: CVE-2023-2650
  - id: CVE-2023-3817
    purls: ["pkg:deb/debian/libssl1.1", "pkg:npm/a@1"]
    paths: ["a", "b/*"]
    expired_at: 2023-09-01
  - id: CVE-2023-9999
    purls: [openssl]
  - id: CVE-2023-9998
    files: [x]
misconfigurations:
  - id: AVD-DS-0001
secrets:
  - id: aws-access-key-id
licenses:
  - id: GPL-3.0
"""
RULES = """
output: json
ignore:
  - vulnerability: CVE-2020-1
    include-aliases: true
    reason: not used
    package:
      name: lib(curl|ssl).*
      version: 1.5.1
      type: npm
      location: /usr/local/lib/node_modules/**
  - package: {type: gem}
  - vulnerability: CVE-2020-2
    fix-state: unknown
  - vulnerability: CVE-2020-3
    package: {language: python, upstream-name: openssl}
  - vex-status: not_affected
  - {}
  - package: {type: binary}
  - vulnerability: CVE-2020-4
    package: {name: "["}
"""


def convert(text: str, path: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    rules = convert_ignore_file(text, path)
    for number, entry in enumerate(rules.entries):
        parsed = parse_exception(entry, Location("e.yaml"), number)
        assert not parsed.flaw
        assert not parsed.doubts
    return list(rules.entries), {rule.position: rule.reason for rule in rules.skipped}


def test_trivy_lines() -> None:
    entries, skipped = convert(LINES, "folder/.trivyignore")
    assert [(entry["posturePolicies"][0]["controlID"], entry["reason"]) for entry in entries] == [
        ("CVE-2018-14618", "Not reachable in our setup"),
        ("CVE-2019-14697", "from .trivyignore"),
        ("ghsa-aaaa-bbbb-cccc", "patched by us"),
    ]
    # Trivy ignores the vulnerability until this day begins.
    assert parse_exception(entries[1], Location("e.yaml"), 0).exception.expires == dt.datetime(
        2027, 1, 1, tzinfo=dt.UTC
    )
    assert set(skipped) == {"line 8", "line 9"}
    assert skipped["line 8"].startswith("AVD-DS-0002 is not a vulnerability")
    assert skipped["line 9"].startswith("'soon' is neither a date")


def test_trivy_findings() -> None:
    entries, skipped = convert(FINDINGS, ".trivyignore.yaml")
    assert entries[0]["packages"] == [{"path": "usr/(?:.*/)?METADATA"}]
    assert entries[0]["reason"] == "Accept the risk"
    assert "packages" not in entries[1]
    assert entries[2]["packages"] == [
        {"purl": "pkg:deb/debian/libssl1.1", "path": "a"},
        {"purl": "pkg:deb/debian/libssl1.1", "path": "b/[^/]*"},
        {"purl": "pkg:npm/a@1", "path": "a"},
        {"purl": "pkg:npm/a@1", "path": "b/[^/]*"},
    ]
    assert entries[2]["expirationDate"] == "2023-09-01T00:00:00Z"
    assert set(skipped) == {
        *("vulnerabilities[3]", "vulnerabilities[4]", "misconfigurations[0]", "secrets[0]", "licenses[0]")
    }
    assert skipped["vulnerabilities[3]"] == "package URL openssl does not begin with pkg:"
    assert skipped["vulnerabilities[4]"] == "unknown key files"


def test_grype() -> None:
    entries, skipped = convert(RULES, ".grype.yaml")
    assert entries == [
        {
            "name": "CVE-2020-1 in npm lib(curl|ssl).* 1\\.5\\.1 usr/local/lib/node_modules/.*",
            "reason": "not used",
            "packages": [
                {
                    "type": "npm",
                    "name": "lib(curl|ssl).*",
                    "version": "1\\.5\\.1",
                    "path": "usr/local/lib/node_modules/.*",
                }
            ],
            "posturePolicies": [{"controlID": "CVE-2020-1"}],
        },
        {
            "name": "all vulnerabilities in gem",
            "reason": "from .grype.yaml",
            "packages": [{"type": "gem"}],
            "posturePolicies": [{"controlID": "known-vulnerabilities"}],
        },
    ]
    assert skipped == {
        "ignore[2]": "exceptions have no condition fix-state",
        "ignore[3]": "exceptions have no condition package.language, package.upstream-name",
        "ignore[4]": "exceptions have no condition vex-status",
        "ignore[5]": "it has no condition, and would cover everything",
        "ignore[6]": "the package type binary has no single type of package URL",
        "ignore[7]": "'[' is not a regular expression of RE2: missing ]: [",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "neither an ignore file"),
        ("- CVE-2020-1", "neither an ignore file"),
        ("a: [", "not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "not valid YAML"),
        ("{}", "neither an ignore file"),
    ],
)
def test_other_files(text: str, message: str) -> None:
    with pytest.raises(InvalidExceptionError, match=message):
        convert_ignore_file(text, "some.yaml")


def test_many_conditions() -> None:
    paths = ", ".join(f"p{number}" for number in range(100))
    purls = ", ".join(f'"pkg:npm/p{number}"' for number in range(100))
    text = f"vulnerabilities: [{{id: CVE-2020-1, paths: [{paths}], purls: [{purls}]}}]"
    skipped = (SkippedRule("vulnerabilities[0]", "paths and purls are not short lists of text"),)
    assert convert_ignore_file(text, "x.yaml").skipped == skipped


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("a/b", ["a/b"], ["a/b/c", "x/a/b"]),
        ("/a/b", ["a/b"], []),
        ("*.jar", ["a.jar"], ["b/a.jar", "a.jarx", "axjar"]),
        ("**/*.jar", ["a.jar", "b/c/a.jar"], ["a.war"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("{a,b}/c", ["a/c", "b/c"], ["a,b/c", "c"]),
        ("a,b", ["a,b"], ["a", "b"]),
        ("a}b", ["a}b"], []),
        ("[ab]c", ["ac"], ["cc"]),
        ("[!ab]c", ["cc"], ["ac"]),
        ("a.b+c", ["a.b+c"], ["axb+c", "a.bbc"]),
        (r"a\*", ["a*"], ["ab"]),
    ],
)
def test_globs(glob: str, matching: list[str], others: list[str]) -> None:
    pattern = convert_path_glob(glob)
    assert [path for path in matching if not re.fullmatch(pattern, path)] == []
    assert [path for path in others if re.fullmatch(pattern, path)] == []
