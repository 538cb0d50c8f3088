"""The section on vulnerabilities of the HTML report: complete without its script, and its list in a real browser."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from lxml import html
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.reports.browsers import chromium, needs_chromium
from tests.reports.hostile import TAME, TEXTS
from tests.reports.registration import list_tags
from tests.reports.test_vulnerabilities import LONGEST, taint
from tests.reports.vulnerable import assess_vulnerable, read_image

from kubekeep.model.assessment import Assessment
from kubekeep.reports import ReportOptions, load

Open = Callable[..., Page]
MANY: Final = 5_000


def render_page(assessment: Assessment) -> str:
    stream = io.StringIO()
    load("html").render(assessment, stream, ReportOptions())
    return stream.getvalue()


def parse_page(text: str) -> Any:
    return html.document_fromstring(text)


def read_section(assessment: Assessment) -> Any:
    return parse_page(render_page(assessment)).get_element_by_id("vulnerabilities")


def read_text(node: Any) -> str:
    return " ".join(" ".join(node.itertext()).split())


def multiply(count: int) -> dict[str, Any]:
    """Return the document of an image with `count` vulnerabilities of a thousand packages."""
    document = read_image()
    first = document["vulnerabilities"][0]
    package = document["packages"][first["packageNumber"]]
    document["upgrades"] = []
    document["packages"] = [
        {**package, "purl": f"pkg:pypi/package-{number}@1.0", "path": f"/opt/{number}/METADATA"}
        for number in range(1000)
    ]
    document["vulnerabilities"] = [
        {
            **first,
            "id": f"CVE-2025-{number:05}",
            "package": f"package-{number % 1000}",
            "purl": f"pkg:pypi/package-{number % 1000}@1.0",
            "path": f"/opt/{number % 1000}/METADATA",
            "fixedVersion": "2.0" if number % 3 else "",
            "packageNumber": number % 1000,
        }
        for number in range(count)
    ]
    return document


def test_images_are_summarised_without_script() -> None:
    section = read_section(assess_vulnerable())
    text = read_text(section)
    assert "registry.example.com/shop/web:1.4 AlmaLinux 9.2 (Turquoise Kodkod) · linux/amd64 · sha256:dddd" in text
    assert "Critical 3 High 1 Medium 2 Low 1 Unknown 1 7 with a fix · 3 known to be exploited" in text
    assert "1 package not assessed (generic): no source of advisories covers packages of type generic" in text
    first, *_ = section.xpath(".//table[@class='upgrades']//tbody/tr")
    assert read_text(first) == ("Critical pillow 9.5.0 10.0.1 CVE-2023-4863, CVE-2023-44271 exploited")
    layers = [read_text(row) for row in section.xpath(".//table[@class='layers']//tbody/tr")]
    assert layers[0] == "ADD almalinux-9.2.tar.xz / sha256:aaaaaaaaaaaa 2 1"
    assert len(layers) == 3
    (excepted,) = section.xpath(".//table[@class='excepted']//tbody/tr")
    assert read_text(excepted).startswith("CVE-2023-44487 google.golang.org/grpc v1.56.2 VEX statement gateway.openvex")
    assert not section.xpath(".//table[@class='excepted']/ancestor::details[@open]")


def test_upgrades_without_advice_have_exactly_one_fixed_version() -> None:
    document = read_image()
    document["upgrades"] = []
    rows = [
        read_text(row)
        for row in read_section(assess_vulnerable(document)).xpath(".//table[@class='upgrades']//tbody/tr")
    ]
    assert [row.split()[1] for row in rows] == ["libnghttp2", "libwebp", "glibc", "setuptools", "lodash"]
    assert not any("pillow" in row for row in rows), "two vulnerabilities have different fixed versions"


def test_vulnerabilities_are_not_among_the_controls() -> None:
    page = parse_page(render_page(assess_vulnerable()))
    assert not page.xpath("//*[@id='controls' or @id='findings']")
    assert "9 8 with a fix, 4 known to be exploited, in 2 images or SBOMs; 1 of 11 packages not assessed" in read_text(
        page.get_element_by_id("overview")
    )
    assert "Compliance" not in read_text(page.get_element_by_id("overview"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"vulnerabilities": [], "assessment": {"notAssessed": []}}, "no known vulnerability"),
        (
            {"vulnerabilities": []},
            "no open vulnerability in the packages that were assessed; 1 of 10 packages not assessed",
        ),
    ],
)
def test_image_without_vulnerabilities(changes: dict[str, Any], text: str) -> None:
    section = read_section(assess_vulnerable({**read_image(), **changes}))
    assert text in read_text(section)
    assert not section.xpath(".//table")


@pytest.mark.parametrize("aim", TEXTS)
def test_hostile_text_keeps_structure(aim: str) -> None:
    text = TEXTS[aim][:LONGEST].encode("utf-8", "replace").decode()
    actual, tame = (list_tags(render_page(assess_vulnerable(taint(read_image(), each)))) for each in (text, TAME))
    assert actual == tame or not text.strip()


def test_thousands_fit_into_the_page() -> None:
    text = render_page(assess_vulnerable(multiply(MANY)))
    assert len(text) < 1_500_000, "about 250 bytes for each vulnerability"
    data = json.loads(parse_page(text).get_element_by_id("data").text)
    assert len(data["vulnerabilities"]) == MANY
    assert len(data["packages"]) == 1000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Yield a function that opens the report of an assessment; console messages and requests fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(assessment: Assessment, **options: Any) -> Page:
        file = tmp_path / "report.html"
        file.write_text(render_page(assessment), encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if request.url != file.as_uri() else None)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@needs_chromium
def test_list_is_filtered(open_report: Open) -> None:
    page = open_report(assess_vulnerable())
    count = page.locator("#v-count")
    expect(count).to_have_text("9 vulnerabilities")
    page.locator("#v-severities").get_by_label("High").check()
    expect(count).to_have_text("5 of 9 vulnerabilities")
    page.locator("#v-exploited").check()
    expect(count).to_have_text("4 of 9 vulnerabilities")
    page.locator("#v-type").select_option("rpm")
    expect(count).to_have_text("2 of 9 vulnerabilities")
    page.locator("#v-q").fill("NGHTTP2 rpmdb")
    expect(count).to_have_text("1 of 9 vulnerabilities")
    page.locator("#v-q").fill("nothing")
    expect(page.locator("#v-list")).to_be_hidden()


@needs_chromium
def test_groups_and_details(open_report: Open) -> None:
    page = open_report(assess_vulnerable())
    groups = page.locator("#v-list tr.group")
    expect(groups.first).to_contain_text("registry.example.com/shop/web:1.4: ADD almalinux-9.2.tar.xz /")
    page.locator("#v-group").select_option("package")
    expect(page.locator("#v-list tr.group .label").first).to_have_text("libwebp 1.2.0-6.el9_1")
    expect(groups.first).to_contain_text("upgrade to 1.2.0-7.el9_2 · 1 vulnerability")
    page.locator("#v-list .finding .opener").first.press("Enter")
    details = page.locator("#v-list .details")
    expect(details).to_contain_text("ALSA-2023:5214 (AlmaLinux:9): libwebp 1.2.0-6.el9_1 is in < 1.2.0-7.el9_2 (rpm)")
    expect(details).to_contain_text("ADD almalinux-9.2.tar.xz / · sha256:aaaa")
    links = details.locator("a").evaluate_all("links => links.map((link) => [link.href, link.rel])")
    assert links[0] == ["https://nvd.nist.gov/vuln/detail/CVE-2023-4863", "noreferrer noopener"]
    page.locator("#v-list .finding .opener").first.press("Enter")
    expect(details).to_have_count(0)


@needs_chromium
def test_pages_of_thousands(open_report: Open) -> None:
    page = open_report(assess_vulnerable(multiply(MANY)))
    page.locator("#v-group").select_option("none")
    expect(page.locator("#v-list .finding")).to_have_count(100)
    page.locator("#v-pages").get_by_role("button", name="Last").click()
    expect(page.locator("#v-pages")).to_contain_text("Page 50 of 50")
    page.locator("#v-fixable").check()
    expect(page.locator("#v-count")).to_have_text("3,333 of 5,000 vulnerabilities")


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 1400])
def test_page_fits_the_screen(width: int, scheme: str, open_report: Open) -> None:
    page = open_report(assess_vulnerable(), viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.locator("#v-list .finding .opener").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('#v-list').scrollWidth") <= width


@needs_chromium
def test_all_are_printed(open_report: Open) -> None:
    page = open_report(assess_vulnerable())
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#v-print tbody tr").count() == 9
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#v-print tbody tr").count() == 0
