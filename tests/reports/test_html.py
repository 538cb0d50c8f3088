"""The source of the page: self-contained, with a matching policy, and readable without its script."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from lxml import html
from tests.reports.samples import SAMPLES, add_extras, multiply_findings

from kubekeep.model.assessment import Assessment
from kubekeep.model.framework import Section
from kubekeep.model.verdict import Status
from kubekeep.reports import ReportOptions, load


def render_page(assessment: Assessment) -> str:
    stream = io.StringIO()
    load("html").render(assessment, stream, ReportOptions())
    return stream.getvalue()


def parse_page(assessment: Assessment) -> Any:
    return html.document_fromstring(render_page(assessment))


def read_data(page: Any) -> Any:
    return json.loads(page.get_element_by_id("data").text)


def read_element(page: Any, place: str) -> str:
    """Return the visible text of an element on one line."""
    return read_text(page.get_element_by_id(place))


def read_text(node: Any) -> str:
    return " ".join(" ".join(node.itertext()).split())


@pytest.fixture(params=sorted(SAMPLES))
def page(request: pytest.FixtureRequest, assessment: Assessment) -> Any:
    return parse_page(SAMPLES[request.param](assessment))


def test_policy_allows_only_own_style_and_script(page: Any) -> None:
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    (style,) = page.xpath("//style")
    (script,) = page.xpath("//script[not(@type)]")
    hashes = [base64.b64encode(hashlib.sha256(node.text.encode()).digest()).decode() for node in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_page_loads_nothing(page: Any) -> None:
    assert not page.xpath("//link | //img | //iframe | //object | //embed | //base | //*[@src] | //*[@srcset]")
    assert not page.xpath("//@*[starts-with(name(), 'on') or name() = 'style' or name() = 'action']")
    assert not re.search(r"url\(|@import|@font-face", page.xpath("string(//style)"))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|Storage|cookie|https?:", find_script(page)
    )
    assert all(link.startswith(("#", "https://example.com/")) for link in page.xpath("//@href"))


def find_script(page: Any) -> str:
    return str(page.xpath("string(//script[not(@type)])"))


def test_ids_are_unique_and_references_resolve(page: Any) -> None:
    ids = Counter(page.xpath("//@id"))
    assert all(times == 1 for times in ids.values())
    lead = [link[1:] for link in page.xpath("//@href") if link.startswith("#")]
    assert set(lead) | set(page.xpath("//@aria-labelledby | //@list")) <= set(ids)


def test_page_is_accessible(page: Any) -> None:
    assert page.get("lang") == "en"
    levels = [int(node.tag[1]) for node in page.iter("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for field in page.xpath("//input | //select"):
        assert field.xpath("ancestor::label"), field.get("id")
    for table in page.iter("table"):
        assert table.get("aria-labelledby") or table.find("caption") is not None or table.xpath("preceding::h3")
        assert table.xpath("thead//th[@scope='col']")
    for picture in page.iter("svg"):
        assert picture.get("aria-hidden") == "true" or (
            picture.get("role") == "img" and picture.find("title") is not None
        )


def test_figures_and_controls_without_script(assessment: Assessment) -> None:
    page = parse_page(assessment)
    overview = read_element(page, "overview")
    for figure in ("62 %", "41.5", "70 %", "12 of 12", "13 findings of 5 controls", "Critical 1 1", "High 2 10"):
        assert figure in overview
    rows = {row.get("data-status"): read_text(row) for row in page.xpath("//tr[@data-status]")}
    assert rows["failed"].startswith("Low C-0076 Resources without an owner")
    assert "passed (7 resources)" in rows["passed"]
    assert "not evaluated: It reads files of the nodes: scan with a host agent." in rows["gap"]
    assert "no matching resources" in rows["idle"]
    assert "requires JavaScript" in page.xpath("string(//noscript)")
    assert "MITRE 99 %" in overview, "never rounded up"


def test_omissions_come_first(assessment: Assessment) -> None:
    page = parse_page(assessment)
    first = page.get_element_by_id("main")[0]
    assert first.get("class") == "caution"
    assert "Input was not read in 2 locations" in first.text_content()
    assert "3 of 9 applicable controls could not be evaluated" in first.text_content()
    assert "charts/broken.yaml:12 mapping values are not allowed here" in read_element(page, "not-evaluated")
    assert "2 controls: It reads files of the nodes" in read_element(page, "not-evaluated")
    assert not parse_page(SAMPLES["passed"](assessment)).find_class("caution")
    assert "Nothing was evaluated" in parse_page(SAMPLES["empty"](assessment)).find_class("caution")[0].text_content()


def test_findings_in_script_data(assessment: Assessment) -> None:
    tables = read_data(parse_page(add_extras(assessment)))
    texts = tables["texts"]

    def find_rows(name: str) -> list[list[Any]]:
        return [row for row in tables["findings"] if texts[tables["resources"][row[1]][2]] == name]

    (cache,) = find_rows("cache")
    assert tables["controls"][cache[0]] == ["C-0057", "Privileged container", 3]
    assert [texts[number] for number in tables["resources"][cache[1]]] == [
        "Deployment",
        "default",
        "cache",
        "apps/v1",
        "chart shop/cache with values-prod.yaml",
    ]
    assert (texts[cache[3]], cache[4]) == ("chart/charts/cache/templates/deploy.yaml", 31)
    change, file, first, last, _, setting, _, _, excerpt = cache[6]
    assert texts[change] == "set spec.template.spec.containers[0].securityContext.privileged to false"
    assert (texts[file], first, last) == ("chart/charts/cache/templates/deploy.yaml", 31, 31)
    assert texts[setting] == "chart/values.yaml:14 cache.securityContext.privileged"
    begin, *lines = tables["excerpts"][excerpt - 1]
    assert (begin, texts[lines[0]], texts[lines[4]]) == (28, "      containers:", "")
    (built,) = find_rows("web")
    assert texts[built[7][6]].startswith("4f2a4f2a4f, 2026-03-01, Ann \\x1b[31mred")
    open_row, excepted = find_rows("web-0")
    assert (len(open_row[6:]), len(excepted[6:])) == (7, 1)
    name, source_name, _, expires, place = (texts[number] for number in tables["exceptions"][excepted[6][7] - 1])
    assert (name, source_name, expires, place) == ("legacy-web", "exceptions file", "2027-03-01", "exceptions.json")


def test_exceptions_and_attack_paths(assessment: Assessment) -> None:
    page = parse_page(add_extras(assessment))
    assert "legacy-web moves in spring" in read_element(page, "exceptions")
    assert "2027-03-01 exceptions file exceptions.json matched 2" in read_element(page, "exceptions")
    assert "gone no reason given no expiry date comment deploy/old.yaml unused it covers no finding 0" in read_element(
        page, "exceptions"
    )
    attacks = read_element(page, "attacks")
    assert "3 paths, 1 of them with an alternative: Deployment default/web-0" in attacks
    assert "https://git.example.com/shop" in read_text(page.find(".//header"))
    assert "1 path, and 3 more not shown Critical internet → Deployment default/web-0" in attacks
    assert "Provided that the pod runs." in attacks
    assert "High Deployment default/web-0 workload-external-track 1,250" in attacks
    without = parse_page(assessment)
    assert not without.xpath("//*[@id='attacks' or @id='exceptions']")


def test_framework_sections_are_in_order(assessment: Assessment) -> None:
    framework = assessment.frameworks[0]
    sections = (Section("1", "Pods"), Section("2", "Nodes"), Section("3", "People"))
    cites = {"privileged": ("2.10", "2.2"), "host-pid": ("1.1",)}
    summaries = tuple(
        msgspec.structs.replace(
            summary,
            definition=msgspec.structs.replace(
                summary.definition, satisfies={"nsa": cites.get(summary.definition.slug, ())}
            ),
        )
        for summary in assessment.summaries
    )
    changed = msgspec.structs.replace(
        framework, framework=msgspec.structs.replace(framework.framework, sections=sections)
    )
    page = parse_page(msgspec.structs.replace(assessment, summaries=summaries, frameworks=(changed,)))
    text = read_element(page, "f0")
    order = [text.index(part) for part in ("1 Pods", "1.1", "2 Nodes", "2.2", "2.10", "3 People", "C-0271")]
    assert order == sorted(order)
    assert "3 People not covered by a control of this scan" in text


def test_repeated_text_is_written_once(assessment: Assessment) -> None:
    text = render_page(multiply_findings(assessment, 300))
    assert text.count("teams/team-7/app-7.yaml") == 1
    assert text.count("StatefulSet") == 1


def test_control_texts_keep_paragraphs(assessment: Assessment) -> None:
    first = assessment.summaries[0]
    fix = "Set `hostPID: false`:\n1. edit\n   the file\n2. an odd ` tick\n"
    control = msgspec.structs.replace(
        first.definition, fix=fix, references=("javascript:alert(1)", "https://example.com/x")
    )
    page = parse_page(
        msgspec.structs.replace(
            assessment, summaries=(msgspec.structs.replace(first, definition=control),), frameworks=()
        )
    )
    paragraphs = [node.text_content().strip() for node in page.xpath("//tr[@id='c0']//p")]
    assert paragraphs[-3:] == ["Set hostPID: false:", "1. edit the file", "2. an odd ` tick"]
    assert page.xpath("//tr[@id='c0']//code/text()") == ["hostPID: false"]
    assert page.xpath("//tr[@id='c0']//a/@href") == ["https://example.com/x"]


def test_long_text_is_cut_outside_script_data(assessment: Assessment) -> None:
    unread = msgspec.structs.replace(assessment.unread[0], message="x" * 1_000_000)
    text = render_page(msgspec.structs.replace(assessment, unread=(unread,), notes=("y" * 1_000_000,)))
    assert len(text) < 200_000
    assert "… (1,000,000 characters)" in text


def test_finding_without_evidence(assessment: Assessment) -> None:
    result = assessment.results[1]
    without_evidence = msgspec.structs.replace(result.verdicts["privileged"], evidence=(), status=Status.FAILED)
    changed = msgspec.structs.replace(result, verdicts={"privileged": without_evidence})
    tables = read_data(parse_page(msgspec.structs.replace(assessment, results=(changed,))))
    assert len(tables["findings"]) == 1
