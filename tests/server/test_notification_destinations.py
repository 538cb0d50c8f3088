"""Destinations: requests as their services document them, a real Alertmanager and rsyslog, and hostile text in each of them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from msgspec.structs import replace

from kubekeep_server.notifications.addresses import AddressPolicy
from kubekeep_server.notifications.alertmanager import Alertmanager
from kubekeep_server.notifications.destination import Destination
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.jira import Jira
from kubekeep_server.notifications.messages import Message
from kubekeep_server.notifications.network import Network
from kubekeep_server.notifications.pagerduty import PagerDuty
from kubekeep_server.notifications.slack import Slack
from kubekeep_server.notifications.syslog import Format, Protocol, Syslog
from kubekeep_server.notifications.teams import Teams
from kubekeep_server.notifications.webhook import Webhook
from tests.server.http_sink import HttpSink, Received, Reply, run_sink
from tests.server.notification_messages import FIX, HOSTILE, HOSTILE_MESSAGE, MESSAGE, URL

SECONDS: Final = 60
KEY: Final = "0123456789abcdef"


def send(destination: Destination, message: Message) -> None:
    asyncio.run(destination.send(message, Network(AddressPolicy(("127.0.0.0/8",)))))


def test_slack_gets_blocks() -> None:
    with run_sink() as sink:
        send(Slack(url=f"{sink.url}/services/T/B/x"), MESSAGE)
        (request,) = sink.requests
    document = json.loads(request.content)
    assert document["text"] == MESSAGE.title
    assert [block["type"] for block in document["blocks"]] == ["header", "section", "section", "section", "context"]
    lines = document["blocks"][2]["text"]["text"].splitlines()
    assert lines[0] == "*Findings*"
    assert lines[1].startswith(
        "• critical: <https://kubekeep.example/findings?source=1&amp;definition=C-0001|Privileged"
    )
    assert lines[-1] == "• and 3 more"


def test_slack_shows_hostile_text_as_it_is() -> None:
    document = json.loads(Slack(url="https://hooks.slack.com/x").render(HOSTILE_MESSAGE))
    for block in document["blocks"]:
        for text in [block.get("text", {}), *block.get("elements", [])]:
            if text.get("type") == "mrkdwn":
                links = re.findall(r"<([^>]*)>", text["text"])
                assert all(link.startswith("https://kubekeep.example/") for link in links)
                assert "_i_" not in text["text"]


def test_slack_accepts_no_longer_text() -> None:
    line = MESSAGE.sections[0].lines[0]
    section = type(MESSAGE.sections[0])(heading="x", lines=(line,) * 100)
    message = Message(
        id="1", key="k", event="digest", title="t" * 400, text="", moment=MESSAGE.moment, sections=(section,) * 99
    )
    document = json.loads(Slack(url="https://hooks.slack.com/x").render(message))
    assert len(document["blocks"]) == 50
    assert len(document["blocks"][0]["text"]["text"]) <= 150
    assert max(len(block["text"]["text"]) for block in document["blocks"]) <= 3_000


def test_teams_gets_a_card() -> None:
    with run_sink() as sink:
        send(Teams(url=sink.url), MESSAGE)
        send(Teams(url=sink.url), HOSTILE_MESSAGE)
        first, second = (json.loads(request.content) for request in sink.requests)
    assert first["type"] == "message"
    (attachment,) = first["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open in Kubekeep", "url": URL}]
    assert card["body"][0]["color"] == "Attention"
    texts = [block["text"] for block in second["attachments"][0]["content"]["body"]]
    assert all("[x](" not in text and "*b*" not in text for text in texts)


def test_pagerduty_triggers_and_resolves_one_incident() -> None:
    with run_sink(lambda _: Reply(202)) as sink:
        destination = PagerDuty(routing_key=KEY, url=f"{sink.url}/v2/enqueue")
        send(destination, MESSAGE)
        send(destination, FIX)
        trigger, resolve = (json.loads(request.content) for request in sink.requests)
    assert trigger["event_action"] == "trigger"
    assert trigger["routing_key"] == KEY
    assert trigger["payload"]["severity"] == "critical"
    assert {"summary", "source", "severity"} <= trigger["payload"].keys()
    assert resolve == {"routing_key": KEY, "event_action": "resolve", "dedup_key": trigger["dedup_key"]}
    assert KEY not in destination.render(MESSAGE)


class JiraProject:
    """The answers of a project of Jira, as its REST API documents them. has_new_search: of Jira Cloud."""

    def __init__(self, *, has_new_search: bool) -> None:
        self.has_new_search = has_new_search
        self.issues: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.is_closed = False

    def reply(self, request: Received) -> Reply:
        path = request.path.partition("?")[0].removeprefix("/rest/api/2/")
        if path == "search/jql" and not self.has_new_search:
            return Reply(404)
        answer: Any = None
        if path in {"search/jql", "search"}:
            answer = {"issues": [] if self.is_closed else [{"key": "SEC-1"} for _ in self.issues]}
        elif path == "issue":
            self.issues.append(json.loads(request.content)["fields"])
            answer = {"id": "10", "key": "SEC-1"}
        elif path == "issue/SEC-1/comment" and request.method == "POST":
            self.comments.append(json.loads(request.content)["body"])
            answer = {"id": "1"}
        elif path == "issue/SEC-1/comment":
            answer = {"comments": [{"body": body} for body in self.comments]}
        elif path == "issue/SEC-1/transitions" and request.method == "POST":
            assert json.loads(request.content) == {"transition": {"id": "31"}}
            self.is_closed = True
            return Reply(204, b"")
        elif path == "issue/SEC-1/transitions":
            categories = (("11", "indeterminate"), ("31", "done"))
            answer = {
                "transitions": [
                    {"id": number, "name": name, "to": {"statusCategory": {"key": name}}} for number, name in categories
                ]
            }
        return Reply(201 if request.method == "POST" else 200, json.dumps(answer).encode())


@pytest.mark.parametrize("has_new_search", [True, False])
def test_jira_has_one_issue_for_a_problem(has_new_search: bool) -> None:  # noqa: FBT001
    project = JiraProject(has_new_search=has_new_search)
    with run_sink(project.reply) as sink:
        destination = Jira(url=sink.url, user="bot@example.com", token="x", project="SEC")  # noqa: S106
        for message in (MESSAGE, MESSAGE, FIX, FIX):
            send(destination, message)
    (issue,) = project.issues
    assert issue["labels"] == ["kubekeep", "kubekeep-0123abcd"]
    assert issue["summary"] == MESSAGE.title
    # The repetition of a message adds one comment, not two.
    assert len(project.comments) == 1
    assert project.is_closed


def test_jira_shows_hostile_text_as_it_is() -> None:
    fields = json.loads(Jira(url="https://x.example", token="x", project="SEC").render(HOSTILE_MESSAGE))["fields"]  # noqa: S106
    assert fields["description"].count("{noformat}") == 2


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("prometheus-alertmanager is not installed")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    port = find_port()
    options = [f"--config.file={config}", f"--storage.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, *options, "--cluster.listen-address="], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: is_ready(f"{url}/-/ready"))
        yield url
    finally:
        process.kill()
        process.wait()


def is_ready(url: str) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(url).status_code == 200
    return False


def find_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def list_alerts(url: str) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = httpx2.get(f"{url}/api/v2/alerts").json()
    return alerts


def test_alertmanager_has_one_alert_until_the_fix(alertmanager: str) -> None:
    destination = Alertmanager(url=alertmanager, labels=("team=shop",))
    message = replace(MESSAGE, moment=now())
    send(destination, message)
    send(destination, message)
    (alert,) = list_alerts(alertmanager)
    assert alert["labels"]["team"] == "shop"
    assert alert["labels"]["source"] == "cluster/shop"
    assert alert["annotations"]["summary"] == MESSAGE.title
    send(destination, replace(FIX, moment=now()))
    wait_until(lambda: not list_alerts(alertmanager))


def now() -> dt.datetime:

    return dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
def test_rsyslog_reads_records(tmp_path: Path, protocol: Protocol, format: Format) -> None:
    program = shutil.which("rsyslogd")
    if program is None:
        pytest.skip("rsyslogd is not installed")
    port = find_port()
    output, config = tmp_path / "records", tmp_path / "rsyslog.conf"
    module = {"udp": "imudp", "tcp": "imtcp"}[protocol.value]
    config.write_text(
        f"""global(workDirectory="{tmp_path}" parser.escapeControlCharactersOnReceive="off")
module(load="{module}")
input(type="{module}" address="127.0.0.1" port="{port}")
template(name="fields" type="string" string="%pri%|%app-name%|%msgid%|%structured-data%|%msg%\\n")
action(type="omfile" file="{output}" template="fields")
"""
    )
    arguments = [program, "-n", "-f", str(config), "-i", str(tmp_path / "pid")]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    destination = Syslog(host="127.0.0.1", port=port, protocol=protocol, format=format)
    try:
        wait_until(lambda: try_send(destination) and output.exists() and output.read_text())
    finally:
        process.kill()
        process.wait()
    pri, program_name, event, data, text = output.read_text().splitlines()[0].split("|", 4)
    assert (pri, program_name, event) == ("106", "kubekeep", "finding-opened")
    assert 'source="cluster/shop"' in data
    assert text.startswith("CEF:0|Kubekeep|" if format is Format.CEF else MESSAGE.title)


def try_send(destination: Destination) -> bool:
    with contextlib.suppress(DeliveryError):
        send(destination, MESSAGE)
        return True
    return False


def test_syslog_escapes_hostile_text() -> None:
    record = Syslog(host="logs", format=Format.CEF).render(HOSTILE_MESSAGE)
    assert "\n" not in record
    data, _, cef = record.partition(" CEF:0")
    assert r"\\" in data
    assert r"\]" in data
    header = re.split(r"(?<!\\)\|", cef)
    assert len(header) >= 8
    assert r"\=" in cef


def test_hostile_text_reaches_the_webhook_as_json() -> None:
    with run_sink() as sink:
        deliver(sink)
        assert json.loads(sink.requests[0].content)["title"] == HOSTILE


def deliver(sink: HttpSink) -> None:
    send(Webhook(url=sink.url, secret="x"), HOSTILE_MESSAGE)  # noqa: S106
