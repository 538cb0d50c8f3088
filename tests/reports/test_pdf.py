"""The PDF: text, bookmarks, metadata and pages, also with hostile names."""

from __future__ import annotations

import importlib.resources
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pypdf
import pytest
import typst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reports.rendering import extract_pdf_text, remove_whitespace, render_bytes, render_text
from tests.reports.samples import EXCEPTION, SAMPLES, add_extras, multiply_findings, passed

import kubekeep
from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.location import Location
from kubekeep.model.verdict import Status
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.pdf.details import MAX_RESOURCES, fair_share
from kubekeep.reports.pdf.document import build_document

GOLDEN = Path(__file__).parent / "golden" / "pdf.json"
RARE = "\U00030010"
"""A character of Unicode 13 that hardly any font has."""


def outline(pdf: bytes) -> list[Any]:
    """Return the bookmarks as titles, with those below a chapter as a list after it."""

    def titles(entries: list[Any]) -> list[Any]:
        return [titles(entry) if isinstance(entry, list) else str(entry.title) for entry in entries]

    return titles(list(pypdf.PdfReader(io.BytesIO(pdf)).outline))


def renamed(assessment: Assessment, name: str) -> Assessment:
    """Return the assessment with one failed resource with the name."""
    first = assessment.results[2]
    metadata = {"name": name, "namespace": "default"}
    resource = msgspec.structs.replace(first.subject, content={**first.subject.object, "metadata": metadata})
    return msgspec.structs.replace(assessment, results=(SubjectResult(resource, first.verdicts),))


def test_document_data(assessment: Assessment, pytestconfig: pytest.Config) -> None:
    document = (
        json.dumps(build_document(add_extras(assessment), full=True, whole=False), indent=1, ensure_ascii=False) + "\n"
    )
    if pytestconfig.getoption("--update-golden", default=False):
        GOLDEN.write_text(document, encoding="utf-8")
    assert document == GOLDEN.read_text(encoding="utf-8"), "run pytest with --update-golden if the change is intended"


@pytest.mark.parametrize("sample", SAMPLES)
def test_archive_and_accessibility_standards(sample: str, assessment: Assessment) -> None:
    reader = pypdf.PdfReader(io.BytesIO(render_bytes("pdf", SAMPLES[sample](assessment))))
    metadata = reader.root_object["/Metadata"]
    assert isinstance(metadata, pypdf.generic.StreamObject)
    claims = metadata.get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in claims
    assert "<pdfuaid:part>1</pdfuaid:part>" in claims
    assert str(reader.root_object["/Lang"]) == "en"


def test_metadata(assessment: Assessment) -> None:
    metadata = pypdf.PdfReader(io.BytesIO(render_bytes("pdf", assessment))).metadata
    assert metadata is not None
    assert metadata.title == "Kubernetes security assessment: shop"
    assert metadata.author == "Kubekeep 0.1.0"
    assert metadata.creation_date is not None
    assert metadata.creation_date.date().isoformat() == "2026-11-24"


def test_output_is_reproducible(assessment: Assessment, tmp_path: Path) -> None:
    here = render_bytes("pdf", passed(assessment))
    script = (
        "import sys\n"
        "from kubekeep.reports.pdf.typesetting import typeset\n"
        "import datetime as dt, json\n"
        "data = json.loads(sys.stdin.buffer.read())\n"
        "sys.stdout.buffer.write(typeset(data, dt.datetime.fromisoformat('2026-11-24T10:00:01Z')))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(build_document(passed(assessment), full=True, whole=False)).encode(),
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": str(tmp_path), "PYTHONHASHSEED": "7"},
    )
    assert run.stdout == here


def test_every_finding_is_printed(assessment: Assessment) -> None:
    text = remove_whitespace(render_text("pdf", assessment))
    for slug, failures in assessment.group_findings().items():
        control = next(summary.definition for summary in assessment.summaries if summary.definition.slug == slug)
        assert remove_whitespace(control.title) in text
        for finding in failures:
            resource = finding.subject
            if "\x1b" not in resource.name:
                assert remove_whitespace(f"{resource.kind} {resource.namespace}/{resource.name}") in text
            for evidence in finding.evidence:
                if evidence.location and evidence.location.region and "deploy" in evidence.location.file:
                    assert evidence.location.file in text
                    assert f"{evidence.location.region.start.line}" in text
    for summary in assessment.summaries:
        assert remove_whitespace(summary.definition.title) in text
        assert not summary.is_gap or summary.reason is None or remove_whitespace(summary.reason.text) in text


def test_bookmarks(assessment: Assessment) -> None:
    bookmarks = outline(render_bytes("pdf", add_extras(assessment)))
    chapters = [bookmark for bookmark in bookmarks if isinstance(bookmark, str)]
    assert chapters == [
        "Summary",
        "Frameworks",
        "Attack paths",
        "Findings",
        "Exceptions",
        "Appendix: not evaluated",
        "Appendix: parameters",
        "Appendix: all controls",
    ]
    assert bookmarks[bookmarks.index("Frameworks") + 1] == ["NSA", "MITRE", "cis-v1.10.0"]
    assert bookmarks[bookmarks.index("Findings") + 1][:2] == ["Host process namespace", "Privileged container"]


def test_exceptions_excerpts_and_attack_paths(assessment: Assessment) -> None:
    raw = render_bytes("pdf", add_extras(assessment))
    text = remove_whitespace(extract_pdf_text(raw))
    assert remove_whitespace("Covered by an exception until 2027-03-01: moves in spring </script>") in text
    assert remove_whitespace("it covers no finding") in text
    assert remove_whitespace("21 privileged: true # </script>") in text
    assert remove_whitespace("container app is privileged </script>") in text
    assert remove_whitespace("Assumes: the pod runs") in text
    assert remove_whitespace("1 attack path of 4") in text, "the picture has text, not outlines"


def test_wide_picture_has_its_own_page(assessment: Assessment) -> None:
    attacks = add_extras(assessment).attacks
    assert attacks is not None
    first = attacks.paths[0]
    long_path = msgspec.structs.replace(first, edges=first.edges * 3)
    raw = render_bytes(
        "pdf", msgspec.structs.replace(assessment, attacks=msgspec.structs.replace(attacks, paths=(long_path,) * 3))
    )
    wide_assessment = [
        page for page in pypdf.PdfReader(io.BytesIO(raw)).pages if page.mediabox.width > page.mediabox.height
    ]
    assert len(wide_assessment) == 1
    assert "internet" in wide_assessment[0].extract_text()
    assert b"<pdfaid:part>2" in raw


def test_attack_path_is_not_split(assessment: Assessment) -> None:
    sample = add_extras(assessment)
    assert sample.attacks is not None
    attacks = msgspec.structs.replace(sample.attacks, paths=sample.attacks.paths * 20)
    pages = pypdf.PdfReader(io.BytesIO(render_bytes("pdf", msgspec.structs.replace(sample, attacks=attacks)))).pages
    texts = [page.extract_text() for page in pages]
    ends = [(text.count("internet → a node"), text.count("Assumes: the pod runs")) for text in texts]
    assert sum(first for first, _ in ends) == 20
    assert all(first == last for first, last in ends)
    assert sum(first > 0 for first, _ in ends) > 1


def test_omissions_are_stated(assessment: Assessment) -> None:
    text = remove_whitespace(render_text("pdf", assessment))
    assert remove_whitespace("Input was not read in 2 locations, so problems there are not in this report.") in text
    assert remove_whitespace("3 of 9 applicable controls could not be evaluated") in text
    empty = remove_whitespace(render_text("pdf", SAMPLES["empty"](assessment)))
    assert remove_whitespace("Nothing was evaluated") in empty
    assert remove_whitespace("All input was read") not in empty
    assert remove_whitespace("All input was read, and every applicable control was evaluated.") in remove_whitespace(
        render_text("pdf", passed(assessment))
    )


MARKUP = r"""#panic("x") *bold* _it_ [b] $x^2$ \u{41} @ref <label> `raw` // c /* d */ = H ~ -- "q" #import "@preview/a:1" {"""


def test_markup_in_names_is_text(assessment: Assessment) -> None:
    assert remove_whitespace(MARKUP) in remove_whitespace(render_text("pdf", renamed(assessment, MARKUP)))


def test_copied_paths_are_exact(assessment: Assessment) -> None:
    name = "spec.template.spec.containers[0]/" + "x" * 120 + "-" + "y.z_" * 20
    assert name in remove_whitespace(render_text("pdf", renamed(assessment, name)))


def test_long_names_break_within_the_page(assessment: Assessment) -> None:
    """Check the page margins, because paper cannot be scrolled."""
    lines = render_text("pdf", renamed(assessment, "w" * 350)).splitlines()
    assert 10 < max(len(line) for line in lines if "wwww" in line) < 100


def test_huge_name_is_cut(assessment: Assessment) -> None:
    raw = render_bytes("pdf", renamed(assessment, "n" * 1_000_000))
    assert len(raw) < 1_000_000
    assert "nn…" in remove_whitespace(extract_pdf_text(raw))


def test_other_scripts_are_readable(assessment: Assessment) -> None:
    text = remove_whitespace(render_text("pdf", renamed(assessment, "приложение-εφαρμογή-数据库")))
    assert "приложение-εφαρμογή" in text
    has_font = any("CJK" in family for family in typst.Fonts().families())
    assert has_font or not os.environ.get("CI"), "install fonts-noto-cjk"
    assert ("数据库" if has_font else r"\u6570\u636e\u5e93") in text


def test_missing_glyphs_are_printed_as_codes_and_counted(assessment: Assessment) -> None:
    raw = render_bytes("pdf", renamed(assessment, f"a{RARE}b"))
    text = remove_whitespace(extract_pdf_text(raw))
    assert r"a\U00030010b" in text
    assert remove_whitespace("One character of this report had no font on the machine that generated it.") in text
    assert b"<pdfaid:part>2" in raw
    assert remove_whitespace("had no font on the machine") not in remove_whitespace(
        render_text("pdf", passed(assessment))
    )


def test_private_and_joining_characters(assessment: Assessment) -> None:
    raw = render_bytes("pdf", renamed(assessment, "a\ue000b \u200d\u0301 \U000e0041 \u0600 क्ष"))
    assert b"<pdfaid:part>2" in raw
    assert r"a\ue000b" in remove_whitespace(extract_pdf_text(raw))


def test_many_findings_are_bounded(assessment: Assessment) -> None:
    reader = pypdf.PdfReader(io.BytesIO(render_bytes("pdf", multiply_findings(assessment, 2 * MAX_RESOURCES))))
    assert len(reader.pages) < 150
    text = remove_whitespace("".join(page.extract_text() for page in reader.pages[:8]))
    assert remove_whitespace("6,000 findings in total") in text
    assert remove_whitespace("The first 1,500 resources of each control are printed; the figures include all.") in text
    assert [
        group["more"]
        for group in build_document(multiply_findings(assessment, 2 * MAX_RESOURCES), full=True, whole=False)[
            "findings"
        ]
    ] == [
        1500,
        1500,
    ]


def test_verbose_prints_all_findings(assessment: Assessment) -> None:
    groups = build_document(multiply_findings(assessment, 2 * MAX_RESOURCES), full=True, whole=True)["findings"]
    assert [(group["more"], len(group["findings"])) for group in groups] == [(0, 3000), (0, 3000)]


def test_bounds_of_excepted_findings_are_separate(assessment: Assessment) -> None:
    excepted = [
        SubjectResult(
            result.subject,
            {
                "privileged": msgspec.structs.replace(
                    verdict,
                    status=Status.PASSED,
                    evidence=tuple(msgspec.structs.replace(one, exception=EXCEPTION) for one in verdict.evidence),
                )
            },
        )
        for result in assessment.results
        if (verdict := result.verdicts.get("privileged"))
    ]
    document = build_document(msgspec.structs.replace(assessment, results=tuple(excepted)), full=True, whole=False)
    assert document["findings"] == []
    assert [(group["more"], len(group["findings"])) for group in document["excepted"]] == [(0, len(excepted))]


def test_many_locations_show_the_first(assessment: Assessment) -> None:
    first = assessment.results[2]
    verdict = first.verdicts["privileged"]
    many_places = tuple(
        msgspec.structs.replace(verdict.evidence[0], location=Location(f"f{number}.yaml")) for number in range(500)
    )
    result = SubjectResult(first.subject, {"privileged": msgspec.structs.replace(verdict, evidence=many_places)})
    crowded = msgspec.structs.replace(assessment, results=(result,))
    assert remove_whitespace("and 488 more locations") in remove_whitespace(render_text("pdf", crowded))
    assert "f499.yaml" in remove_whitespace(render_text("pdf", crowded, ReportOptions(verbose=True)))


@given(sizes=st.lists(st.integers(0, 5000), max_size=50), room=st.integers(1, 3000))
# Run time only depends on the machine.
@settings(database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fair_share(sizes: list[int], room: int) -> None:
    most = fair_share(sizes, room)
    printed_count = sum(min(size, most) for size in sizes)
    assert most == 1 or printed_count <= room
    assert most >= max(sizes, default=0) or sum(min(size, most + 1) for size in sizes) > room


def test_template_has_no_external_references() -> None:
    template = importlib.resources.files("kubekeep.reports.pdf").joinpath("report.typ").read_text("utf-8")
    assert not re.search(r'#import|#include|\bplugin\(|\bread\(|image\("|@preview|https?:', template)


def test_short_form_lists_every_failed_control_on_few_pages() -> None:
    shop = kubekeep.scan(Path(__file__).parents[2] / "examples" / "online-shop")
    stream = io.BytesIO()
    load("pdf").render(shop, stream, ReportOptions())
    assert len(pypdf.PdfReader(stream).pages) <= 12
    text = remove_whitespace(extract_pdf_text(stream.getvalue()))
    for control in {finding.definition for finding in shop.findings}:
        assert remove_whitespace(control.title) in text
        assert remove_whitespace(control.id) in text


def test_short_report_has_no_nearly_empty_page() -> None:
    shop = kubekeep.scan(Path(__file__).parents[2] / "examples" / "online-shop")
    content = io.BytesIO()
    load("pdf").render(shop, content, ReportOptions())
    reader = pypdf.PdfReader(content)
    lengths = [len(page.extract_text()) for page in reader.pages]
    assert len(lengths) <= 7
    # The first page is the cover, and the last one ends with the text.
    assert min(lengths[1:-1]) > 1000
