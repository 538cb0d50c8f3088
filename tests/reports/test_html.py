"""The page by its source: complete in itself, under a policy that fits it, readable without its script."""

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
from tests.reports.samples import SAMPLES, full, many

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Status
from kubekeep.model.framework import Section
from kubekeep.reports import ReportOptions, load


def source(assessment: Assessment) -> str:
    stream = io.StringIO()
    load("html").render(assessment, stream, ReportOptions())
    return stream.getvalue()


def parsed(assessment: Assessment) -> Any:
    return html.document_fromstring(source(assessment))


def data_of(page: Any) -> Any:
    return json.loads(page.get_element_by_id("data").text)


def said(page: Any, place: str) -> str:
    """What a reader sees at an id, in a line."""
    return text_of(page.get_element_by_id(place))


def text_of(node: Any) -> str:
    return " ".join(" ".join(node.itertext()).split())


@pytest.fixture(params=sorted(SAMPLES))
def page(request: pytest.FixtureRequest, assessment: Assessment) -> Any:
    return parsed(SAMPLES[request.param](assessment))


def test_the_policy_lets_in_the_style_and_the_script_of_the_page_alone(page: Any) -> None:
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    (style,) = page.xpath("//style")
    (script,) = page.xpath("//script[not(@type)]")
    hashes = [base64.b64encode(hashlib.sha256(node.text.encode()).digest()).decode() for node in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_from_anywhere(page: Any) -> None:
    assert not page.xpath("//link | //img | //iframe | //object | //embed | //base | //*[@src] | //*[@srcset]")
    assert not page.xpath("//@*[starts-with(name(), 'on') or name() = 'style' or name() = 'action']")
    assert not re.search(r"url\(|@import|@font-face", page.xpath("string(//style)"))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|Storage|cookie|https?:", script_of(page)
    )
    assert all(link.startswith(("#", "https://example.com/")) for link in page.xpath("//@href"))


def script_of(page: Any) -> str:
    return str(page.xpath("string(//script[not(@type)])"))


def test_ids_are_there_once_and_references_lead_somewhere(page: Any) -> None:
    ids = Counter(page.xpath("//@id"))
    assert all(times == 1 for times in ids.values())
    lead = [link[1:] for link in page.xpath("//@href") if link.startswith("#")]
    assert set(lead) | set(page.xpath("//@aria-labelledby | //@list")) <= set(ids)


def test_it_can_be_read_without_seeing_it(page: Any) -> None:
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


def test_figures_and_controls_are_there_without_the_script(assessment: Assessment) -> None:
    page = parsed(assessment)
    overview = said(page, "overview")
    for figure in ("62 %", "41.5", "70 %", "12 of 12", "13 findings of 5 controls", "Critical 1 1", "High 2 10"):
        assert figure in overview
    rows = {row.get("data-status"): text_of(row) for row in page.xpath("//tr[@data-status]")}
    assert rows["failed"].startswith("Low C-0076 Resources without an owner")
    assert "passed (7 resources)" in rows["passed"]
    assert "not evaluated: It reads files of the nodes: scan with a host agent." in rows["gap"]
    assert "nothing to look at" in rows["idle"]
    assert "need JavaScript" in page.xpath("string(//noscript)")
    assert "MITRE 99 %" in overview, "never rounded up"


def test_what_was_left_out_comes_first(assessment: Assessment) -> None:
    page = parsed(assessment)
    first = page.get_element_by_id("main")[0]
    assert first.get("class") == "caution"
    assert "Input was not read in 2 places" in first.text_content()
    assert "3 of 9 controls that apply could not be evaluated" in first.text_content()
    assert "charts/broken.yaml:12 mapping values are not allowed here" in said(page, "left-out")
    assert "2 controls: It reads files of the nodes" in said(page, "left-out")
    assert not parsed(SAMPLES["passed"](assessment)).find_class("caution")
    assert "Nothing was assessed" in parsed(SAMPLES["empty"](assessment)).find_class("caution")[0].text_content()


def test_findings_stand_in_the_data_with_all_that_is_known_of_them(assessment: Assessment) -> None:
    data = data_of(parsed(full(assessment)))
    texts = data["texts"]

    def of(name: str) -> list[list[Any]]:
        return [row for row in data["findings"] if texts[data["resources"][row[1]][2]] == name]

    (cache,) = of("cache")
    assert data["controls"][cache[0]] == ["C-0057", "Privileged container", 3]
    assert [texts[number] for number in data["resources"][cache[1]]] == [
        "Deployment", "default", "cache", "apps/v1", "chart shop/cache with values-prod.yaml",
    ]  # fmt: skip
    assert (texts[cache[3]], cache[4]) == ("chart/charts/cache/templates/deploy.yaml", 31)
    change, file, first, last, _, setting, _, _, excerpt = cache[5]
    assert texts[change] == "set spec.template.spec.containers[0].securityContext.privileged to false"
    assert (texts[file], first, last) == ("chart/charts/cache/templates/deploy.yaml", 31, 31)
    assert texts[setting] == "chart/values.yaml:14 cache.securityContext.privileged"
    begin, *lines = data["excerpts"][excerpt - 1]
    assert (begin, texts[lines[0]], texts[lines[4]]) == (28, "      containers:", "")
    (built,) = of("web")
    assert texts[built[6][6]].startswith("4f2a4f2a4f, 2026-03-01, Ann \\x1b[31mred")
    standing, excepted = of("web-0")
    assert (len(standing[5:]), len(excepted[5:])) == (7, 1)
    name, source_name, _, expires, place = (texts[number] for number in data["waivers"][excepted[5][7] - 1])
    assert (name, source_name, expires, place) == ("legacy-web", "exceptions file", "2027-03-01", "exceptions.json")


def test_waivers_and_attack_paths_have_their_places(assessment: Assessment) -> None:
    page = parsed(full(assessment))
    assert "legacy-web moves in spring" in said(page, "waivers")
    assert "2027-03-01 exceptions file exceptions.json matched 2" in said(page, "waivers")
    assert "gone none is given for good comment deploy/old.yaml unused it covers no finding 0" in said(page, "waivers")
    attacks = said(page, "attacks")
    assert "3 paths, 1 of them with a way around it: Deployment default/web-0" in attacks
    assert "https://git.example.com/shop" in text_of(page.find(".//header"))
    assert "1 path, and 3 more that are not shown Critical internet → Deployment default/web-0" in attacks
    assert "Provided that the pod runs." in attacks
    assert "High Deployment default/web-0 workload-external-track 1,250" in attacks
    without = parsed(assessment)
    assert not without.xpath("//*[@id='attacks' or @id='waivers']")


def test_sections_of_a_framework_come_in_its_order(assessment: Assessment) -> None:
    framework = assessment.frameworks[0]
    sections = (Section("1", "Pods"), Section("2", "Nodes"), Section("3", "People"))
    cites = {"privileged": ("2.10", "2.2"), "host-pid": ("1.1",)}
    summaries = tuple(
        msgspec.structs.replace(
            item, control=msgspec.structs.replace(item.control, satisfies={"nsa": cites.get(item.control.slug, ())})
        )
        for item in assessment.controls
    )
    changed = msgspec.structs.replace(
        framework, framework=msgspec.structs.replace(framework.framework, sections=sections)
    )
    page = parsed(msgspec.structs.replace(assessment, controls=summaries, frameworks=(changed,)))
    text = said(page, "f0")
    order = [text.index(part) for part in ("1 Pods", "1.1", "2 Nodes", "2.2", "2.10", "3 People", "C-0271")]
    assert order == sorted(order)
    assert "3 People no control of this scan answers it" in text


def test_a_text_is_written_once_however_often_it_is_found(assessment: Assessment) -> None:
    text = source(many(assessment, 300))
    assert text.count("teams/team-7/app-7.yaml") == 1
    assert text.count("StatefulSet") == 1


def test_texts_of_a_control_keep_their_shape(assessment: Assessment) -> None:
    first = assessment.controls[0]
    fix = "Set `hostPID: false`:\n1. edit\n   the file\n2. an odd ` tick\n"
    control = msgspec.structs.replace(
        first.control, fix=fix, references=("javascript:alert(1)", "https://example.com/x")
    )
    page = parsed(
        msgspec.structs.replace(assessment, controls=(msgspec.structs.replace(first, control=control),), frameworks=())
    )
    paragraphs = [node.text_content().strip() for node in page.xpath("//tr[@id='c0']//p")]
    assert paragraphs[-3:] == ["Set hostPID: false:", "1. edit the file", "2. an odd ` tick"]
    assert page.xpath("//tr[@id='c0']//code/text()") == ["hostPID: false"]
    assert page.xpath("//tr[@id='c0']//a/@href") == ["https://example.com/x"]


def test_what_is_longer_than_any_text_is_cut_outside_of_the_data(assessment: Assessment) -> None:
    unread = msgspec.structs.replace(assessment.unread[0], message="x" * 1_000_000)
    text = source(msgspec.structs.replace(assessment, unread=(unread,), notes=("y" * 1_000_000,)))
    assert len(text) < 200_000
    assert "… (1,000,000 characters)" in text


def test_an_assessment_without_evidence_is_told_too(assessment: Assessment) -> None:
    result = assessment.results[1]
    bare = msgspec.structs.replace(result.verdicts["privileged"], evidence=(), status=Status.FAILED)
    found = msgspec.structs.replace(result, verdicts={"privileged": bare})
    data = data_of(parsed(msgspec.structs.replace(assessment, results=(found,))))
    assert len(data["findings"]) == 1
