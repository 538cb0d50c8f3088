"""The page in a real browser, opened from a file: mouse, keyboard, links to views, and print."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pypdf import PdfReader
from tests.reports.browsers import chromium, needs_chromium
from tests.reports.samples import SAMPLES, add_extras, multiply_findings
from tests.reports.vulnerable import assess_vulnerable

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.reports import ReportOptions, load

pytestmark = needs_chromium
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Yield a function that opens the report of an assessment; console messages and requests fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(assessment: Assessment, address: str = "", **options: object) -> Page:
        file = tmp_path / "report.html"
        with file.open("w", encoding="utf-8") as stream:
            load("html").render(assessment, stream, ReportOptions())
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: complaints.append(request.url) if request.url.split("#")[0] != file.as_uri() else None,
        )
        page.goto(file.as_uri() + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def rows(page: Page) -> list[str]:
    """Return the resource column row by row."""
    return [text.strip() for text in page.locator(".finding .c-resource").all_inner_texts()]


@pytest.mark.parametrize("sample", sorted(SAMPLES))
def test_every_sample_opens_without_errors(sample: str, open_report: Open, assessment: Assessment) -> None:
    page = open_report(SAMPLES[sample](assessment))
    expect(page.locator("h1")).to_have_text("shop")
    assert page.evaluate("document.querySelectorAll('img, iframe').length") == 0


def test_search_matches_all_words(open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment)
    expect(page.locator("#count")).to_have_text("13 findings")
    page.locator("#q").fill("C-0057 WEB-3")
    expect(page.locator("#count")).to_have_text("1 of 13 findings")
    assert rows(page) == ["Deployment web-3"]
    assert page.evaluate("location.hash") == "#q=C-0057+WEB-3"
    page.locator("#q").fill("cache.debug")
    expect(page.locator("#count")).to_have_text("1 of 13 findings")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#count")).to_have_text("13 findings")
    assert page.evaluate("location.hash") == ""
    expect(page.locator("#q")).to_be_focused()


def test_filters_combine(open_report: Open, assessment: Assessment) -> None:
    page = open_report(add_extras(assessment))
    page.locator("#severities").get_by_label("High").check()
    expect(page.locator("#count")).to_have_text("9 of 12 findings")
    page.locator("#framework").select_option("MITRE")
    expect(page.locator("#count")).to_have_text("1 of 12 findings")
    page.locator("#framework").select_option("")
    page.locator("#namespace").select_option("default")
    page.locator("#file").fill("DEPLOY/")
    expect(page.locator("#count")).to_have_text("6 of 12 findings")
    page.locator("#kind").select_option("Secret")
    expect(page.locator("#count")).to_have_text("0 of 12 findings")
    expect(page.locator("#list")).to_be_hidden()


def test_priority_is_shown_filtered_and_sorted(open_report: Open, assessment: Assessment) -> None:
    urgent = Priority(Severity.CRITICAL, 10.0, step="container app is privileged", reasons=("reachable from outside",))
    results = (
        *assessment.results[:4],
        msgspec.structs.replace(assessment.results[4], priorities={"privileged": urgent}),
        *assessment.results[5:],
    )
    page = open_report(msgspec.structs.replace(assessment, results=results), "#group=none")
    assert rows(page)[0].split("\n") == ["Deployment web-2", "container app is privileged, reachable from outside"]
    page.locator("#priorities").get_by_label("Critical").check()
    expect(page.locator("#count")).to_have_text("2 of 13 findings")
    assert page.locator(".finding .c-severity").all_inner_texts() == ["High", "Critical"]
    assert page.evaluate("location.hash") == "#priority=Critical&group=none"
    page.locator(".finding .opener").first.click()
    expect(page.locator(".details")).to_contain_text(
        "Critical: container app is privileged, reachable from outside. The severity of the control is high."
    )
    page.get_by_role("columnheader", name="Priority", exact=True).get_by_role("button").click()
    assert len(rows(page)) == 2
    page.locator("#group").select_option("control")
    assert page.locator("tr.group .badge").all_inner_texts() == ["Critical", "Critical"]
    assert page.locator("tr.group .count").all_inner_texts() == [
        "severity high · 1 finding",
        "severity critical · 1 finding",
    ]


def test_excepted_findings_can_be_shown(open_report: Open, assessment: Assessment) -> None:
    page = open_report(add_extras(assessment))
    assert not any("exception" in row for row in rows(page))
    page.locator("#show").select_option("excepted")
    expect(page.locator("#count")).to_have_text("2 findings covered by exceptions")
    assert [row.replace("\n", " ") for row in rows(page)] == [
        "Deployment web-0 covered by an exception",
        "Deployment web-6 covered by an exception",
    ]
    page.locator(".finding .opener").first.click()
    expect(page.locator(".details")).to_contain_text(
        "covered by an exception until 2027-03-01: legacy-web (exceptions file, exceptions.json)"
    )


def test_columns_sort_in_three_states(open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment, "#group=none")
    first = rows(page)
    button = page.get_by_role("columnheader", name="Resource", exact=True).get_by_role("button")
    button.click()
    assert rows(page) != first
    assert rows(page) == sorted(rows(page), key=str.lower)
    assert page.get_by_role("columnheader", name="Resource", exact=True).get_attribute("aria-sort") == "ascending"
    button.click()
    assert page.get_by_role("columnheader", name="Resource", exact=True).get_attribute("aria-sort") == "descending"
    button.click()
    assert rows(page) == first


@pytest.mark.parametrize(("by", "groups"), [("control", 5), ("resource", 12), ("file", 13)])
def test_groups(by: str, groups: int, open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment)
    page.locator("#group").select_option(by)
    expect(page.locator("tr.group")).to_have_count(groups)
    expect(page.locator("tr.finding")).to_have_count(13)
    page.locator(".group .opener").first.press("Enter")
    expect(page.locator(".group .opener").first).to_be_focused()
    expect(page.locator(".group .opener").first).to_have_attribute("aria-expanded", "false")
    assert page.locator("tr.finding").count() < 13


def test_details_show_evidence(open_report: Open, assessment: Assessment) -> None:
    page = open_report(add_extras(assessment), "#q=cache")
    opener = page.locator(".finding .opener")
    opener.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    details = page.locator(".details")
    for text in (
        "An attacker in the container would own the node.",
        "Set what is named to what is safe.",
        "set spec.template.spec.containers[1].securityContext.privileged to false",
        "the value comes from chart/values.yaml:14 cache.securityContext.privileged",
        "rendered from chart shop/cache with values-prod.yaml",
    ):
        expect(details).to_contain_text(text)
    hit = details.locator(".line.highlighted")
    expect(hit).to_have_attribute("data-line", "31")
    expect(hit).to_contain_text("</script><img src=x onerror=alert(1)>&amp;<!--")
    opener.press("Space")
    expect(details).to_have_count(0)


def test_huge_name_does_not_fill_the_page(open_report: Open, assessment: Assessment) -> None:
    result = assessment.results[2]
    name = "x" * 1_000_000
    resource = msgspec.structs.replace(result.subject, content={"kind": "Pod", "metadata": {"name": name}})
    page = open_report(msgspec.structs.replace(assessment, results=(SubjectResult(resource, result.verdicts),)))
    page.locator(".finding .opener").click()
    expect(page.locator(".details")).to_contain_text("Link to this finding")
    assert len(page.locator("#list").inner_text()) < 5_000


def test_keyboard_navigation(open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    focused = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focused.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"q", "framework", "group", "opener"} <= focused
    page.locator(".finding .opener").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".details")).to_have_count(1)


def test_link_opens_finding_on_its_page(open_report: Open, assessment: Assessment) -> None:
    page = open_report(multiply_findings(assessment, 700))
    key = page.evaluate("findings.find((finding) => finding.resource.name === 'app-623').key")
    link = open_report(multiply_findings(assessment, 700), f"#finding={key}")
    expect(link.locator(".details")).to_be_in_viewport()
    expect(link.locator(".finding", has_text="app-623")).to_be_in_viewport()
    assert int(link.evaluate("view.page")) > 1
    link.get_by_role("link", name="Link to this finding").click()
    assert link.evaluate("location.hash") == f"#finding={key}"
    excepted = open_report(add_extras(assessment))
    key = excepted.evaluate("findings.find((finding) => finding.isExcepted && finding.resource.name === 'web-6').key")
    excepted.evaluate(f"location.hash = 'finding={key}'")
    expect(excepted.locator("#count")).to_have_text("2 findings covered by exceptions")
    expect(excepted.locator(".details")).to_contain_text("legacy-web")


def test_address_keeps_the_view(open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment, "#q=web&severity=High&framework=NSA&namespace=default&group=file&sort=-place")
    expect(page.locator("#q")).to_have_value("web")
    expect(page.locator("#severities").get_by_label("High")).to_be_checked()
    expect(page.locator("#priorities").get_by_label("High")).not_to_be_checked()
    expect(page.locator("#framework")).to_have_value("NSA")
    expect(page.locator("#group")).to_have_value("file")
    assert rows(page)[0] == "Deployment web-6"


@pytest.mark.parametrize(
    "address", ["#group=constructor&sort=__proto__&page=-7", "#finding=zz", "#nowhere", "#a=%E0%A4%A"]
)
def test_invalid_addresses(address: str, open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment, address)
    expect(page.locator("#count")).to_have_text("13 findings")
    expect(page.locator("tr.group")).to_have_count(5)


def test_controls_link_to_findings_and_back(open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment)
    page.locator("#controls-status").select_option("gap")
    expect(page.locator("#controls-count")).to_have_text("3 controls")
    page.locator("#controls-status").select_option("")
    page.get_by_role("link", name="9 of 9 resources failed").first.click()
    expect(page.locator("#count")).to_have_text("9 of 13 findings")
    expect(page.locator("#only")).to_have_text("Only control C-0057 Privileged container.")
    page.locator(".finding .opener").first.click()
    page.get_by_role("link", name="More about C-0057").click()
    expect(page.locator("#c1 details")).to_have_attribute("open", "")
    expect(page.locator("#c1")).to_be_in_viewport()


def test_long_list_has_pages(open_report: Open, assessment: Assessment) -> None:
    page = open_report(multiply_findings(assessment, 5000), "#group=none")
    expect(page.locator("tr.finding")).to_have_count(100)
    expect(page.locator("#pages")).to_contain_text("Page 1 of 50")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#pages")).to_contain_text("Page 2 of 50")
    assert "page=2" in page.evaluate("location.hash")
    page.get_by_role("button", name="Last").click()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.locator("#q").fill("app-4999")
    expect(page.locator("#count")).to_have_text("1 of 5,000 findings")
    expect(page.locator("#pages")).to_be_hidden()


def read_first_pages(paper: Path) -> str:
    """Return the text of the first pages on one line, without ligatures."""
    pages = PdfReader(paper).pages[:10]
    return " ".join(unicodedata.normalize("NFKC", " ".join(page.extract_text() for page in pages)).split())


def test_print_has_every_finding_and_no_controls(open_report: Open, assessment: Assessment, tmp_path: Path) -> None:
    page = open_report(add_extras(assessment))
    paper = tmp_path / "paper.pdf"
    page.pdf(path=paper, format="A4")
    text = read_first_pages(paper)
    for part in ("62 %", "Deployment default/web-5", "mapping values are not allowed", "moves in spring"):
        assert part in text
    assert "a load balancer leads to it" in text, "a folded section is not printed"
    assert "Clear filters" not in text
    assert page.locator("#print").inner_html() == ""
    many_pages = open_report(multiply_findings(assessment, 2500), "#severity=High,Medium")
    many_pages.pdf(path=paper, format="A4")
    first = read_first_pages(paper)
    assert "Filtered: 2,500 of 2,500 findings." in first
    assert "The first 2,000 of 2,500 findings are printed" in first


def test_dark_mode(open_report: Open, assessment: Assessment) -> None:
    colours = [
        open_report(assessment, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert [int(colour.removeprefix("rgb(").split(",")[0]) > 128 for colour in colours] == [True, False]


def test_readable_without_script(open_report: Open, assessment: Assessment) -> None:
    page = open_report(assessment, java_script_enabled=False)
    expect(page.locator("noscript .caution")).to_be_visible()
    expect(page.locator("#tools")).to_be_hidden()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.locator("#controls-list")).to_contain_text("9 of 9 resources failed")


def test_page_fits_a_phone(open_report: Open, assessment: Assessment) -> None:
    page = open_report(add_extras(assessment), viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_tables_fit_a_phone(open_report: Open, assessment: Assessment) -> None:
    """Check that no table has columns that are cut until the reader scrolls."""
    for report in (add_extras(assessment), assess_vulnerable()):
        page = open_report(report, viewport={"width": 400, "height": 844})
        for part in page.locator("details > summary").all():
            part.evaluate("node => node.parentElement.open = true")
        cut = page.evaluate(
            "[...document.querySelectorAll('section table')].filter((table) => table.offsetParent &&"
            " table.getBoundingClientRect().right > table.closest('section').getBoundingClientRect().right)"
            ".map((table) => table.className || table.getAttribute('aria-labelledby'))"
        )
        assert cut == []


@pytest.mark.parametrize("width", [400, 800, 1000, 1200, 1600])
def test_charts_stay_in_their_columns(width: int, open_report: Open, assessment: Assessment) -> None:
    images = assess_vulnerable()
    mixed = msgspec.structs.replace(
        assessment,
        results=(*assessment.results, *images.results),
        summaries=(*assessment.summaries, *images.summaries),
    )
    page = open_report(mixed, viewport={"width": width, "height": 844})
    wide = page.evaluate(
        "[...document.querySelectorAll('.columns > div')].filter((column) =>"
        " column.querySelector('table').getBoundingClientRect().right > column.getBoundingClientRect().right + 1).length"
    )
    assert wide == 0


def test_details_fit_a_phone(open_report: Open, assessment: Assessment) -> None:
    page = open_report(add_extras(assessment), "#group=none", viewport={"width": 390, "height": 844})
    page.locator(".finding").nth(2).click()
    for part in ("#controls", "#frameworks", "#not-evaluated"):
        page.locator(f"{part} details > summary").first.click()
    expect(page.locator(".details .excerpt").first).to_be_visible()
    overflowing = page.evaluate(
        "[...document.querySelectorAll('section > table, .detail, .chapters, #list')].filter((node) =>"
        " node.getBoundingClientRect().right > node.closest('section').getBoundingClientRect().right).length"
    )
    assert (overflowing, page.evaluate("document.documentElement.scrollWidth") <= 390) == (0, True)


def test_groups_are_aligned_on_a_phone(open_report: Open, assessment: Assessment) -> None:
    """Check that a control's name is beside its severity for every length of the severity's word."""
    page = open_report(multiply_findings(assessment, 60), "#group=control", viewport={"width": 390, "height": 844})
    heads = page.locator(".group .opener")
    assert heads.count() == 2
    for head in heads.all():
        label, badge, number = (head.locator(name).bounding_box() for name in (".label", ".badge", ".count"))
        assert label is not None
        assert badge is not None
        assert number is not None
        assert abs(label["y"] - badge["y"]) < badge["height"] / 2
        assert number["y"] >= label["y"] + label["height"] / 2


@pytest.mark.parametrize("width", [390, 1280])
def test_attack_picture_is_readable(width: int, open_report: Open, assessment: Assessment) -> None:
    """Check that the picture has its drawn size and scrolls in a frame that is too narrow."""
    page = open_report(add_extras(assessment), viewport={"width": width, "height": 844})
    svg_width, displayed_width = page.evaluate(
        "(() => { const svg = document.querySelector('.picture svg');"
        " return [svg.getAttribute('width'), svg.getBoundingClientRect().width]; })()"
    )
    assert float(svg_width) == displayed_width


def test_paths_wrap_between_parts(open_report: Open, assessment: Assessment) -> None:
    page = open_report(multiply_findings(assessment, 10), "#group=none")
    cell = page.locator(".finding .c-fix code").first
    text = cell.text_content()
    assert text is not None
    assert text.startswith("set spec.template.spec.containers[")
    assert cell.locator("wbr").count() == text.count(".")
    assert page.evaluate("getComputedStyle(document.querySelector('.c-fix code')).wordBreak") == "normal"


def test_policy_blocks_injected_content(browser: Browser, assessment: Assessment, tmp_path: Path) -> None:
    """Check that injected markup neither runs nor loads nor is styled."""
    file = tmp_path / "report.html"
    with file.open("w", encoding="utf-8") as stream:
        load("html").render(assessment, stream, ReportOptions())
    page = browser.new_page()
    page.goto(file.as_uri())
    stopped = page.evaluate(INTRUSION)
    assert sorted(stopped) == ["img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    assert page.evaluate("window.ran") is None
    page.close()


INTRUSION: Final = """new Promise((done) => {
    const stopped = [];
    addEventListener("securitypolicyviolation", (event) => {
        stopped.push(event.effectiveDirective);
        if (stopped.length === 4) done(stopped);
    });
    const script = document.createElement("script");
    script.textContent = "window.ran = 1";
    document.body.append(script);
    const image = "<img src='http://127.0.0.1/x' style='color: red' onerror='window.ran = 2'>";
    document.body.insertAdjacentHTML("beforeend", image);
})"""
"""Script that injects a script, an image, a style and a handler, and returns the directives that blocked them."""
