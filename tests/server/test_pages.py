"""The pages in a browser: tasks of people, keys, text of attackers, and rules of accessibility (axe-core) in both themes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, ViewportSize, expect

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from tests.reports.browsers import chromium, needs_chromium
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.live import ROOT, TestServer
from tests.server.test_ingest import build, build_subject
from tests.server.test_scans_api import encode, post

pytestmark = [needs_chromium, pytest.mark.reads("web/src")]
AXE: Final = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of a test
_LINK: Final = re.compile(r"http://\S+/sign-in#\S+")
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_SECONDS: Final = 60
WIDE: Final[ViewportSize] = {"width": 1440, "height": 900}
NARROW: Final[ViewportSize] = {"width": 400, "height": 800}
expect.set_options(timeout=_SECONDS * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("demo"), "--demo") as server:
        yield server


@pytest.fixture(scope="module")
def session(demo: EmbeddedServer, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sign_in(demo, browser, tmp_path_factory.mktemp("session") / "state.json")


@pytest.fixture
def page(browser: Browser, demo: EmbeddedServer, session: Path) -> Iterator[Page]:
    context = browser.new_context(storage_state=session, base_url=demo.url, viewport=WIDE)
    yield open_page(context)
    context.close()


def sign_in(server: TestServer, browser: Browser, file: Path) -> Path:
    """Write the cookies of the administrator, who signs in by the printed link, into a file."""
    context = browser.new_context()
    page = context.new_page()
    link = _LINK.search(server.log)
    assert link is not None, server.log
    page.goto(link[0])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert "#" not in page.url
    context.storage_state(path=file)
    context.close()
    return file


errors: Final[list[str]] = []
"""Errors of scripts, dialogs, and content that the policy refused, in the pages of a test."""


@pytest.fixture(autouse=True)
def check_errors() -> Iterator[None]:
    errors.clear()
    yield
    assert errors == []


def open_page(context: BrowserContext) -> Page:
    """Return a page whose errors fail the test."""
    page = context.new_page()
    page.set_default_timeout(_SECONDS * 1000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", refuse_dialog)
    page.on("console", lambda message: record_refusal(message.text))
    return page


def refuse_dialog(dialog: Dialog) -> None:
    errors.append(dialog.message)
    dialog.dismiss()


def record_refusal(text: str) -> None:
    if "Content Security Policy" in text:
        errors.append(text)


def wait_for_content(page: Page) -> None:
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


PATHS: Final = {
    "/": "Overview",
    "/this-week": "This week",
    "/this-week?open=maven/org.apache.logging.log4j/log4j-core": "This week",
    "/findings": "Findings",
    "/findings?text=privileged&priority=high": "Findings",
    "/findings?group=control": "Findings",
    "/findings?group=workload": "Findings",
    "/images": "Images",
    "/images?repository=ghcr.io/shop/search-api&assessed=true": "Images",
    "/vulnerabilities": "Vulnerabilities",
    "/vulnerabilities/CVE-2021-44228": "CVE-2021-44228",
    "/packages": "Packages",
    "/packages/maven/org.apache.logging.log4j%2Flog4j-core?below=2.17.1": "log4j-core",
    "/frameworks": "Frameworks",
    "/frameworks/cis-v1.12.0?open=5.2.2": "CIS Kubernetes Benchmark",
    "/identities": "Identities",
    "/identities?cluster=2&open=ServiceAccount/platform/build-agent": "Identities",
    "/identities/who-can?cluster=2&verb=get&resource=secrets&namespace=payments": "Who can",
    "/decisions": "Decisions",
    "/decisions?open=1": "Decisions",
    "/sources": "Sources",
    "/sources/1": "",
    "/sources/2": "",
    "/sources?kind=repository": "Sources",
    "/compare": "Compare",
    "/compare?from=1&to=2": "Compare",
    "/settings/users": "Settings",
    "/settings/tokens": "Settings",
    "/settings/notifications": "Settings",
    "/settings/service-levels": "Settings",
    "/findings?due=overdue": "Findings",
    "/settings/log": "Settings",
    "/settings/account": "Settings",
    "/device": "Connect a program",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_page_obeys_the_rules_of_accessibility(
    browser: Browser, demo: EmbeddedServer, session: Path, path: str, scheme: Any
) -> None:
    context = browser.new_context(
        storage_state=session, base_url=demo.url, color_scheme=scheme, viewport=WIDE, bypass_csp=True
    )
    page = open_page(context)
    page.goto(path)
    wait_for_content(page)
    expect(page.locator("h1")).to_contain_text(PATHS[path])
    check_rules(page)
    page.set_viewport_size(NARROW)
    wait_for_content(page)
    widths = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('.kk-scroller').scrollWidth]")
    assert max(widths) <= NARROW["width"]
    check_rules(page)
    context.close()


def check_rules(page: Page) -> None:
    page.add_script_tag(path=AXE)
    result = page.evaluate("tags => axe.run(document, {runOnly: tags})", _TAGS)
    violations = [
        (violation["id"], [node["html"][:200] + node["failureSummary"] for node in violation["nodes"][:3]])
        for violation in result["violations"]
    ]
    assert violations == []


def test_security_lead_gets_from_a_cve_to_the_exposed_workload(page: Page) -> None:
    page.goto("/")
    wait_for_content(page)
    page.keyboard.press("Control+k")
    search = page.get_by_role("dialog", name="Search")
    search.get_by_role("combobox").fill("cve-2021-44228")
    expect(search.get_by_role("option").first).to_contain_text("CVE-2021-44228")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("CVE-2021-44228")
    expect(page.get_by_text("can be reached from outside")).to_be_visible()
    first = page.get_by_role("table", name="Workloads").locator("tbody tr").first
    expect(first).to_contain_text("reachable from outside")
    first.click()
    expect(page.get_by_role("heading", name="Why it matters")).to_be_visible()
    expect(page.get_by_role("heading", name="History")).to_be_visible()


def test_engineer_gets_from_the_overview_to_the_change(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Fix first")).to_be_visible()
    page.locator(".kk-first a").first.click()
    expect(page.get_by_role("complementary", name="Details")).to_contain_text(
        "Rebuild the images on a current base image"
    )
    page.go_back()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_filters_and_order_are_in_the_address(page: Page) -> None:
    page.goto("/findings")
    wait_for_content(page)
    page.get_by_label("Priority").select_option("critical")
    page.get_by_role("searchbox", name="Control, title or workload").fill("privileged")
    expect(page).to_have_url(re.compile("priority=critical.*text=privileged"))
    rows = page.locator("tbody tr[data-index]")
    expect(rows.first).to_contain_text("privileged")
    page.get_by_role("button", name="Open since").click()
    expect(page).to_have_url(re.compile("order=newest"))
    page.reload()
    expect(rows.first).to_contain_text("privileged")
    expect(page.get_by_role("list", name="Active filters")).to_contain_text("Priority: Critical")
    page.get_by_role("searchbox", name="Control, title or workload").fill("no finding has this text")
    expect(page.get_by_text("No row has all of these properties")).to_be_visible()
    page.get_by_role("button", name="Remove all filters").first.click()
    expect(rows.first).to_be_visible()
    assert "priority" not in page.url


def test_severity_of_the_control_is_one_of_more_filters_and_in_the_panel(page: Page) -> None:
    page.goto("/findings")
    wait_for_content(page)
    expect(page.get_by_label("Severity")).to_be_hidden()
    page.get_by_text("More filters").click()
    page.get_by_label("Severity").select_option("low")
    expect(page).to_have_url(re.compile("severity=low"))
    # The rows before the filter stay until those after it arrive.
    page.reload()
    page.locator("tbody tr[data-index]").first.click()
    facts = page.get_by_role("complementary").filter(has_text="Severity of the control")
    expect(facts).to_contain_text(re.compile("Priority.*Severity of the control\\s*low", re.DOTALL))


def test_group_opens_its_findings(page: Page) -> None:
    page.goto("/findings?state=unknown")
    page.get_by_label("Group by").select_option("control")
    first = page.get_by_role("table", name="Controls").locator("tbody tr").first
    expect(first).to_contain_text("C-")
    # Groups of controls have no state.
    assert "state" not in page.url
    count = first.locator("td").nth(2).inner_text()
    first.click()
    expect(page).to_have_url(re.compile(r"/findings\?definition="))
    expect(page.get_by_role("table", name="Findings").locator("tbody tr").first).to_be_visible()
    expect(page.locator(".kk-summary")).to_contain_text(f"{count} finding")


def test_workload_as_a_group_opens_its_findings(page: Page) -> None:
    page.goto("/findings?group=workload&priority=high")
    first = page.get_by_role("table", name="Workloads").locator("tbody tr").first
    name = first.locator("td").first.inner_text().splitlines()[0].split("/")[-1]
    first.click()
    expect(page.get_by_role("list", name="Active filters")).to_contain_text(f"Workload: {name}")
    rows = page.get_by_role("table", name="Findings").locator("tbody tr[data-index]")
    expect(rows.first).to_contain_text(name)
    assert set(rows.locator("td:nth-child(2)").all_inner_texts()) == {"\N{BLACK DIAMOND} High"}


def test_change_removes_findings_of_a_control(page: Page) -> None:
    page.goto("/findings?group=change&exposed=true")
    table = page.get_by_role("table", name="Changes")
    expect(table.locator("tbody tr").first).to_contain_text("reachable from outside")


def test_rare_filters_are_in_the_address(page: Page) -> None:
    page.goto("/findings")
    page.get_by_text("More filters").click()
    page.get_by_label("Opened since").fill("2020-01-01")
    page.get_by_label("Problem").select_option("misconfiguration")
    page.get_by_label("Kind").select_option("Deployment")
    expect(page).to_have_url(re.compile("openedSince=2020-01-01.*definitionKind=misconfiguration.*kind=Deployment"))
    expect(page.locator("tbody tr[data-index]").first).to_contain_text("Deployment in")
    page.get_by_label("Opened before").fill("2020-01-02")
    expect(page.get_by_text("No row has all of these properties")).to_be_visible()


def test_row_opens_and_closes_by_keys(page: Page) -> None:
    page.goto("/findings")
    wait_for_content(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.dataset.row")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Details")).to_contain_text("What to change")
    assert f"open={focused}" in page.url
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary", name="Details")).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.row") == focused
    page.keyboard.press("e")
    expect(page.get_by_role("complementary", name="Details")).to_contain_text("What to change")


def test_row_under_the_pointer_is_read_before_it_is_opened(page: Page) -> None:
    for path, operation in (("/findings", "/subjects/"), ("/vulnerabilities", "/workloads")):
        page.goto(path)
        wait_for_content(page)
        with page.expect_response(lambda answer, operation=operation: operation in answer.url):  # type: ignore[misc]
            page.locator("tr[data-index='2']").hover()


def test_order_of_cards_is_chosen_from_a_list(page: Page) -> None:
    page.goto("/findings")
    wait_for_content(page)
    expect(page.get_by_label("Sort by")).to_be_hidden()
    page.set_viewport_size({"width": 400, "height": 900})
    page.get_by_label("Sort by").select_option("Open since: oldest first")
    expect(page).to_have_url(re.compile("order=oldest"))
    page.set_viewport_size(WIDE)
    title = page.get_by_role("columnheader", name="Open since")
    expect(title).to_have_attribute("aria-sort", "ascending")
    title.get_by_role("button").click()
    expect(title).to_have_attribute("aria-sort", "descending")


def test_search_and_forms_begin_in_their_first_field(page: Page) -> None:
    page.goto("/")
    wait_for_content(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("log4j-core")
    page.get_by_role("listbox", name="Matches").get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("log4j-core")
    page.goto("/settings/tokens")
    page.get_by_role("button", name="Create a token").click()
    page.keyboard.type("ci")
    expect(page.get_by_label("Name", exact=True)).to_have_value("ci")


def test_list_reads_more_rows_when_they_come_into_view(page: Page) -> None:
    page.goto("/findings")
    wait_for_content(page)
    before = page.locator("tbody tr[data-index]").count()
    page.evaluate("""
        setInterval(() => {
            const scroller = document.querySelector(".kk-scroller");
            scroller.scrollTo(0, scroller.scrollHeight);
        }, 50)
    """)
    rows = page.locator("tbody tr[data-index]")
    deadline = time.monotonic() + _SECONDS
    while int(rows.last.get_attribute("data-index") or 0) < 250:
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    # Rows out of view are not in the document.
    assert page.locator("tbody tr[data-index]").count() < 3 * before


def test_scope_stays_from_page_to_page(page: Page) -> None:
    page.goto("/findings")
    page.get_by_role("button", name="Scope").click()
    page.get_by_role("checkbox", name="prod-eu").check()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Vulnerabilities").click()
    expect(page).to_have_url(re.compile(r"/vulnerabilities\?source=\d+"))
    expect(page.get_by_role("button", name="Scope")).to_contain_text("prod-eu")


def test_user_of_one_role_sees_what_it_includes(browser: Browser, page: Page, demo: EmbeddedServer) -> None:
    page.goto("/settings/users")
    page.get_by_role("button", name="Add a user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").first.fill("viewer of a test")
    dialog.get_by_role("button", name="Add and create a sign-in link").click()
    link = page.get_by_role("dialog", name="Sign-in link").locator("code").inner_text()
    context = browser.new_context(base_url=demo.url)
    viewer = open_page(context)
    viewer.goto(link)
    viewer.get_by_role("button", name="Sign in").click()
    viewer.get_by_label("New password").fill(PASSWORD)
    viewer.get_by_role("button", name="Save the password").click()
    expect(viewer.get_by_role("heading", name="Overview")).to_be_visible()
    viewer.goto("/settings")
    expect(viewer.get_by_role("link", name="Your account").last).to_be_visible()
    expect(viewer.get_by_role("link", name="Users")).to_have_count(0)
    viewer.goto("/settings/users")
    expect(viewer.get_by_role("alert")).to_contain_text("Your role does not include this")
    viewer.locator("summary", has_text="viewer of a test").click()
    viewer.get_by_role("button", name="Sign out").click()
    expect(viewer.get_by_role("heading", name="Sign in")).to_be_visible()
    viewer.goto("/findings")
    expect(viewer.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_manager_decides_on_a_finding_and_sees_what_the_decision_covers(page: Page) -> None:
    page.goto("/findings?text=C-0057")
    first = page.locator("a.kk-row-link").first
    first.click()
    page.get_by_role("button", name="Decide").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("The vendor requires it.")
    dialog.get_by_role("button", name="Decide").click()
    page.get_by_role("link", name="Decision 7").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Risk accepted")
    page.get_by_role("link", name="1 finding").click()
    expect(page.locator("a.kk-row-link")).to_have_count(1)
    page.goto("/decisions?open=7")
    page.get_by_label("New comment").fill("See the ticket.")
    page.get_by_role("button", name="Comment").click()
    expect(page.get_by_text("See the ticket.", exact=True)).to_be_visible()
    page.get_by_role("button", name="End it now").click()
    page.get_by_role("dialog").get_by_role("button", name="End it now").click()
    expect(page.get_by_text("nothing now")).to_be_visible()


def test_proposed_decision_is_approved(page: Page) -> None:
    page.goto("/decisions?state=proposed")
    expect(page.get_by_text("1 waits for approval")).to_be_visible()
    page.locator("a.kk-row-link").click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("none waits for approval")).to_be_visible()
    page.goto("/findings?state=decided&text=C-0012")
    expect(page.locator("a.kk-row-link").first).to_be_visible()


def test_change_is_assigned_to_a_team(page: Page) -> None:
    """The manager assigns the first change of the week; the list, the decision and its link show it."""
    page.goto("/")
    page.get_by_role("link", name=re.compile("See all .* changes")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This week")
    first = page.locator("tr[data-index='0']")
    expect(first).to_contain_text("nobody")
    first.locator("a.kk-row-link").click()
    panel = page.get_by_role("complementary", name="Details")
    panel.get_by_role("button", name="Assign").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("select").first).to_have_value("in-progress")
    dialog.get_by_label("Reason").fill("The new base image comes on Thursday.")
    dialog.get_by_label("Owner").fill("base images")
    dialog.get_by_label("Tickets and pull requests").fill("https://git.example.com/base/pull/9")
    dialog.get_by_role("button", name="Decide").click()
    dialog.get_by_role("button", name="Close").click()
    expect(first).to_contain_text("base images")
    link = panel.get_by_role("link", name="git.example.com/base/pull/9")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    panel.get_by_role("link", name="base images").click()
    page.get_by_role("button", name="Owner, due date, links").click()
    page.get_by_role("dialog").get_by_label("Owner").fill("payments team")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("complementary", name="Details")).to_contain_text("payments team")
    page.goto("/decisions?owner=payments+team&kind=in-progress")
    expect(page.locator("tr[data-index]")).to_have_count(2)


def test_vulnerability_is_decided_for_images(page: Page) -> None:
    page.goto("/vulnerabilities")
    page.locator("a.kk-row-link").first.click()
    page.get_by_role("button", name="Decide").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Decision").select_option("false-positive")
    dialog.get_by_label("Reason").fill("The function is not linked.")
    dialog.get_by_role("button", name="Decide").click()
    dialog.get_by_role("link").click()
    expect(page.get_by_text("problems of images")).to_be_visible()
    page.get_by_role("button", name="End it now").click()
    page.get_by_role("dialog").get_by_role("button", name="End it now").click()
    expect(page.get_by_text("nothing now")).to_be_visible()


def test_manager_adds_a_destination_and_a_rule_with_a_preview(page: Page) -> None:
    page.goto("/settings/notifications")
    page.get_by_role("button", name="Add a destination").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("ticket system")
    dialog.get_by_label("Kind").select_option("webhook")
    dialog.get_by_label("Address").fill("https://tickets.example.com/hook")
    dialog.get_by_label("Secret of the signature").fill("a secret of the test")
    dialog.get_by_role("button", name="Add").click()
    expect(page.get_by_role("cell", name="Signed webhook")).to_be_visible()
    assert "a secret of the test" not in page.content()
    page.get_by_role("button", name="Add a rule").click()
    dialog.get_by_label("Name", exact=True).fill("urgent")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.locator("pre")).to_contain_text("finding")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("cell", name="New finding, Finding is back; priority critical, high")).to_be_visible()
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("off", exact=True)).to_be_visible()


def test_documents_of_software_are_downloads(page: Page) -> None:
    page.goto("/sources/1")
    with page.expect_download() as download:
        page.get_by_role("link", name="SBOM, CycloneDX").click()
    assert msgspec.json.decode(download.value.path().read_bytes())["bomFormat"] == "CycloneDX"


def test_administrator_deletes_a_source(browser: Browser, tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        state = sign_in(server, browser, tmp_path / "state.json")
        context = browser.new_context(storage_state=state, base_url=server.url, viewport=WIDE)
        page = open_page(context)
        with server.client(server.create_token()) as client:
            scan = build(0, build_subject(1, "C-0001"), source=SourceCluster("old", "old cluster"))
            assert post(client, encode(scan)).status_code == 201
        page.goto("/sources/1")
        page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("1 open finding")
        confirm = dialog.get_by_role("button", name="Delete the source")
        expect(confirm).to_be_disabled()
        dialog.get_by_role("textbox").fill("old cluster")
        confirm.click()
        expect(page.get_by_role("heading", name="No source reports yet")).to_be_visible()
        with server.client(server.create_token("viewer")) as client:
            assert client.get("/api/v1/sources/1").status_code == 404
        context.close()


@pytest.mark.parametrize("width", [1440, 1280, 1279, 992, 991, 768, 767, 400])
def test_navigation_and_content_fit_each_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/vulnerabilities")
    wait_for_content(page)
    menu = page.get_by_role("button", name="Navigation")
    if menu.is_visible():
        menu.click()
    expect(page.get_by_role("link", name="Packages")).to_be_in_viewport()
    overflow = (
        "[...document.querySelectorAll('main table')].some((table) => table.getBoundingClientRect().right > innerWidth)"
    )
    assert not page.evaluate(overflow)


HOSTILE: Final = "<img src=x onerror=alert(1)>\"'{{7*7}}${7*7}<script>alert(2)</script>"


def test_text_of_a_scan_is_only_text(browser: Browser, tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        context = browser.new_context(
            storage_state=sign_in(server, browser, tmp_path / "state.json"), base_url=server.url, viewport=WIDE
        )
        page = open_page(context)
        page.goto("/")
        expect(page.get_by_role("heading", name="No source reports yet")).to_be_visible()
        expect(page.get_by_text(f"kubekeep login --server {server.url}")).to_be_visible()
        with server.client(server.create_token()) as client:
            assert post(client, encode(build_hostile_scan())).status_code == 201
        for path in ("/", "/findings", "/sources", f"/findings?text={HOSTILE}"):
            page.goto(path)
            wait_for_content(page)
        page.goto("/findings")
        expect(page.locator("tbody tr[data-index]").first).to_contain_text("<img src=x onerror=alert(1)>")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("complementary", name="Details")).to_contain_text("<script>alert(2)</script>")
        assert page.locator("a[href^='javascript']").count() == 0
        assert page.locator("img[src='x']").count() == 0
        context.close()


def build_hostile_scan() -> Submission:
    scan = build(0, build_subject(1, "C-0001"), source=SourceCluster("hostile", HOSTILE))
    definitions = tuple(
        msgspec.structs.replace(
            entry, title=HOSTILE, remediation=HOSTILE, references=("javascript:alert(3)",), page="javascript:alert(4)"
        )
        for entry in scan.definitions
    )
    return msgspec.structs.replace(scan, definitions=definitions)
