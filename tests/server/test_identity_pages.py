"""The pages of identities in a browser: tasks of people."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from kubekeep_server.demo.chance import draw_key
from tests.reports.browsers import needs_chromium
from tests.server.test_pages import browser, check_errors, demo, page, session, wait_for_content

__all__ = ["browser", "check_errors", "demo", "page", "session"]
pytestmark = [needs_chromium, pytest.mark.reads("web/src")]


def find_source(page: Page, name: str, kind: str = "cluster") -> int:
    answer = page.request.get("/api/v1/sources", params={"text": name, "kind": kind})
    return int(answer.json()["rows"][0]["id"])


def test_security_lead_gets_from_the_sentence_to_the_binding_that_lets_a_service_read_secrets(page: Page) -> None:
    page.goto("/")
    wait_for_content(page)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Identities").click()
    expect(page.locator(".kk-summary")).to_contain_text("can read Secrets in all namespaces")
    page.get_by_role("combobox", name="Cluster").select_option("staging")
    expect(page.locator(".kk-summary")).to_contain_text("in staging can read")
    page.get_by_role("combobox", name="Cluster").select_option("prod-us")
    expect(page.locator(".kk-summary")).to_contain_text("5 of 31 subjects in prod-us can read Secrets")
    assert parse_qs(urlsplit(page.url).query)["cluster"] == [str(find_source(page, "prod-us"))]
    page.locator(".kk-summary").get_by_role("link", name="5 of 31 subjects").click()
    rows = page.get_by_role("table", name="Subjects").locator("tbody tr[data-index]")
    # The subjects that can do everything come first, then those with fewer rights; one may read Secrets in a namespace.
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("do everything")
    account = rows.filter(has_text="search/search-api")
    expect(account).to_contain_text("read Secrets in all namespaces")
    account.click()
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("get, list on secrets")
    expect(panel).to_contain_text("ClusterRoleBinding search-api-settings of ClusterRole secret-reader")
    expect(panel).to_contain_text("as a member of system:authenticated")
    page.reload()
    expect(panel).to_contain_text("search-api-settings")
    expect(page.get_by_role("list", name="Active filters")).to_contain_text("Can: read Secrets")


def test_filters_show_subjects_of_a_kind_and_those_that_kubernetes_has_bound(page: Page) -> None:
    page.goto(f"/identities?cluster={find_source(page, 'prod-us')}&kind=User")
    rows = page.get_by_role("table", name="Subjects").locator("tbody tr[data-index]")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("migration@shop.example")
    page.get_by_role("combobox", name="Kind").select_option("group")
    expect(rows.filter(has_text="shop:on-call")).to_have_count(1)
    expect(rows.filter(has_text="system:masters")).to_have_count(0)
    page.get_by_text("More filters").click()
    page.get_by_role("combobox", name="Bound by Kubernetes only").select_option("shown")
    expect(rows.filter(has_text="system:masters")).to_have_count(1)


def test_engineer_searches_who_can_read_the_secrets_of_a_namespace(page: Page) -> None:
    page.goto(f"/identities?cluster={find_source(page, 'prod-us')}")
    wait_for_content(page)
    page.get_by_role("link", name="Who can").click()
    page.get_by_role("link", name="Who can run commands in containers?").click()
    expect(page.locator(".kk-summary")).to_contain_text("can create pods/exec in all namespaces of prod-us")
    page.get_by_label("Verb").fill("patch")
    page.get_by_label("Resource or path").fill("deployments.apps/scale")
    page.get_by_label("Namespace").fill("payments")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".kk-summary")).to_contain_text("can patch deployments.apps/scale in namespace payments")
    rows = page.get_by_role("table", name="Permitted subjects").locator("tbody tr[data-index]")
    team = rows.filter(has_text="shop:payments")
    expect(team).to_contain_text("In namespace payments, through RoleBinding team-payments of ClusterRole edit")
    expect(rows.filter(has_text="shop:orders")).to_have_count(0)
    team.click()
    expect(page.locator("h1")).to_have_text("Identities")
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("This group can create pods in 1 namespace")
    # The namespace of the request is no filter of the list.
    expect(page.get_by_role("list", name="Active filters")).to_have_count(0)


def test_nobody_is_permitted_a_path_that_no_role_names(page: Page) -> None:
    source = find_source(page, "prod-eu")
    page.goto(f"/identities/who-can?cluster={source}&verb=get&resource=/metrics")
    rows = page.get_by_role("table", name="Permitted subjects").locator("tbody tr[data-index]")
    expect(rows.filter(has_text="observability/prometheus")).to_have_count(1)
    page.goto(f"/identities/who-can?cluster={source}&verb=fly&resource=kites.example.com&namespace=none")
    expect(page.locator(".kk-summary")).to_contain_text("can fly kites.example.com in namespace none of prod-eu")
    expect(rows.filter(has_text="observability/prometheus")).to_have_count(0)
    expect(rows.filter(has_text="platform/argo-cd")).to_have_count(0)


def test_roles_that_could_not_be_listed_are_unknown_with_the_missing_permission(page: Page) -> None:
    page.goto(f"/identities?cluster={find_source(page, 'staging')}&text=orders-api")
    notice = page.locator(".kk-unknown")
    expect(notice).to_contain_text("list roles.rbac.authorization.k8s.io: the API server denied access")
    row = page.get_by_role("table", name="Subjects").locator("tbody tr[data-index]")
    expect(row).to_contain_text("the rules of a role are not known")
    row.click()
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("It may have more permissions")
    expect(panel).to_contain_text("The rules of this role are not known")
    expect(panel).to_contain_text("RoleBinding orders-api-leader of Role leader-election")


def test_permissions_that_no_scan_has_sent_are_not_known(page: Page) -> None:
    page.goto(f"/identities?source={find_source(page, 'ledger', 'repository')}")
    expect(page.get_by_role("heading", name=re.compile("The permissions in .*ledger.* are not known"))).to_be_visible()
    expect(page.get_by_text("kubekeep scan --dry-run")).to_be_visible()
    expect(page.get_by_role("table", name="Subjects")).to_have_count(0)


def test_scope_chooses_the_cluster(page: Page) -> None:
    america = find_source(page, "prod-us")
    page.goto(f"/identities?source={america}&cluster={find_source(page, 'staging')}")
    expect(page.locator(".kk-summary")).to_contain_text("in prod-us")
    expect(page.get_by_role("combobox", name="Cluster").locator("option")).to_have_text(["prod-us"])


def test_account_on_its_page_leads_to_its_permissions(page: Page) -> None:
    key = draw_key("platform", "build-agent", "ServiceAccount")
    page.goto(f"/workloads/{find_source(page, 'prod-us')}/{key}")
    page.get_by_role("link", name="roles and bindings of this account").click()
    panel = page.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("create pods, run commands in containers, read Secrets in all namespaces")
