"""Addresses of destinations: internal ones are refused in each form, and the checked address is the connected one."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, Final

import pytest

from kubekeep_server.notifications.addresses import AddressPolicy
from kubekeep_server.notifications.destination import Destination
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.kinds import build_destination
from kubekeep_server.notifications.messages import Message
from kubekeep_server.notifications.network import Network, read_retry_after
from kubekeep_server.notifications.webhook import Webhook
from tests.server.http_sink import Received, Reply, run_sink

NOW: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LOOPBACK: Final = ("127.0.0.0/8",)
MESSAGE: Final = Message(id="1", key="k", event="test", title="Title", text="", moment=NOW)


def send(destination: Destination, *networks: str, message: Message = MESSAGE) -> None:
    asyncio.run(destination.send(message, Network(AddressPolicy(networks))))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",  # noqa: S104
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1",
        "2001:0:7f00:1::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_internal_address_is_refused(address: str) -> None:
    assert not AddressPolicy(()).allows(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_address_is_allowed(address: str) -> None:
    assert AddressPolicy(()).allows(address)


@pytest.mark.parametrize(
    ("network", "address"), [("10.0.0.0/8", "10.1.2.3"), ("10.0.0.0/8", "::ffff:10.1.2.3"), ("fd00::/8", "fd00::1")]
)
def test_network_of_the_settings_is_allowed(network: str, address: str) -> None:
    assert AddressPolicy((network,)).allows(address)
    assert not AddressPolicy((network,)).allows("192.168.0.1")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0", "0x7f000001", "2130706433", "127.1"]
)
def test_no_form_of_the_loopback_address_is_connected(host: str) -> None:
    with run_sink() as sink:
        with pytest.raises(DeliveryError) as failure:
            send(Webhook(url=f"http://{host}:{sink.port}/", secret="x"))  # noqa: S106 - of a test
        assert failure.value.is_final or "cannot be resolved" in str(failure.value)
        assert not sink.requests


def test_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []

    async def resolve(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        # A name server of an attacker: first the allowed address, then another one.
        answers.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(answers) == 1 else "127.0.0.2", port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
    with run_sink() as sink:
        send(Webhook(url=f"http://rebinding.example:{sink.port}/x", secret="x"), "127.0.0.1/32")  # noqa: S106
        (request,) = sink.requests
    assert request.headers["host"] == f"rebinding.example:{sink.port}"
    assert answers == ["rebinding.example"]


def test_redirect_is_not_followed() -> None:
    with run_sink(lambda _: Reply(302, b"", {"Location": "/other"})) as sink:
        with pytest.raises(DeliveryError, match="status 302: redirects are not followed"):
            send(Webhook(url=sink.url, secret="x"), *LOOPBACK)  # noqa: S106
        assert [request.path for request in sink.requests] == ["/"]


def test_large_answer_is_cut() -> None:
    def answer(_: Received) -> Reply:
        return Reply(400, b"x" * (8 << 20))

    with run_sink(answer) as sink, pytest.raises(DeliveryError) as failure:
        send(Webhook(url=sink.url, secret="x"), *LOOPBACK)  # noqa: S106
    assert len(str(failure.value)) < 300


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "//example.com", "http://", "javascript:x",
        "http://user:password@example.com/", "http://example.com/#x", "http://example.com/\r\nX: 1", "http://exa mple.com/",
        "http://example.com:99999/", "http://ex\u00e4mple.com/",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|Port|port"):
        build_destination("webhook", {"url": url}, {"secret": "x"})


@pytest.mark.parametrize(
    ("kind", "settings", "secrets"),
    [
        ("telegram", {}, {}),
        ("webhook", {"url": "https://example.com", "secret": "x"}, {}),
        ("webhook", {}, {"url": "https://example.com", "secret": "x"}),
        ("webhook", {"url": "https://example.com"}, {}),
        ("webhook", {"url": "https://example.com", "other": "x"}, {"secret": "x"}),
        ("slack", {}, {"url": "file:///etc/passwd"}),
        ("jira", {"url": "https://example.com", "project": 'A" OR project = "B'}, {"token": "x"}),
        ("alertmanager", {"url": "https://example.com", "labels": ["a b=c"]}, {}),
        ("mail", {"host": "mail", "sender": "a@b.example\nBcc: c@d.example", "recipients": ["a@b.example"]}, {}),
        ("mail", {"host": "mail", "sender": "a@b.example", "recipients": ["a"]}, {}),
        ("mail", {"host": "mail", "sender": "a@b.example", "recipients": []}, {}),
        ("mail", {"host": "m", "sender": "a@b.example", "recipients": ["a@b.example"], "user": "u", "encryption": "none"}, {"password": "x"}),
        ("syslog", {"host": "logs", "port": 0}, {}),
        ("syslog", {"host": "logs", "protocol": "http"}, {}),
    ],
)  # fmt: skip
def test_other_settings_are_refused(kind: str, settings: dict[str, Any], secrets: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        build_destination(kind, settings, secrets)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("120", 120), ("-1", 0), ("x", 0), ("Thu, 01 Jan 2026 00:01:00 GMT", 60), ("9" * 400, 999_999_999)],
)
def test_retry_after_is_read(text: str, seconds: float) -> None:
    assert read_retry_after(text, NOW) == seconds
    assert DeliveryError("", retry_after=seconds).retry_after <= 86_400
