"""Requests that read are repeated as long as that helps, and only in their time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubekeep.model.server_results import PackageResult
from kubekeep.uplink.connection import ServerAccess, ServerConnection
from kubekeep.uplink.errors import RefusedRequestError, UnreachableServerError
from kubekeep.uplink.patience import Patience
from kubekeep.uplink.reading import ResultReader, encode_query
from kubekeep.uplink.token import TokenSource
from tests.uplink.service import TOKEN, Service, serve

PATH = "/api/v1/packages"
ROW = {"type": "deb", "name": "openssl", "versions": 1, "images": 2}


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running


def read(service: Service, patience: float = 20) -> list[PackageResult]:
    with ServerConnection(ServerAccess(address=service.address), 100_000) as connection:
        reader = ResultReader(connection, TokenSource(TOKEN), Patience(patience))
        return list(reader.iterate(PATH, PackageResult, {"text": "a b"}))


def queue_page(service: Service, cursor: str = "") -> None:
    service.replies.append(lambda handler: handler.answer(200, {"rows": [ROW], "cursor": cursor, "later": 1}))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_busy_server_is_asked_again(service: Service, status: int) -> None:
    service.fail(status)
    queue_page(service, "next")
    service.fail(status)
    queue_page(service)
    assert [row.name for row in read(service)] == ["openssl"] * 2
    assert [path for _, path, _ in service.requests[-1:]] == [f"{PATH}?text=a+b&cursor=next&limit=200"]


def test_server_that_asks_for_too_much_patience(service: Service) -> None:
    service.fail(503, Retry_After="600")
    with pytest.raises(UnreachableServerError, match="503"):
        read(service)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [301, 400, 403, 404, 422])
def test_refused_request_is_not_repeated(service: Service, status: int) -> None:
    service.fail(status)
    with pytest.raises(RefusedRequestError) as refusal:
        read(service)
    assert (refusal.value.status, len(service.requests)) == (status, 1)


@pytest.mark.parametrize("body", [b"{", b'{"rows":[{}]}', b"[" * 90_000, b'{"rows":7}', b"\xff", b" " * 100_001])
def test_other_answers_are_errors(service: Service, body: bytes) -> None:
    service.replies.extend([lambda handler: handler.answer(200, body)] * 9)
    with pytest.raises(UnreachableServerError):
        read(service, 0)


def test_endless_list_of_a_hostile_server_ends(service: Service) -> None:
    for _ in range(3):
        queue_page(service, "same")
    assert len(read(service)) == 2


def test_values_of_queries() -> None:
    assert encode_query(
        {"opened_since": None, "text": "", "severity": ("low", "high"), "exposed": False, "source": 3}
    ) == ("severity=low&severity=high&exposed=false&source=3")
