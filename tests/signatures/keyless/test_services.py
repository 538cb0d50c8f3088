"""Selection of services, tokens, and hostile services on the loopback address."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.keyless.services import SigningServices, select_services
from kubekeep.signatures.keyless.signing import create_bundle
from kubekeep.signatures.keyless.tokens import TokenSources, check_token, get_token
from kubekeep.signatures.service_client import ServiceClient, ServiceError
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot, read_public_document
from tests.loopback import serving
from tests.signatures.authority import PrivateSigstore, certificate_pem
from tests.signatures.making import statement

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
TOKEN = "e30.e30.secret"  # noqa: S105 - of this test


def service(name: str, version: int = 1, operator: str = "", **period: str) -> dict[str, Any]:
    return {
        "url": f"https://{name}.example.com",
        "majorApiVersion": version,
        "operator": operator or name,
        "validFor": {"start": "2026-01-01T00:00:00Z"} | period,
    }


def select(**fields: Any) -> SigningServices:
    document = {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [service("ca")],
        "rekorTlogUrls": [service("log")],
        "tsaUrls": [service("tsa")],
    } | fields
    return select_services(json.dumps(document).encode(), "config.json", NOW)


def test_public_services() -> None:
    services = select_services(read_public_document("public_good.signing_config.json"), "public", NOW)
    assert services == SigningServices(
        "https://fulcio.sigstore.dev",
        "https://rekor.sigstore.dev",
        1,
        ("https://timestamp.sigstore.dev/api/v1/timestamp",),
    )


def test_services_in_use_are_selected() -> None:
    logs = [service("old", end="2026-06-01T00:00:00Z"), service("later", start="2027-01-01T00:00:00Z"), service("now")]
    assert select(rekorTlogUrls=logs).log == "https://now.example.com"


def test_highest_version_of_an_operator_is_selected() -> None:
    logs = [service("one", 1, "same"), service("two", 2, "same"), service("three", 3, "same")]
    services = select(rekorTlogUrls=logs)
    assert (services.log, services.log_version) == ("https://two.example.com", 2)


def test_several_timestamp_authorities() -> None:
    stamps = [service("a"), service("b"), service("c")]
    urls = tuple(entry["url"] for entry in stamps)
    assert select(tsaUrls=stamps, tsaConfig={"selector": "ALL"}).timestamp_authorities == urls
    assert select(tsaUrls=stamps, tsaConfig={"selector": "EXACT", "count": 2}).timestamp_authorities == urls[:2]
    assert select(tsaUrls=stamps, tsaConfig={"selector": "ANY"}).timestamp_authorities == urls[:1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mediaType": "text/plain"}, "the unsupported type 'text/plain'"),
        ({"caUrls": []}, "no certificate authority is in use"),
        ({"caUrls": [service("ca", 2)]}, "no certificate authority is in use"),
        ({"rekorTlogUrls": [service("log", 2)], "tsaUrls": []}, "no timestamp authority is in use"),
        ({"rekorTlogUrls": [], "tsaUrls": []}, "no timestamp authority is in use"),
        ({"tsaConfig": {"selector": "EXACT", "count": 2}}, "2 services are required, and 1 are in use"),
        (
            {"rekorTlogUrls": [service("a"), service("b")], "rekorTlogConfig": {"selector": "ALL"}},
            "2 transparency logs are required",
        ),
        ({"caUrls": [service("ca") | {"url": "http://ca.example.com"}]}, "services need https"),
        ({"tsaUrls": [service("tsa") | {"url": "file:///etc/passwd"}]}, "services need https|no host"),
        ({"caUrls": [service("ca") | {"url": "https://ann:secret@ca.example.com"}]}, "has credentials"),
        ({"caUrls": 1}, "not a signing configuration"),
    ],
)
def test_unusable_configuration(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TrustError, match=message) as caught:
        select(**fields)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c\nd", "a.b.c.d", "ä.b.c", "a" * 70_000 + ".b.c"])
def test_invalid_token(text: str) -> None:
    with pytest.raises(TrustError, match="not a JSON Web Token"):
        check_token(text)


def test_missing_token() -> None:
    sources = TokenSources(request_url="https://actions.example.com")
    with ServiceClient() as client, pytest.raises(TrustError, match="there is no identity token"):
        get_token(sources, client)
    assert "secret" not in repr(TokenSources(token=TOKEN))


Answer = Callable[[http.server.BaseHTTPRequestHandler, threading.Event], None]


@contextlib.contextmanager
def run_service(answer: Answer) -> Iterator[str]:
    is_over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer(self, is_over)

        do_GET = do_POST  # noqa: N815 - name of the base class

    with serving(Handler) as port:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            is_over.set()


def send(handler: http.server.BaseHTTPRequestHandler, content: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def send_endless(handler: http.server.BaseHTTPRequestHandler, is_over: threading.Event) -> None:
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while not is_over.is_set():
            handler.wfile.write(b" " * 65536)


def send_other_key(handler: http.server.BaseHTTPRequestHandler, sigstore: PrivateSigstore) -> None:
    pem = certificate_pem(sigstore.issue(ec.generate_private_key(ec.SECP256R1()))).decode()
    send(handler, json.dumps({"signedCertificateEmbeddedSct": {"chain": {"certificates": [pem]}}}).encode())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (send_endless, "the response has more than 1,048,576 bytes"),
        (lambda handler, _: send(handler, b"", 302, Location="http://127.0.0.1:9"), "the server responded with 302"),
        (lambda handler, _: send(handler, b"{"), "the certificate cannot be read"),
        (lambda handler, _: send(handler, b"{}"), "the response has no certificate"),
        (lambda handler, _: send(handler, b"[" * 100_000), "the certificate cannot be read"),
        (
            lambda handler, _: send(handler, b'{"signedCertificateEmbeddedSct":{"chain":{"certificates":["x"]}}}'),
            "the certificate cannot be read",
        ),
        (lambda handler, _: send(handler, b'{"message": "no \\u001b[31m"}', 400), r"responded with 400: no \\x1b\[31m"),
        (lambda handler, _: send(handler, TOKEN.encode(), 500), "the server responded with 500$"),
    ],
)
def test_hostile_authority(answer: Answer, message: str) -> None:
    with run_service(answer) as url, ServiceClient() as client:
        services = SigningServices(url, "", 0, (url,))
        with pytest.raises(ServiceError, match=message) as caught:
            create_bundle(statement("sha256:" + "0" * 64), TOKEN, services, TrustedRoot(), client)
    assert "secret" not in str(caught.value)


def test_certificate_for_another_key(sigstore: PrivateSigstore) -> None:
    with run_service(lambda handler, _: send_other_key(handler, sigstore)) as url, ServiceClient() as client:
        services = SigningServices(url, "", 0, (url,))
        with pytest.raises(ServiceError, match="the certificate is for another key"):
            create_bundle(statement("sha256:" + "0" * 64), TOKEN, services, TrustedRoot(), client)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"value": 1}', b'{"value": "no token"}'])
def test_hostile_token_service(content: bytes) -> None:
    with run_service(lambda handler, _: send(handler, content)) as url, ServiceClient() as client:
        sources = TokenSources(request_url=url, request_secret="secret")  # noqa: S106 - of this test
        with pytest.raises((ServiceError, TrustError), match=r"issued no identity token|not a JSON Web Token"):
            get_token(sources, client)
