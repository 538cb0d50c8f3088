"""The client sends a submission once, repeats what may succeed later, and reports what never will."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.uplink.client import (
    SubmissionClient,
    SubmissionContent,
    SubmissionRefusal,
    SubmissionResult,
    Unavailability,
)
from kubekeep.uplink.connection import MAX_REPLY, ConnectionLimits, ServerAccess, ServerConnection
from kubekeep.uplink.token import TokenSource
from tests.uplink.service import TOKEN, Handler, Service, compress, create_certificates, serve
from tests.uplink.states import build_submission

SUBMISSION = build_submission(1)


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running


def send(
    service: Service | str,
    content: SubmissionContent | None = None,
    *,
    token: TokenSource | None = None,
    authority_file: str = "",
    limits: ConnectionLimits | None = None,
    patience: float = 20,
) -> SubmissionResult:
    address = service if isinstance(service, str) else service.address
    access = ServerAccess(address=address, authority_file=authority_file, limits=limits or ConnectionLimits())
    content = content or SubmissionContent.of_bytes(SUBMISSION.id, compress(SUBMISSION))
    with ServerConnection(access) as connection:
        return SubmissionClient(connection, token or TokenSource(TOKEN), patience).send(content)


def test_submission_is_acknowledged_once(service: Service) -> None:
    receipt = send(service)
    assert receipt == SubmissionReceipt(scan=SUBMISSION.id, manifest=SUBMISSION.manifest, opened=2, closed=1)
    known = send(service)
    assert isinstance(known, SubmissionReceipt)
    assert known.is_known
    assert service.documents == [SUBMISSION]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_busy_server_gets_the_submission_again(service: Service, status: int) -> None:
    service.fail(status, Retry_After="1")
    service.fail(status)
    assert isinstance(send(service), SubmissionReceipt)
    assert len(service.requests) == 3
    assert service.documents == [SUBMISSION]


def test_long_pause_is_reported_and_not_waited_for(service: Service) -> None:
    service.fail(429, {"title": "Too Many Requests", "detail": "the queue is full"}, Retry_After="86400")
    result = send(service)
    assert isinstance(result, Unavailability)
    assert result.pause == 86400
    assert "429: the queue is full, and accepts the next request in 86,400 seconds" in result.reason
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("status", "document", "message"),
    [
        (400, {"title": "Bad Request", "detail": "no submission"}, "400: no submission"),
        (401, {"title": "Unauthorized"}, "run `kubekeep login --server "),
        (403, {"detail": "the token is for cluster/other"}, "403: the token is for cluster/other"),
        (404, b"<html>", "not the address of a Kubekeep server"),
        (409, {"detail": "delta of another state"}, "409: delta of another state"),
        (413, {"title": "Content Too Large", "limit": 1000}, "the server accepts 1,000"),
        (413, b"<html>", "a proxy before the server accepts fewer: raise its limit"),
        (415, {"title": "Unsupported"}, "415: Unsupported"),
        (422, {"detail": "\x1b[31m" + "x" * 9999}, "422: "),
    ],
)
def test_refusal_is_not_repeated(service: Service, status: int, document: object, message: str) -> None:
    service.fail(status, document)
    result = send(service)
    assert isinstance(result, SubmissionRefusal)
    assert result.status == status
    assert message in result.reason
    assert len(result.reason) < 600
    assert "\x1b" not in result.reason
    assert TOKEN not in result.reason
    assert len(service.requests) == 1


def test_submission_in_the_future_may_be_sent_later(service: Service) -> None:
    service.fail(422, {"detail": "The scan is in the future: check both clocks.", "early": 300})
    result = send(service)
    assert isinstance(result, Unavailability)
    assert "check both clocks" in result.reason
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_gets_no_token(service: Service, status: int) -> None:
    with serve() as other:
        service.fail(status, Location=f"{other.address}/api/v1/scans")
        result = send(service)
        assert isinstance(result, SubmissionRefusal)
        assert f"redirects to {other.address}" in result.reason
        assert other.requests == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>welcome</html>", b"[]", b"{}", b'{"scan":"another"}', b"[" * 100_000, b"\xff\xfe", b'{"scan":1}'],
)
def test_answer_without_the_receipt_acknowledges_nothing(service: Service, answer: bytes) -> None:
    service.fail(200, answer or b" ")
    result = send(service)
    assert isinstance(result, Unavailability)
    assert "acknowledged no submission" in result.reason


def test_huge_answer_is_not_read(service: Service) -> None:
    service.replies.extend([lambda handler: handler.answer(201, b" " * (MAX_REPLY + 1))] * 9)
    result = send(service)
    assert isinstance(result, Unavailability)
    assert "more than" in result.reason


@pytest.mark.parametrize("part", ["head", "body"])
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_slow_answer_ends(part: str, is_encrypted: object, tmp_path: Path) -> None:
    released = threading.Event()

    def drip(handler: Handler) -> None:
        handler.read_body()
        handler.wfile.write(b"HTTP/1.1 201 Created\r\nX-Padding: ")
        if part == "body":
            handler.wfile.write(b"a\r\nContent-Length: 100000\r\n\r\n")
        while not released.wait(0.05):
            handler.wfile.write(b" ")
        handler.close_connection = True

    authority, context = create_certificates(tmp_path)
    with serve(context=context if is_encrypted else None) as service:
        service.replies.extend([drip] * 9)
        result = send(service, authority_file=str(authority), limits=ConnectionLimits(total=1))
        released.set()
    assert isinstance(result, Unavailability)
    assert "did not answer within 1 seconds" in result.reason


def test_refusal_before_the_end_of_the_body_is_read(service: Service) -> None:
    def refuse(handler: Handler) -> None:
        handler.answer(413, {"title": "Content Too Large", "limit": 7})
        handler.close_connection = True

    service.replies.append(refuse)
    content = SubmissionContent.of_bytes("1", os.urandom(64 << 20))
    result = send(service, content)
    # The reset of the connection may arrive before the answer; it is repeated then.
    assert not isinstance(result, SubmissionReceipt)
    assert isinstance(result, Unavailability) or "accepts 7" in result.reason


def test_connection_cut_at_any_position_stores_once(service: Service) -> None:
    body = compress(build_submission(1, subjects=400))
    content = SubmissionContent.of_bytes(SUBMISSION.id, body)
    positions = range(0, len(body), max(1, len(body) // 40))

    for position in positions:

        def cut(handler: Handler, position: int = position) -> None:
            handler.rfile.read(position)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            handler.connection.close()
            handler.close_connection = True

        service.replies.append(cut)
        assert isinstance(send(service, content), SubmissionReceipt)
    assert len(service.documents) == 1


def test_cut_answer_is_repeated(service: Service) -> None:
    def cut(handler: Handler) -> None:
        status, receipt = handler.service.store_body(handler.read_body())
        handler.send_response(status)
        handler.send_header("Content-Length", "500")
        handler.end_headers()
        handler.wfile.write(str(receipt).encode()[:10])
        handler.close_connection = True

    service.replies.append(cut)
    receipt = send(service)
    assert isinstance(receipt, SubmissionReceipt)
    assert receipt.is_known
    assert len(service.documents) == 1


def test_absent_server_is_named() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = send(address)
    assert isinstance(result, Unavailability)
    assert result.reason.startswith(f"{address} cannot be reached: ")


def test_private_authority_is_trusted_on_request(tmp_path: Path) -> None:
    authority, context = create_certificates(tmp_path)
    with serve(context=context) as service:
        result = send(service)
        assert isinstance(result, Unavailability)
        assert "certificate verify failed" in result.reason
        assert service.requests == []
        assert isinstance(send(service, authority_file=str(authority)), SubmissionReceipt)


def test_token_file_is_read_for_each_request(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "token"
    source = TokenSource(file=str(file))
    result = send(service, token=source)
    assert isinstance(result, SubmissionRefusal)
    assert result.is_of_login
    assert "cannot be read" in result.reason
    assert service.requests == []
    file.write_text(f"{TOKEN}\n")
    assert isinstance(send(service, token=source), SubmissionReceipt)
    assert TOKEN not in repr(TokenSource(TOKEN))


def test_proxy_never_sees_requests_to_this_machine(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        assert isinstance(send(service), SubmissionReceipt)
        assert proxy.requests == []


def test_stop_ends_the_wait(service: Service) -> None:
    service.fail(503, Retry_After="15")
    with ServerConnection(ServerAccess(address=service.address)) as connection:
        client = SubmissionClient(connection, TokenSource(TOKEN))
        client.stop()
        assert isinstance(client.send(SubmissionContent.of_bytes("1", b"x")), Unavailability)
    assert len(service.requests) == 1
