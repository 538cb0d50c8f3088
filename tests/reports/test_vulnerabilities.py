"""Vulnerabilities in all formats for programs: complete, valid for the tools that import them, and safe."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
import yaml
from lxml import etree
from py_ocsf_models.objects.vulnerability_details import VulnerabilityDetails  # type: ignore[import-untyped]
from tests.images.sbom.validation import check_cyclonedx
from tests.reports.hostile import TAME, TEXTS
from tests.reports.registration import REGISTRATIONS
from tests.reports.rendering import render_bytes, render_text
from tests.reports.test_hostile import structure
from tests.reports.vulnerable import BASE, assess_vulnerable, read_image

from kubekeep.model.assessment import Assessment, SubjectResult, Target
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.listed_vulnerabilities import NO_VULNERABILITIES
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status, Verdict
from kubekeep.privacy.encryption import pseudonymise
from kubekeep.reports import ReportOptions, load, names
from kubekeep.reports.shared.vulnerabilities import list_subjects
from kubekeep.reports.shared.vulnerability_text import describe_vulnerability, link_to, recommend

ASSETS: Final = Path(__file__).parent / "assets"
GOLDEN: Final = Path(__file__).parent / "golden" / "vulnerabilities"
PROGRAMS: Final = tuple(
    name for name in names() if not load(name).binary and name not in {"html", "markdown", "pretty"}
)
"""Formats for programs."""
OPEN: Final = 9
"""Open vulnerabilities of the assessment, one for each affected package; one more is covered by a VEX statement."""
LONGEST: Final = 4_000
"""Characters of hostile texts, which occur in hundreds of fields."""
TEXT_FIELDS: Final = frozenset(
    [
        "id",
        "title",
        "description",
        "purl",
        "package",
        "version",
        "fixedVersion",
        "fixState",
        "vector",
        "severitySource",
        "path",
        "layer",
        "published",
        "modified",
        "knownExploited",
    ]
)
LIST_FIELDS: Final = frozenset({"aliases", "upstream", "references", "weaknesses", "symbols", "notes"})


@pytest.fixture
def vulnerable() -> Assessment:
    return assess_vulnerable()


def load_json(name: str, assessment: Assessment, **options: Any) -> Any:
    return json.loads(render_text(name, assessment, ReportOptions(**options)))


def change_entries(**fields: Any) -> Assessment:
    """Return the assessment of the image with the fields in all of its vulnerabilities."""
    document = read_image()
    document["vulnerabilities"] = [{**entry, **fields} for entry in document["vulnerabilities"]]
    return assess_vulnerable(document)


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name: str, vulnerable: Assessment, pytestconfig: pytest.Config) -> None:
    text = render_bytes(name, vulnerable)
    path = GOLDEN / f"{name}{load(name).extension}"
    if pytestconfig.getoption("--update-golden", default=False):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
    assert text == path.read_bytes(), "run pytest with --update-golden if the change is intended"


def test_view_joins_entries_and_exceptions(vulnerable: Assessment) -> None:
    image, sbom = list_subjects(vulnerable)
    assert (image.reference, image.platform, image.operating_system) == (
        "registry.example.com/shop/web:1.4",
        "linux/amd64",
        "almalinux 9.2",
    )
    assert [entry.id for entry in image.open][:3] == ["CVE-2023-4863", "CVE-2023-4863", "CVE-2023-44487"]
    assert [entry.priority.score for entry in image.vulnerabilities] == sorted(
        (entry.priority.score for entry in image.vulnerabilities), reverse=True
    )
    (excepted,) = image.excepted
    assert excepted.exception is not None
    assert excepted.exception.source is ExceptionSource.STATEMENT
    assert [record.id for record in excepted.records] == ["GO-2023-2153"]
    assert [entry.id for entry in sbom.open] == ["CVE-2023-44487"]
    assert [gap.packages for gap in image.unassessed] == [("pkg:generic/gateway-plugins@2.0",)]
    assert image.layers["sha256:" + "b" * 64].startswith("RUN pip install")


@pytest.mark.parametrize("fields", [{"percentile": "high"}, {"weaknesses": "CWE-1"}, {"symbols": [1]}])
def test_document_with_wrong_types_is_not_evaluated(fields: dict[str, Any]) -> None:
    assessment = change_entries(**fields)
    ((slug, verdict),) = assessment.results[0].verdicts.items()
    assert (slug, verdict.status) == (NO_VULNERABILITIES.slug, Status.NOT_EVALUATED)
    assert verdict.reason is not None
    assert next(iter(fields)) in verdict.reason.text
    for name in PROGRAMS:
        render_text(name, assessment)


def test_fingerprints_are_independent_of_tag_and_version() -> None:
    document = read_image()
    (before,) = list_subjects(assess_vulnerable(document))
    document["metadata"]["name"] = "registry.example.com/shop/web@sha256:" + "e" * 64
    for entry in (*document["packages"], *document["vulnerabilities"]):
        entry["purl"] = entry["purl"].replace("pillow@9.5.0", "pillow@9.4.0")
    (after,) = list_subjects(assess_vulnerable(document))
    fingerprints = [entry.fingerprint for entry in before.vulnerabilities]
    assert [entry.fingerprint for entry in after.vulnerabilities] == fingerprints
    assert len(set(fingerprints)) == len(fingerprints)
    document["metadata"]["name"] = "registry.example.com/shop/api:1.4"
    (other,) = list_subjects(assess_vulnerable(document))
    assert not {entry.fingerprint for entry in other.vulnerabilities} & set(fingerprints)


@pytest.mark.parametrize(
    ("fields", "message", "remediation"),
    [
        ({"fixedVersion": "2", "fixState": "fixed"}, "upgrade to 2", "Upgrade"),
        ({"fixedVersion": "", "fixState": "not-fixed"}, "not fixed yet", "No fixed version"),
        ({"fixedVersion": "", "fixState": "will-not-fix"}, "will not be fixed", "The maintainers will not fix"),
        ({"fixedVersion": "", "fixState": "unknown"}, "no fixed version is known", "No fixed version"),
    ],
)
def test_next_step_by_state_of_the_fix(fields: dict[str, str], message: str, remediation: str) -> None:
    (subject,) = list_subjects(change_entries(**fields))
    for entry in subject.vulnerabilities:
        assert describe_vulnerability(entry) == f"{entry.package} {entry.version} is affected; {message}"
        assert recommend(entry).startswith(remediation)


def test_all_formats_count_the_same(vulnerable: Assessment) -> None:
    report = load_json("json", vulnerable)
    (run,) = load_json("sarif", vulnerable)["runs"]
    rows = list(csv.DictReader(io.StringIO(render_text("csv", vulnerable))))
    events = [json.loads(line) for line in render_text("ocsf", vulnerable).splitlines()]
    junit: Any = etree.fromstring(render_text("junit", vulnerable).encode())
    series = [line.rpartition(" ") for line in render_text("prometheus", vulnerable).splitlines() if line[0] != "#"]
    assert [
        sum(not entry["excepted"] for entry in report["vulnerabilities"]),
        len(report["summaryDetails"]["vulnerabilities"]["CVEs"]),
        sum("suppressions" not in result for result in run["results"]),
        len(load_json("gitlab-container-scanning", vulnerable)["vulnerabilities"]),
        sum(row["Status"] == "failed" for row in rows),
        sum(event["class_uid"] == 2002 and event["status"] == "New" for event in events),
        len(junit.findall(".//failure[@type='Vulnerability']")),
        sum(float(value) for name, _, value in series if name.startswith("kubekeep_vulnerabilities{")),
    ] == [OPEN] * 8
    assert [
        sum(entry["excepted"] for entry in report["vulnerabilities"]),
        sum("suppressions" in result for result in run["results"]),
        sum(row["Sub Status"] == "w/exceptions" for row in rows),
        sum(event["class_uid"] == 2002 and event["status"] == "Suppressed" for event in events),
        len(junit.findall(".//system-out")),
    ] == [1] * 5


def test_json_entries(vulnerable: Assessment) -> None:
    report = load_json("json", vulnerable)
    first = report["vulnerabilities"][0]
    assert {key: first[key] for key in ("id", "package", "fixedVersion", "severity", "score", "path", "excepted")} == {
        "id": "CVE-2023-4863",
        "package": "libwebp",
        "fixedVersion": "1.2.0-7.el9_2",
        "severity": "High",
        "score": 8.8,
        "path": "/var/lib/rpm/rpmdb.sqlite",
        "excepted": False,
    }
    assert first["evidence"] == [
        {
            "id": "ALSA-2023:5214",
            "ecosystem": "AlmaLinux:9",
            "name": "libwebp",
            "version": "1.2.0-6.el9_1",
            "range": "< 1.2.0-7.el9_2",
            "scheme": "rpm",
            "fixedVersion": "1.2.0-7.el9_2",
            "origin": "osv.dev",
        }
    ]
    assert first["image"]["digest"] == "sha256:" + "d" * 64
    statuses = {(entry["package"], entry["vex"]["status"]) for entry in report["vulnerabilities"] if "vex" in entry}
    assert statuses == {("google.golang.org/grpc", "not_affected"), ("pillow", "under_investigation")}
    assert [gap["ecosystem"] for gap in report["notAssessed"]] == ["generic"]
    written = yaml.safe_load(render_text("yaml", vulnerable))
    assert written["vulnerabilities"] == report["vulnerabilities"]
    assert written["notAssessed"] == report["notAssessed"]


def test_json_has_kubescapes_summary(vulnerable: Assessment) -> None:
    summary = load_json("json", vulnerable)["summaryDetails"]["vulnerabilities"]
    assert summary["mapsSeverityToSummary"] == {
        "High": {"numberOfCVEs": 5, "numberOfFixableCVEs": 5},
        "Medium": {"numberOfCVEs": 2, "numberOfFixableCVEs": 2},
        "Low": {"numberOfCVEs": 1, "numberOfFixableCVEs": 1},
        "Unknown": {"numberOfCVEs": 1, "numberOfFixableCVEs": 0},
    }
    assert summary["packageScores"]["pillow@9.5.0"] == {
        "name": "pillow",
        "version": "9.5.0",
        "score": 8,
        "mapSeverityToCVEsNumber": {"High": 2},
    }
    assert summary["images"] == ["registry.example.com/shop/web:1.4", "gateway"]


def test_sarif_is_valid_and_as_github_reads_it(vulnerable: Assessment) -> None:
    log = load_json("sarif", vulnerable)
    schema = json.loads((ASSETS / "sarif-2.1.0.json").read_text())
    checker = jsonschema.FormatChecker(["uri", "uri-reference"])
    jsonschema.Draft4Validator(schema, format_checker=checker).validate(log)
    (run,) = log["runs"]
    rules = {rule["id"]: rule["properties"] for rule in run["tool"]["driver"]["rules"]}
    assert rules["CVE-2023-4863"] == {
        "precision": "high",
        "security-severity": "9.9",
        "tags": ["security", "vulnerability", "external/cwe/cwe-787"],
    }
    assert "security-severity" not in rules["CVE-2023-51982"], "0.0 would be a severity"
    first = run["results"][0]
    assert first["message"]["text"].startswith("libwebp 1.2.0-6.el9_1 is affected; upgrade to 1.2.0-7.el9_2\n")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "registry.example.com/shop/web/var/lib/rpm/rpmdb.sqlite"
    assert place["region"]["startLine"] == 1
    assert [entry["kind"] for entry in first["locations"][0]["logicalLocations"]] == ["package", "resource"]
    fingerprints = [result["partialFingerprints"]["kubekeepVulnerability/v1"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


def test_sarif_category_is_that_of_one_image(vulnerable: Assessment) -> None:
    def categorise(assessment: Assessment) -> str:
        category: str = load_json("sarif", assessment)["runs"][0]["automationDetails"]["id"]
        return category

    assert categorise(vulnerable) == "kubekeep/controls/"
    assert categorise(assess_vulnerable(read_image())) == "kubekeep/controls/registry.example.com/shop/web/"


def test_gitlab_report_is_valid(vulnerable: Assessment) -> None:
    schema = json.loads((ASSETS / "gitlab-container-scanning-15.json").read_text())
    report = load_json("gitlab-container-scanning", vulnerable)
    jsonschema.Draft7Validator(schema).validate(report)
    first = report["vulnerabilities"][0]
    assert first["location"] == {
        "dependency": {"package": {"name": "libwebp"}, "version": "1.2.0-6.el9_1"},
        "operating_system": "almalinux 9.2",
        "image": "registry.example.com/shop/web:1.4",
        "default_branch_image": "registry.example.com/shop/web",
    }
    assert [entry["type"] for entry in first["identifiers"]] == ["cve", "alsa", "cwe"]
    assert [message["level"] for message in report["scan"]["messages"]] == ["warn", "info"]
    first["location"].pop("operating_system")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(report)


def test_gitlab_sast_has_no_vulnerabilities_of_packages(vulnerable: Assessment) -> None:
    report = load_json("gitlab-sast", vulnerable)
    assert report["vulnerabilities"] == []
    assert any("gitlab-container-scanning" in message["value"] for message in report["scan"]["messages"])


def test_cyclonedx_is_valid(vulnerable: Assessment) -> None:
    content = render_bytes("cyclonedx", vulnerable)
    check_cyclonedx(content, "1.6")
    document = json.loads(content)
    references = {component["bom-ref"]: component for component in document["components"]}
    affected = [
        (entry["id"], references[target["ref"]]["name"])
        for entry in document["vulnerabilities"]
        for target in entry["affects"]
    ]
    assert len(affected) == len(set(affected)) == OPEN
    (webp,) = (entry for entry in document["vulnerabilities"] if entry["id"] == "CVE-2023-4863")
    assert webp["ratings"][0]["method"] == "CVSSv31"
    assert webp["cwes"] == [787]
    assert webp["affects"][0]["versions"][1]["range"] == "vers:rpm/<1.2.0-7.el9_2"
    sources = {entry["source"]["name"] for entry in document["vulnerabilities"]}
    assert sources <= {"NVD", "GITHUB", "OSV"}, (
        "Dependency-Track ignores vulnerabilities of sources that it does not know"
    )
    for rating in (rating for entry in document["vulnerabilities"] for rating in entry["ratings"]):
        assert ("vector" in rating) == (rating["method"] != "other"), "DefectDojo reads the vector of every CVSS rating"


def test_cyclonedx_states_the_analysis_of_one_image() -> None:
    content = render_bytes("cyclonedx", assess_vulnerable(read_image()))
    check_cyclonedx(content, "1.6")
    document = json.loads(content)
    assert document["metadata"]["component"]["type"] == "container"
    rapid_reset = [entry for entry in document["vulnerabilities"] if entry["id"] == "CVE-2023-44487"]
    states = {entry["affects"][0]["ref"].partition("@")[0]: entry.get("analysis") for entry in rapid_reset}
    assert states == {
        "pkg:golang/google.golang.org/grpc": {
            "state": "not_affected",
            "justification": "code_not_reachable",
            "detail": "the gateway is a client only; by security@example.com; stated in gateway.openvex.json",
        },
        "pkg:rpm/almalinux/libnghttp2": None,
    }


def test_an_exception_is_no_analysis() -> None:
    assessment = assess_vulnerable(read_image())
    result = assessment.results[0]
    exception = AppliedException(name="accepted", source=ExceptionSource.FILE, reason="in a sandbox")
    evidence = tuple(
        msgspec.structs.replace(entry, exception=exception) for entry in result.verdicts["cve-2018-3721"].evidence
    )
    verdicts = {**result.verdicts, "cve-2018-3721": Verdict(Status.PASSED, evidence)}
    excepted = msgspec.structs.replace(assessment, results=(SubjectResult(result.subject, verdicts),))
    (entry,) = (
        entry for entry in load_json("cyclonedx", excepted)["vulnerabilities"] if entry["id"] == "CVE-2018-3721"
    )
    assert entry["analysis"] == {
        "response": ["will_not_fix"],
        "detail": "covered by exception accepted: in a sandbox",
    }
    (listed,) = (entry for entry in load_json("json", excepted)["vulnerabilities"] if entry["id"] == "CVE-2018-3721")
    assert listed["exception"] == {"name": "accepted", "source": "exceptions file", "reason": "in a sandbox"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">= 0, < 1.2", "vers:rpm/<1.2"),
        (">= 1:2.0~rc1, <= 3", "vers:rpm/>=1%3A2.0~rc1|<=3"),
        (">= 0", "vers:rpm/*"),
        ("= 1.0", "vers:rpm/1.0"),
        ("listed version", None),
        ("", None),
    ],
)
def test_cyclonedx_ranges(text: str, expected: str | None) -> None:
    document = read_image()
    (entry,) = (entry for entry in document["vulnerabilities"] if entry["package"] == "glibc")
    entry["evidence"][0]["range"] = text
    written = load_json("cyclonedx", assess_vulnerable(document))
    (glibc,) = (entry for entry in written["vulnerabilities"] if entry["id"] == "ALSA-2024:3339")
    ranges = [version["range"] for version in glibc["affects"][0]["versions"] if "range" in version]
    assert ranges == ([expected] if expected else [])


def test_ocsf_events_are_valid(vulnerable: Assessment) -> None:
    schema = json.loads((ASSETS / "ocsf-vulnerability-finding-1.5.0.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    events = [json.loads(line) for line in render_text("ocsf", vulnerable).splitlines()]
    findings = [event for event in events if event["class_uid"] == 2002]
    for event in findings:
        validator.validate(event)
        VulnerabilityDetails.model_validate(event["vulnerabilities"][0])
    (first,) = findings[0]["vulnerabilities"]
    assert first["cve"]["epss"] == {"score": "0.93621", "percentile": 0.998}
    assert first["is_exploit_available"] is True
    assert first["affected_packages"][0]["fixed_in_version"] == "1.2.0-7.el9_2"
    advisories = [event["vulnerabilities"][0]["advisory"]["uid"] for event in findings if "advisory" in str(event)]
    assert advisories == ["ALSA-2024:3339"]


def test_junit_is_valid(vulnerable: Assessment) -> None:
    root: Any = etree.fromstring(render_text("junit", vulnerable).encode())
    etree.XMLSchema(etree.parse(ASSETS / "junit-10.xsd")).assertValid(root)
    image, sbom, unread = root.findall("testsuite")
    assert image.get("name") == "Vulnerabilities of registry.example.com/shop/web:1.4"
    assert [(suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in (image, sbom)] == [
        ("10", "8", "1"),
        ("1", "1", "0"),
    ]
    for suite in (image, sbom, unread):
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
    assert [int(root.get(key)) for key in ("tests", "failures")] == [12, 10]


def test_junit_passes_an_image_without_vulnerabilities() -> None:
    document = read_image()
    document |= {"vulnerabilities": [], "assessment": {"notAssessed": []}}
    root: Any = etree.fromstring(render_text("junit", assess_vulnerable(document)).encode())
    (case,) = root.findall("testsuite[@name='Vulnerabilities of registry.example.com/shop/web:1.4']/testcase")
    assert (case.get("name"), len(case)) == ("No known vulnerabilities", 0)


def test_prometheus_has_no_series_per_vulnerability(vulnerable: Assessment) -> None:
    text = render_text("prometheus", vulnerable, ReportOptions(kubescape_metrics=True))
    assert not re.search("CVE-|ALSA-", text)
    assert 'kubekeep_vulnerabilities{image="gateway",severity="high",fixable="true"} 1\n' in text
    assert 'kubekeep_known_exploited_vulnerabilities{image="registry.example.com/shop/web:1.4"} 3\n' in text
    assert 'kubekeep_unassessed_packages{image="registry.example.com/shop/web:1.4"} 1\n' in text
    assert 'kubescape_image_count_cve{image="registry.example.com/shop/web:1.4",severity="High"} 4\n' in text


def test_prometheus_limits_the_images() -> None:
    document = read_image()
    documents = [
        {**document, "metadata": {"name": f"registry.example.com/shop/app-{number}:1"}} for number in range(130)
    ]
    text = render_text("prometheus", assess_vulnerable(*documents))
    images = set(re.findall(r'kubekeep_vulnerabilities\{image="([^"]*)"', text))
    assert len(images) == 101
    assert 'kubekeep_vulnerabilities{image="(others)",severity="low",fixable="true"} 30\n' in text


def test_github_has_an_annotation_for_each_package(vulnerable: Assessment) -> None:
    lines = [line for line in render_text("github", vulnerable).splitlines() if " has " in line]
    titles = [re.sub(r".*title=([^:]*)::.*", r"\1", line).replace("%3A", ":") for line in lines]
    assert titles[:3] == [
        "Critical: libwebp 1.2.0-6.el9_1 has 1 vulnerability",
        "Critical: pillow 9.5.0 has 2 vulnerabilities",
        "Critical: libnghttp2 1.43.0-5.el9 has 1 vulnerability",
    ]
    assert not any("file=registry" in line for line in lines), "the repository does not have the files of an image"
    assert [line for line in lines if "file=gateway.cdx.json" in line]


def test_csv_has_a_row_for_each_package(vulnerable: Assessment) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(render_text("csv", vulnerable))) if row["Package"]]
    assert len(rows) == OPEN + 1
    levels = [Severity.parse(row["Priority"]) for row in rows if row["Status"] == "failed"]
    assert levels == sorted(levels, reverse=True)
    assert [rows[0][key] for key in ("Package", "Fixed Version", "Known Exploited", "EPSS")] == [
        "libwebp",
        "1.2.0-7.el9_2",
        "2023-09-13",
        "0.93621",
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_words_of_controls_are_not_used(name: str) -> None:
    """Check texts for people: the field of a document is not the thing to change."""
    text = render_text(name, assess_vulnerable(read_image()))
    assert "set packages[" not in text
    assert "Not satisfied by" not in text.replace("\\n\\nNot satisfied by", "") or name == "oscal"
    assert "\\n\\nNot satisfied" not in text or "No package has" in text


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_can_be_hidden(name: str, vulnerable: Assessment) -> None:
    text = render_text(name, pseudonymise(vulnerable, None))
    assert not re.search("registry.example.com|rpmdb|site-packages|gateway", text.lower())
    REGISTRATIONS[name].read(text)


def taint(document: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the document with `text` in every field that advisories, images and VEX documents fill."""
    document = json.loads(json.dumps(document))
    document["metadata"]["name"] = text
    document["distribution"] = {"id": text, "versionId": text, "name": text}
    document["image"] = {"digest": text, "platform": text}
    for package in document["packages"]:
        package |= {"purl": text, "version": text, "path": text, "layer": text, "licences": [text]}
    document["vulnerabilities"] = [_taint_entry(entry, text) for entry in document["vulnerabilities"]]
    gap = {"ecosystem": text, "reason": text, "packages": [text]}
    document["assessment"] = {"notAssessed": [gap, gap | {"incomplete": False}]}
    return document


def _taint_entry(entry: dict[str, Any], text: str) -> dict[str, Any]:
    entry |= {key: text for key in TEXT_FIELDS if key in entry}
    entry |= {key: [text, f"https://example.com/{text}"] for key in LIST_FIELDS}
    entry["evidence"] = [dict.fromkeys(record, text) for record in entry["evidence"]]
    entry["priority"]["reasons"] = [text]
    if "vex" in entry:
        entry["vex"] |= {"justification": text, "text": text, "author": text, "origin": text}
    return entry


@pytest.mark.parametrize("aim", TEXTS)
def test_hostile_text_keeps_structure(aim: str) -> None:
    text = TEXTS[aim][:LONGEST].encode("utf-8", "replace").decode()
    # The name of the input decides about its kind.
    actual, tame = (
        msgspec.structs.replace(assess_vulnerable(taint(read_image(), each)), target=Target(("image",), BASE))
        for each in (text, TAME)
    )
    for name in PROGRAMS:
        if name == "cyclonedx" and aim.startswith("long"):
            continue  # Versions over 1,024 characters are not allowed.
        assert structure(name, render_text(name, actual)) == structure(name, render_text(name, tame)) or (
            not text.strip()
        ), name


def test_hostile_text_is_valid() -> None:
    schema = json.loads((ASSETS / "gitlab-container-scanning-15.json").read_text())
    for text in _list_hostile():
        assessment = assess_vulnerable(taint(read_image(), text))
        jsonschema.Draft7Validator(schema).validate(load_json("gitlab-container-scanning", assessment))
        check_cyclonedx(render_bytes("cyclonedx", assessment), "1.6")


def _list_hostile() -> Iterator[str]:
    for aim in ("html", "controls", "lines", "unicode", "markdown", "templates", "spaces"):
        yield TEXTS[aim].encode("utf-8", "replace").decode()


def test_an_assessment_without_images_has_no_lists(assessment: Assessment) -> None:
    report = load_json("json", assessment)
    assert "vulnerabilities" not in report
    assert report["summaryDetails"]["vulnerabilities"]["CVEs"] == []


@pytest.mark.parametrize(
    ("identifier", "link"),
    [
        ("CVE-2026-1", "https://nvd.nist.gov/vuln/detail/CVE-2026-1"),
        ("ALSA-2026:1", "https://osv.dev/vulnerability/ALSA-2026:1"),
        ("A-<b> x/../y", "https://osv.dev/vulnerability/A-%3Cb%3E%20x%2F..%2Fy"),
    ],
)
def test_link_is_an_address_for_any_identifier(identifier: str, link: str) -> None:
    assert link_to(identifier) == link
