"""Sign-in in a browser: single sign-on with a real provider, refused users, ended sessions, and users without a role."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine, delete, insert, update

from kubekeep_server.settings import SettingsError
from kubekeep_server.store.engine import open_file_engine
from kubekeep_server.store.identity_schema import account, role_grant, session
from tests.ports import check_port, run_on_free_port
from tests.reports.browsers import needs_chromium
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.identity_provider import CLIENT_ID, CLIENT_SECRET, run_identity_provider
from tests.server.test_oidc_api import ACCOUNTS, SETTINGS
from tests.server.test_pages import AXE, browser, check_errors, open_page

__all__ = ["browser", "check_errors"]
pytestmark = [needs_chromium, pytest.mark.reads("web/src")]
MOST_REQUESTS: Final = 40
"""More requests than the pages of a sign-in need, and fewer than those of an endless redirect."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("sign-in")
    # The provider and the server need the addresses of each other.
    with run_on_free_port(lambda port: run_with_provider(folder, f"127.0.0.1:{port}")) as running:
        yield running


@contextlib.contextmanager
def run_with_provider(folder: Path, address: str) -> Iterator[EmbeddedServer]:
    client = {"client_secret": CLIENT_SECRET, "redirect_uris": [f"http://{address}/api/v1/oidc/callback"]}
    with run_identity_provider(ACCOUNTS, client) as identity:
        (folder / "secret").write_text(CLIENT_SECRET)
        settings = SETTINGS.format(issuer=identity.issuer, client=CLIENT_ID).replace("127.0.0.1:8080", address)
        (folder / "server.toml").write_text(settings)
        try:
            with run_server(folder, "--config", "server.toml", "--listen", address) as running:
                yield running
        except SettingsError as error:
            check_port(str(error))
            raise


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[Engine]:
    """Return the database of the server."""
    # The browser runs an event loop in the thread of the test.
    engine = open_file_engine(f"sqlite:///{server.folder / 'kubekeep-data' / 'kubekeep.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def page(browser: Browser, server: EmbeddedServer) -> Iterator[Page]:
    context = browser.new_context(base_url=server.url)
    yield open_page(context)
    context.close()


def sign_in(page: Page, user: str) -> None:
    """Sign in at the provider, from the page of the server."""
    page.get_by_role("link", name="Sign in with single sign-on").click()
    page.locator("input[name=login]").fill(user)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.locator("button[type=submit]", has_text="Continue").click()


def count_requests(page: Page) -> list[str]:
    """Return the list to which the addresses of all requests of a page are added."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def test_refused_user_sees_groups_and_the_next_step(page: Page) -> None:
    page.goto("/")
    sign_in(page, "2")
    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    expect(page.locator("main")).to_contain_text("bob has no rights")
    expect(page.locator("main")).to_contain_text("<script>, guests")
    expect(page.locator("main")).to_contain_text("An administrator of this server")
    # A script of the test: the page has none, and its policy permits no other.
    violations = page.evaluate(f"{AXE.read_text()}\naxe.run().then(result => result.violations.map(each => each.id))")
    assert violations == []
    page.get_by_role("link", name="Go to Kubekeep").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_ended_session_is_explained_and_begins_again(page: Page, database: Engine) -> None:
    page.goto("/")
    sign_in(page, "1")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    with database.begin() as connection:
        connection.execute(update(session).values(used=0))
    addresses = count_requests(page)
    page.get_by_role("link", name="Findings").first.click()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(1)
    page.get_by_role("link", name="Sign in with single sign-on").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert len(addresses) < MOST_REQUESTS
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_users_of_one_name_are_told_apart(page: Page, server: EmbeddedServer, database: Engine) -> None:
    link = server.run("user", "add", "root", "--role", "administrator").partition("#")[2]
    users = [
        {"issuer": "https://id.example.com", "subject": subject, "name": "grace", "is_enabled": True, "created": 0}
        for subject in ("subject-1", "subject-2")
    ]
    with database.begin() as connection:
        connection.execute(insert(account), users)
    page.goto(f"/sign-in#{link}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Your name to sign in later is root")).to_be_visible()
    page.get_by_label("New password").fill("a password of a test")
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto("/settings/users")
    rows = page.get_by_role("row", name="grace")
    expect(rows.nth(0)).to_contain_text("with id.example.com as subject-1")
    expect(rows.nth(1)).to_contain_text("with id.example.com as subject-2")
    expect(page.get_by_role("row", name="root")).to_contain_text("with a password")


def test_user_who_loses_the_role_sees_one_page(page: Page, database: Engine) -> None:
    page.goto("/")
    sign_in(page, "1")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    with database.begin() as connection:
        connection.execute(delete(role_grant))
    addresses = count_requests(page)
    for name in ("Vulnerabilities", "Findings", "Sources"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name="ada may not see results")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="ada may not see results")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert len([address for address in addresses if "/api/" in address]) < MOST_REQUESTS
