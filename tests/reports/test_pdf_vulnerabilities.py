"""The chapter of the PDF about vulnerabilities: upgrades first, then each image and SBOM, bounded in length."""

from __future__ import annotations

import copy
import io
from typing import Any

import pypdf
import pytest
from tests.reports.rendering import extract_pdf_text, remove_whitespace, render_bytes
from tests.reports.test_vulnerabilities import taint
from tests.reports.vulnerable import assess_vulnerable, read_image

from kubekeep.model.assessment import Assessment
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.pdf.document import build_document
from kubekeep.reports.pdf.vulnerabilities import MAX_VULNERABILITIES
from kubekeep.reports.shared.affected_packages import list_affected, list_upgrades
from kubekeep.reports.shared.vulnerabilities import list_subjects


@pytest.fixture(scope="module")
def vulnerable() -> Assessment:
    return assess_vulnerable()


def multiply(document: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the document with `count` vulnerable packages, each with its own vulnerability and upgrade."""
    document = copy.deepcopy(document)
    entry, package = document["vulnerabilities"][0], document["packages"][0]
    numbers = range(count)
    document["packages"] = [package | {"purl": f"pkg:generic/p{number}@1"} for number in numbers]
    document["vulnerabilities"] = [
        entry | {"id": f"CVE-2026-{number:05}", "aliases": [], "package": f"p{number}", "packageNumber": number}
        for number in numbers
    ]
    document["upgrades"] = [
        {
            "package": f"p{number}",
            "version": entry["version"],
            "fixedVersion": entry["fixedVersion"],
            "packageNumbers": [number],
            "fixes": [f"CVE-2026-{number:05}"],
            "remaining": [],
        }
        for number in numbers
    ]
    return document


def test_text(vulnerable: Assessment) -> None:
    content = render_bytes("pdf", vulnerable)
    text = remove_whitespace(extract_pdf_text(content))
    order = [
        text.rindex(remove_whitespace(part))
        for part in ("Most urgent upgrades", "Upgrade first", "AlmaLinux 9.2 (Turquoise Kodkod)", "gateway.cdx.json:8")
    ]
    assert order == sorted(order)
    for part in (
        "pillow",
        "10.0.1",
        "1 critical · 1 high exploited",
        "CVE-2023-4863",
        "/var/lib/rpm/rpmdb.sqlite",
        "not fixed yet",
        "1 generic package not assessed: no source of advisories covers packages of type generic",
        "Covered by exceptions or VEX statements",
        "gateway.openvex.json",
        "3 known to be exploited",
    ):
        assert remove_whitespace(part) in text, part
    # A scan of packages alone has no chapters about controls.
    assert "Mosturgentfindings" not in text
    assert "Compliance" not in text
    reader = pypdf.PdfReader(io.BytesIO(content))
    assert b"pdfuaid" in reader.trailer["/Root"]["/Metadata"].get_object().get_data()  # type: ignore[index]
    assert [str(entry.title) for entry in reader.outline if not isinstance(entry, list)][1:3] == [
        "Vulnerabilities",
        "Appendix: not evaluated",
    ]


def test_rows_are_those_of_the_other_reports(vulnerable: Assessment) -> None:
    data = build_document(vulnerable, full=True, whole=True)["vulnerabilities"]
    subjects = list_subjects(vulnerable)
    assert len(data["upgrades"]) == sum(len(list_upgrades(subject)) for subject in subjects)
    assert [part["name"].replace("\u200b", "") for part in data["parts"]] == [
        rows.subject.reference for rows in list_affected(vulnerable)
    ]
    assert sum(len(part["rows"]) for part in data["parts"]) == sum(len(subject.open) for subject in subjects)
    assert data["count"] == sum(level["count"] for level in data["levels"]) == len(vulnerable.findings)


def test_controls_and_vulnerabilities_are_counted_apart(vulnerable: Assessment, assessment: Assessment) -> None:
    """Chapters about controls do not repeat vulnerabilities, and a scan without images has no chapter about them."""
    data = build_document(vulnerable, full=True, whole=True)
    assert any(summary.definition.concerns_packages for summary in vulnerable.summaries)
    assert data["findings"] == data["controls"] == data["excepted"] == data["frameworks"] == []
    assert build_document(assessment, full=True, whole=True)["vulnerabilities"] is None


@pytest.mark.parametrize("full", [False, True])
def test_length_is_bounded_and_omissions_are_counted(*, full: bool) -> None:
    count = MAX_VULNERABILITIES + 7
    assessment = assess_vulnerable(multiply(read_image(), count))
    data = build_document(assessment, full=full, whole=False)["vulnerabilities"]
    (part,) = data["parts"]
    assert len(part["rows"]) + part["more"] == count
    assert len(part["rows"]) == data["limit"] == (MAX_VULNERABILITIES if full else 15)
    assert len(data["upgrades"]) + data["upgrades_more"] == count
    whole = build_document(assessment, full=True, whole=True)["vulnerabilities"]
    assert (len(whole["parts"][0]["rows"]), len(whole["upgrades"]), whole["upgrades_more"]) == (count, count, 0)


def test_omissions_are_stated() -> None:
    content = io.BytesIO()
    load("pdf").render(assess_vulnerable(multiply(read_image(), 60)), content, ReportOptions())
    text = remove_whitespace(extract_pdf_text(content.getvalue()))
    assert remove_whitespace("and 20 more upgrades, not printed: the option --verbose prints all") in text
    assert remove_whitespace("and 45 more vulnerabilities, not printed") in text
    assert remove_whitespace("The first 15 of each image and SBOM are printed; the figures include all") in text


def test_many_images_are_bounded() -> None:
    documents = []
    for number in range(130):
        document = multiply(read_image(), 1)
        document["metadata"]["name"] = f"registry.example.com/app{number}:1"
        documents.append(document)
    data = build_document(assess_vulnerable(*documents), full=False, whole=False)["vulnerabilities"]
    assert (len(data["parts"]), data["parts_more"]) == (100, 30)


def test_hostile_texts() -> None:
    content = render_bytes("pdf", assess_vulnerable(taint(read_image(), '#panic() $x$ \u202e "</a>\n= h')))
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages) < 20
