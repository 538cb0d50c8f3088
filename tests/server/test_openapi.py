"""The OpenAPI document of the API: it is valid, and generated requests get documented answers or problems, never a defect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from kubekeep_server.api.application import create_application
from kubekeep_server.api.server_state import ServerState
from kubekeep_server.settings import Settings
from tests.server.live import LiveServer, run_server

EXAMPLES: Final = 25


LONGEST_ADDRESS: Final = 65_000


async def _skip(_: ServerState) -> None:
    pass


def build_document() -> dict[str, Any]:
    return create_application(Settings(), _skip).openapi()


# Streams have no end; `test_events` has their tests.
api: Final = schemathesis.openapi.from_dict(build_document()).exclude(operation_id="listenToEvents")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: LiveServer) -> str:
    return server.create_token("administrator")


def test_document_has_ids_and_problems_of_all_operations() -> None:
    for path, operations in build_document()["paths"].items():
        for method, operation in operations.items():
            assert operation["operationId"], (method, path)
            assert "/api/" not in path or "default" in operation["responses"], (method, path)


@api.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)
def test_generated_requests(case: schemathesis.Case[Any], server: LiveServer, token: str) -> None:
    response = case.call(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=120)
    assert response.status_code not in {500, 502}
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])
    if response.status_code >= 400:
        if len(str(response.request.url)) > LONGEST_ADDRESS:
            # The HTTP parser refuses it before the application.
            assert response.text in ("Invalid HTTP request received.", "The head is too long.")
            return
        problem = response.json()
        if "error" in problem:
            # Programs that sign in read errors of RFC 6749, section 5.2.
            return
        assert problem["status"] == response.status_code
        assert problem["requestId"]


def test_server_lives_and_logged_no_defect(server: LiveServer) -> None:
    with server.client() as client:
        assert client.get("/healthz").status_code == 200
    assert "Traceback" not in server.log
