"""Sessions of the SDK's client with real server processes, for synchronous tests."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from jsonschema import Draft202012Validator
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from mcp import Client, StdioServerParameters

KUBEKEEP: Final = str(Path(sys.executable).parent / "kubekeep")
MAX_BYTES: Final = 25_000


class Session:
    """A connected client with synchronous calls, which check every answer against the schema and the size limit."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self.portal = portal
        self.client = client
        self.tools = {tool.name: tool for tool in portal.call(client.list_tools).tools}

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Return the structured content of a tool's answer."""
        result = self.result(tool, **arguments)
        assert not result.is_error, self.text(result)
        content = result.structured_content
        assert isinstance(content, dict)
        schema = self.tools[tool].output_schema
        assert schema is not None
        Draft202012Validator(schema).validate(content)
        assert json.loads(self.text(result)) == content
        return content

    def error(self, tool: str, /, **arguments: Any) -> str:
        """Return the message of a tool's error."""
        result = self.result(tool, **arguments)
        assert result.is_error, self.text(result)[:500]
        return self.text(result)

    def result(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """Return the answer of a tool."""
        result = self.portal.call(self.client.call_tool, tool, arguments)
        assert isinstance(result, CallToolResult)
        assert len(result.model_dump_json(by_alias=True).encode()) < MAX_BYTES
        return result

    def pages(self, tool: str, /, **arguments: Any) -> list[dict[str, Any]]:
        """Return all pages of an answer."""
        pages = [self.call(tool, **arguments)]
        while "next_cursor" in pages[-1]:
            pages.append(self.call(tool, cursor=pages[-1]["next_cursor"]))
        return pages

    def entries(self, tool: str, /, **arguments: Any) -> list[dict[str, Any]]:
        """Return the entries of all pages."""
        return [entry for page in self.pages(tool, **arguments) for entry in page["entries"]]

    @staticmethod
    def text(result: CallToolResult) -> str:
        """Return the only text of an answer."""
        (content,) = result.content
        assert isinstance(content, TextContent)
        return content.text


@contextlib.contextmanager
def open_session(
    *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """Yield a session with `kubekeep mcp` over standard input and output."""
    env = {**os.environ, **environment} if environment else None
    server = StdioServerParameters(command=KUBEKEEP, args=["mcp", *arguments], cwd=cwd, env=env)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:
        yield Session(portal, client)


@contextlib.contextmanager
def serve_over_http(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the URL of `kubekeep mcp --http` at a free port."""
    process = subprocess.Popen(
        [KUBEKEEP, "mcp", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        match = re.search(r"http://\S+", line)
        assert match, line + process.stderr.read()
        yield match[0]
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=120)
    assert not output, "logs belong on standard error"


@contextlib.contextmanager
def open_http_session(url: str, token: str = "") -> Iterator[Session]:
    """Yield a session over streamable HTTP."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with start_blocking_portal() as portal:
        http_client = httpx2.AsyncClient(headers=headers, timeout=60)
        transport = streamable_http_client(url, http_client=http_client)
        with (
            portal.wrap_async_context_manager(http_client),
            portal.wrap_async_context_manager(Client(transport)) as client,
        ):
            yield Session(portal, client)
