"""The pages of sources, comparisons, exports and saved views in a browser: tasks of people."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.reports.browsers import needs_chromium
from tests.server.test_pages import browser, check_errors, demo, page, session, wait_for_content

__all__ = ["browser", "check_errors", "demo", "page", "session"]
pytestmark = [needs_chromium, pytest.mark.reads("web/src")]


def test_engineer_gets_from_a_cluster_to_what_its_scanner_may_not_read(page: Page) -> None:
    page.goto("/sources?text=prod-us")
    wait_for_content(page)
    page.get_by_role("link", name="prod-us").click()
    expect(page.locator("h1")).to_contain_text("prod-us")
    coverage = page.locator("section.pf-v6-c-card").filter(has_text="Coverage of the last scan")
    expect(coverage).to_contain_text("It hides all objects of the kind Secret")
    expect(coverage).to_contain_text("list secrets")
    expect(page.get_by_role("table", name="Namespaces")).to_contain_text("payments")


def test_two_scans_are_chosen_and_compared(page: Page) -> None:
    page.goto("/sources?text=prod-us")
    wait_for_content(page)
    page.get_by_role("link", name="prod-us").click()
    expect(page.locator("h1")).to_contain_text("prod-us")
    wait_for_content(page)
    button = page.get_by_role("button", name="Compare two scans")
    expect(button).to_be_disabled()
    boxes = page.get_by_role("table", name="Last scans").get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(8).check()
    button.click()
    expect(page.locator("h1")).to_have_text("Compare")
    expect(page.get_by_text(re.compile("new in the later scan"))).to_be_visible()
    page.get_by_role("link", name="New", exact=True).click()
    expect(page).to_have_url(re.compile("change=new"))
    expect(page.get_by_role("table", name="Compared findings").locator("tbody tr[data-index]").first).to_contain_text(
        "New"
    )


def test_branch_shows_what_it_adds(page: Page) -> None:
    page.goto("/sources?text=payments-api")
    wait_for_content(page)
    page.get_by_role("link", name=re.compile(r"payments-api \(main\)")).click()
    branches = page.get_by_role("table", name="Branches and pull requests")
    expect(branches).to_contain_text("default branch")
    branches.get_by_role("link", name=re.compile(r"\d+ new, .* fixed")).first.click()
    expect(page.locator("h1")).to_have_text("Compare")
    expect(page.get_by_role("heading", name="By control")).to_be_visible()


def test_list_is_downloaded_with_its_filters(page: Page) -> None:
    page.goto("/images?text=search-api")
    wait_for_content(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert download.value.suggested_filename.startswith("images-")
    assert lines[0].startswith('"digest","references"')
    assert len(lines) > 1
    assert all("search-api" in line for line in lines[1:])


def test_view_is_saved_found_by_the_search_and_deleted(page: Page) -> None:
    page.goto("/findings?priority=critical&exposed=true")
    wait_for_content(page)
    page.get_by_role("button", name="Save this view").click()
    dialog = page.get_by_role("dialog", name="Save this view")
    dialog.get_by_label("Name").fill("<b>Monday</b>")
    dialog.get_by_role("button", name="Save", exact=True).click()
    views = page.get_by_role("list", name="Saved views")
    expect(views).to_contain_text("<b>Monday</b>")
    # A view of the demo that a team shares.
    expect(views).to_contain_text("Reachable and urgent")
    page.goto("/packages")
    wait_for_content(page)
    page.keyboard.press("Control+k")
    search = page.get_by_role("dialog", name="Search")
    search.get_by_role("combobox").fill("monday")
    expect(search.get_by_role("option").first).to_contain_text("<b>Monday</b>")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/findings\?priority=critical&exposed=true"))
    # The sentence above the filters moves them when it arrives.
    wait_for_content(page)
    views.get_by_role("button", name="Delete the view <b>Monday</b>").click()
    expect(views).not_to_contain_text("Monday")


def test_decisions_are_downloaded_as_a_file(page: Page) -> None:
    page.goto("/decisions")
    wait_for_content(page)
    page.get_by_role("button", name="Export for other programs").click()
    dialog = page.get_by_role("dialog", name="Export decisions in force")
    # The decisions of the demo on controls are about clusters.
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert json.loads(download.value.path().read_bytes()) == []
    cluster = page.request.get("/api/v1/sources?text=prod-us").json()["rows"][0]["key"]
    dialog.get_by_label("Source").fill(cluster)
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "exceptions.json"
    exceptions = json.loads(download.value.path().read_bytes())
    assert {entry["policyType"] for entry in exceptions} == {"postureExceptionPolicy"}
    expect(dialog.get_by_role("status")).to_contain_text("The file ")
    dialog.get_by_label("Format").select_option("csaf")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    advisory = json.loads(download.value.path().read_bytes())
    assert [entry["cve"] for entry in advisory["vulnerabilities"]] == ["CVE-2021-44228"]
    # A failure replaces the status of the last file.
    dialog.get_by_label("Source").fill("x" * 2_001)
    dialog.get_by_role("button", name="Download").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog.get_by_role("status")).to_have_count(0)
