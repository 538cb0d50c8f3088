"""Frameworks and parameters for Kubescape's operator, from a folder that `kubescape download artifacts` has written.

Operators with an account load them from their back end and cannot scan without. The server has no policies of its own for them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.submissions import JSON

router: Final = APIRouter(prefix="/api/v1", tags=["kubescape"], responses=DOCUMENTED)
_PARAMETERS: Final = "controls-inputs.json"
_MOST_BYTES: Final = 64 << 20
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The policies", "content": {JSON: {}}}}
FrameworkName = Annotated[str, Query(alias="frameworkName", pattern="^([0-9A-Za-z][0-9A-Za-z._-]{0,99})?$")]


class _Framework(msgspec.Struct):
    """The parts by which a framework differs from the other files of the folder."""

    name: str
    controls: list[msgspec.Raw]


@router.get("/frameworks", operation_id="listKubescapeFrameworks", response_class=Response, responses=_ANSWERS)
async def read_frameworks(request: Request, name: FrameworkName = "") -> Response:
    """Return a framework of Kubescape, or all without a name, from the folder in the setting `kubescape_artifacts`."""
    folder = _get_folder(request)
    if not name:
        return Response(b"[" + b",".join(await asyncio.to_thread(_list_frameworks, folder)) + b"]", media_type=JSON)
    return Response(await asyncio.to_thread(_read, folder / f"{name.lower()}.json"), media_type=JSON)


@router.get("/customerConfig", operation_id="getKubescapeParameters", response_class=Response, responses=_ANSWERS)
async def read_parameters(request: Request) -> Response:
    """Return the parameters of Kubescape's controls, from the folder in the setting `kubescape_artifacts`."""
    content = await asyncio.to_thread(_read, _get_folder(request) / _PARAMETERS)
    return Response(b'{"settings":{"postureControlInputs":' + content + b"}}", media_type=JSON)


def _get_folder(request: Request) -> Path:
    if not (folder := get_state(request).settings.kubescape_artifacts):
        advice = (
            "Write them with `kubescape download artifacts`, and name the folder in the setting kubescape_artifacts."
        )
        raise ProblemError(404, f"This server has no policies for Kubescape. {advice}")
    return Path(folder)


def _read(path: Path) -> bytes:
    """Return a JSON file. Raises ProblemError with status 404."""
    try:
        if path.stat().st_size <= _MOST_BYTES:
            content = path.read_bytes()
            msgspec.json.decode(content, type=dict[str, msgspec.Raw])
            return content
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise ProblemError(404, f"The folder kubescape_artifacts has no readable file {path.name}.")


def _list_frameworks(folder: Path) -> list[bytes]:
    contents = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = _read(path)
            msgspec.json.decode(content, type=_Framework)
        except (ProblemError, msgspec.ValidationError):
            continue
        contents.append(content)
    return contents
