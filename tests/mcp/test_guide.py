"""The configurations in the guide on AI assistants start the server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.mcp.sessions import open_session

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "ai-assistants.md"


def configurations() -> list[dict[str, dict[str, dict[str, object]]]]:
    """Return the JSON blocks of the guide."""
    blocks = re.findall(r"^```json\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return list(map(json.loads, blocks))


def test_guide_has_a_configuration_per_format() -> None:
    assert [next(iter(configuration)) for configuration in configurations()] == ["mcpServers", "servers"]


@pytest.mark.parametrize("configuration", configurations(), ids=lambda configuration: next(iter(configuration)))
def test_configuration_starts_the_server(
    configuration: dict[str, dict[str, dict[str, object]]], tmp_path: Path
) -> None:
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n")
    (servers,) = configuration.values()
    server = servers["kubekeep"]
    assert server["command"] == "kubekeep"
    program, *arguments = map(str, server["args"] if isinstance(server["args"], list) else [])
    assert program == "mcp"
    with open_session(
        *(text.replace("${workspaceFolder}", str(tmp_path)) for text in arguments), cwd=tmp_path
    ) as session:
        assert session.call("scan")["totals"]["resources"] == 1


def test_guide_lists_the_tools(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    # A server that is named is not reached before a tool is called.
    variables = {"KUBEKEEP_SERVER": "https://kubekeep.example.com", "KUBEKEEP_TOKEN": "kk_guide"}
    with open_session("--root", str(tmp_path), environment=variables) as session:
        assert [*session.tools] == rows
