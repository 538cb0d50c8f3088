"""The life of a critical finding: people are told, a manager accepts it with approval, the pipeline respects that, and it comes back."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.command_line import run_command_line
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_notification_destinations import alertmanager, list_alerts
from tests.server.test_notification_mail import Mailbox, run
from tests.server.test_pages import PASSWORD, browser, open_page, sign_in
from tests.usecases.test_repository import git

__all__ = ("alertmanager", "browser")
SECONDS: Final = 120
_TIME: Final = 30
"""Seconds of the last decision: enough for a scan before its end."""
POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  hostPID: true
  containers:
  - name: web
    image: ghcr.io/shop/web:1
    securityContext: {privileged: true}
"""
EVENTS: Final = ["finding-opened", "finding-reopened", "finding-fixed", "decision-waits", "decision-expired"]
GATE: Final = ("scan", "control", "C-0057", ".", "--severity-threshold", "high")


def wait_for(condition: Callable[[], Any]) -> Any:
    """Return the first true value of a condition."""
    deadline = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return value


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "pod.yaml").write_text(POD)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "https://github.com/shop/web.git")
    monkeypatch.chdir(folder)
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    return folder


def add_rules(client: httpx2.Client, alertmanager: str, port: int) -> None:
    """Send everything about urgent findings and decisions by mail, and alerts to Alertmanager."""
    mail = {"host": "127.0.0.1", "port": port, "encryption": "none", "sender": "kubekeep@example.com"}
    destinations = {
        "mail": {**mail, "recipients": ["owner@example.com"]},
        "alertmanager": {"url": alertmanager},
    }
    for kind, settings in destinations.items():
        body = {"name": kind, "kind": kind, "settings": settings}
        answer = client.post("/api/v1/notifications/destinations", json=body)
        assert answer.status_code == 201, answer.text
        document = {"events": EVENTS, "groupingMinutes": 0}
        rule = {"name": kind, "destination": answer.json()["id"], "document": document}
        assert client.post("/api/v1/notifications/rules", json=rule).status_code == 201


def post(page: Page, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a change by the user of a page."""
    token = page.request.get("/api/v1/identity").json()["csrfToken"]
    answer = page.request.post(
        path, data=body, headers={"X-Csrf-Token": token, "Origin": page.url.split("/decisions")[0]}
    )
    assert answer.ok, answer.text()
    return dict(answer.json()) if answer.status == 201 else {}


class Company(NamedTuple):
    """A server with its people, the receivers of its messages, and the repository of a team."""

    server: EmbeddedServer
    administrator: httpx2.Client
    mailbox: Mailbox
    alertmanager: str
    repository: Path

    def scan(self, *options: str) -> int:
        """Return the exit code of the gate of the pipeline."""
        return run_command_line(*GATE, "--server", self.server.url, *options).returncode

    def wait_for_mail(self, text: str) -> None:
        """Wait for a mail whose subject has a text."""
        wait_for(lambda: any(text in mail["subject"] for mail in self.mailbox.mails))


@pytest.fixture
def company(alertmanager: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    mailbox = Mailbox()
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "server.toml").write_text('notification_networks = ["127.0.0.0/8"]\ndecision_approval = "high"\n')
    with contextlib.contextmanager(run)(mailbox) as port, run_server(folder, "--config", "server.toml") as server:
        monkeypatch.setenv("KUBEKEEP_TOKEN", server.create_token())
        administrator = server.client(server.create_token("administrator"))
        add_rules(administrator, alertmanager, port)
        yield Company(server, administrator, mailbox, alertmanager, repository)


def test_critical_finding_from_its_message_to_the_end_of_a_decision(
    company: Company, browser: Browser, tmp_path: Path
) -> None:
    state = sign_in(company.server, browser, tmp_path / "state.json")
    with (
        browser.new_context(storage_state=state, base_url=company.server.url) as first,
        browser.new_context(base_url=company.server.url) as second,
    ):
        author, approver = open_page(first), open_page(second)
        sign_in_other(company, approver)
        alert = check_messages(company)
        propose(company, author)
        approve(approver)
        assert company.scan() == 0
        replace_by_a_short_one(company, author, approver)
        assert company.scan() == 0
        company.wait_for_mail("has expired")
        assert company.scan() == 1
        check_fix(company, alert)
        actions = [entry["action"] for entry in company.administrator.get("/api/v1/log").json()]
        decided = [action.split()[0] for action in reversed(actions) if action.endswith("decision")]
        assert decided == ["proposed", "active", "ended", "proposed", "active", "expired"]


def sign_in_other(company: Company, page: Page) -> None:
    """Sign a second manager in."""
    _, _, secret = company.server.run("user", "add", "omar", "--role", "manager").partition("#")
    page.goto(f"/sign-in#{secret}")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def check_messages(company: Company) -> dict[str, str]:
    """The pipeline fails, and people are told. Return the labels of the alert."""
    assert company.scan("--submit") == 1
    (mail,) = wait_for(lambda: company.mailbox.mails)
    assert "github.com/shop/web" in mail["subject"]
    assert company.mailbox.recipients == ["owner@example.com"]
    (alert,) = wait_for(lambda: list_alerts(company.alertmanager))
    assert alert["status"]["state"] == "active"
    return dict(alert["labels"])


def propose(company: Company, page: Page) -> None:
    """Propose a decision on the finding, which covers nothing yet."""
    page.goto("/findings?text=C-0057")
    page.locator("a.kk-row-link").click()
    page.get_by_role("button", name="Decide").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("The vendor requires it.")
    dialog.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("The decision waits for approval")).to_be_visible()
    company.wait_for_mail("waits for approval")
    assert company.scan() == 1


def approve(page: Page) -> None:
    """Approve the decision."""
    page.goto("/decisions?state=proposed")
    page.locator("a.kk-row-link").click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("none waits for approval")).to_be_visible()


def replace_by_a_short_one(company: Company, author: Page, approver: Page) -> None:
    """End the decision, and make one that ends in seconds: the people change their parts."""
    author.goto("/decisions")
    (decision,) = company.administrator.get("/api/v1/decisions", params={"state": "active"}).json()["rows"]
    post(approver, f"/api/v1/decisions/{decision['id']}/end", {})
    expires = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=_TIME)).isoformat()
    draft = {"kind": "accepted-risk", "reason": "until the release", "scope": {"definitions": ["C-0057"]}}
    created = post(approver, "/api/v1/decisions", {**draft, "expires": expires})
    assert created["state"] == "proposed"
    post(author, f"/api/v1/decisions/{created['id']}/answer", {"isApproved": True})


def check_fix(company: Company, alert: dict[str, str]) -> None:
    """The next scan has no such finding: people are told, and the alert ends."""
    (company.repository / "pod.yaml").write_text(POD.replace("true}", "false}"))
    assert company.scan("--submit") == 0
    company.wait_for_mail("fixed")
    # Those of the decisions end by themselves.
    wait_for(lambda: alert not in [each["labels"] for each in list_alerts(company.alertmanager)])
