"""SBOM and VEX documents of an image, of the images of a workload, and of all images of a source."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from kubekeep.model.errors import KubekeepError
from kubekeep_server.api.access import get_now
from kubekeep_server.api.answers import SourceNumber, SubjectKey, read_in_scope
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_address, get_state
from kubekeep_server.api.submissions import JSON
from kubekeep_server.store import software_documents
from kubekeep_server.store.numbers import to_key
from kubekeep_server.store.queries import software

router: Final = APIRouter(prefix="/api/v1", tags=["software"], responses=DOCUMENTED)
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The document", "content": {JSON: {"schema": {"type": "object"}}}},
    404: {"description": "There is no such object in the scope of the identity, or no scan has described its software"},
}
Digest = Annotated[str, Path(pattern="^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$")]


class SbomFormat(enum.StrEnum):
    """Formats of SBOMs: CycloneDX 1.6 and 1.7, and SPDX 2.3 and 3.0, in JSON."""

    CYCLONEDX = "cyclonedx"
    CYCLONEDX_1_7 = "cyclonedx-1.7"
    SPDX = "spdx"
    SPDX_3 = "spdx-3"


class VexFormat(enum.StrEnum):
    """Formats of VEX documents: OpenVEX 0.2.0 and CycloneDX 1.6."""

    OPENVEX = "openvex"
    CYCLONEDX = "cyclonedx"


@router.get("/images/{digest}/sbom", operation_id="getImageSbom", response_class=Response, responses=_ANSWERS)
async def read_image_sbom(request: Request, digest: Digest, format: SbomFormat = SbomFormat.CYCLONEDX) -> Response:
    """Return the packages of an image that a workload in the scope runs, or a source in the scope has."""
    return await _write_sbom(request, format, software.load_image_packages, digest)


@router.get("/images/{digest}/vex", operation_id="getImageVex", response_class=Response, responses=_ANSWERS)
async def read_image_vex(request: Request, digest: Digest, format: VexFormat = VexFormat.OPENVEX) -> Response:
    """Return the status of each vulnerability of an image."""
    return await _write_vex(request, format, software.load_image_problems, digest)


@router.get(
    "/sources/{source}/subjects/{subject}/sbom",
    operation_id="getSubjectSbom",
    response_class=Response,
    responses=_ANSWERS,
)
async def read_subject_sbom(
    request: Request, source: SourceNumber, subject: SubjectKey, format: SbomFormat = SbomFormat.CYCLONEDX
) -> Response:
    """Return the packages of the images that a workload runs, each once, with the images that contain it."""
    return await _write_sbom(request, format, software.load_subject_packages, source, to_key(subject))


@router.get(
    "/sources/{source}/subjects/{subject}/vex",
    operation_id="getSubjectVex",
    response_class=Response,
    responses=_ANSWERS,
)
async def read_subject_vex(
    request: Request, source: SourceNumber, subject: SubjectKey, format: VexFormat = VexFormat.OPENVEX
) -> Response:
    """Return the status of each vulnerability of the images that a workload runs."""
    return await _write_vex(request, format, software.load_subject_problems, source, to_key(subject))


@router.get("/sources/{source}/sbom", operation_id="getSourceSbom", response_class=Response, responses=_ANSWERS)
async def read_source_sbom(
    request: Request, source: SourceNumber, format: SbomFormat = SbomFormat.CYCLONEDX
) -> Response:
    """Return the packages of the images of a source, each once, with the images that contain it.

    Who sees some namespaces gets the images that their workloads run. A source with more than 200,000 is refused.
    """
    return await _write_sbom(request, format, software.load_source_packages, source)


@router.get("/sources/{source}/vex", operation_id="getSourceVex", response_class=Response, responses=_ANSWERS)
async def read_source_vex(request: Request, source: SourceNumber, format: VexFormat = VexFormat.OPENVEX) -> Response:
    """Return the status of each vulnerability of the images of a source."""
    return await _write_vex(request, format, software.load_source_problems, source)


async def _write_sbom(request: Request, format_: SbomFormat, load: Callable[..., Any], *arguments: Any) -> Response:
    return await _write(request, load, arguments, software_documents.write_software, f"sbom-{format_}", format_.value)


async def _write_vex(request: Request, format_: VexFormat, load: Callable[..., Any], *arguments: Any) -> Response:
    options = (format_.value, f"Kubekeep server {get_address(request)}", get_now())
    return await _write(request, load, arguments, software_documents.write_statements, f"vex-{format_}", *options)


async def _write(
    request: Request,
    load: Callable[..., Any],
    arguments: tuple[Any, ...],
    write: Callable[..., bytes],
    name: str,
    *options: Any,
) -> Response:
    """Return the answer with a document. One at a time is written, in a thread, because it may need much memory."""
    async with get_state(request).conversions:
        stored = await read_in_scope(request, load, *arguments)
        try:
            content = await asyncio.to_thread(write, stored, *options)
        except LookupError as error:
            raise ProblemError(404, f"{str(error).capitalize()}.") from error
        except (KubekeepError, ValueError) as error:
            raise ProblemError(422, f"The format cannot express the software: {error}") from error
    return Response(content, media_type=JSON, headers={"Content-Disposition": f'attachment; filename="{name}.json"'})
