"""Images in the scope of the identity: a list, one image, its packages, and the workloads that run it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from kubekeep_server.api.answers import Cursor, Limit, SourceNumbers, Text, answer
from kubekeep_server.api.problems import DOCUMENTED
from kubekeep_server.api.software import Digest
from kubekeep_server.api.structs import describe_answer
from kubekeep_server.store.image_schema import image
from kubekeep_server.store.queries import affected, image_lists, image_pages, images
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Page

router: Final = APIRouter(prefix="/api/v1", tags=["images"], responses=DOCUMENTED)


def read_filter(
    source: SourceNumbers = [],  # noqa: B006 - FastAPI copies it
    text: Text = "",
    distribution: Text = "",
    repository: Text = "",
    exposed: bool | None = None,  # noqa: FBT001
    fixable: bool | None = None,  # noqa: FBT001
    assessed: bool | None = None,  # noqa: FBT001
) -> image_lists.ImageFilter:
    """Return the filters of images."""
    return image_lists.ImageFilter(
        sources=tuple(source),
        text=text,
        distribution=distribution,
        repository=repository,
        is_exposed=exposed,
        is_fixable=fixable,
        is_assessed=assessed,
    )


@router.get(
    "/images",
    operation_id="listImages",
    response_class=Response,
    responses=describe_answer(Page[image_lists.ImageRow]),
)
async def read_images(
    request: Request,
    selection: Annotated[image_lists.ImageFilter, Depends(read_filter)],
    order: image_lists.ImageOrder = image_lists.ImageOrder.PRIORITY,
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Return a page of the images that a source has or a workload runs. text: a part of a name, or the beginning of the digest."""
    return await answer(request, image_lists.list_images, selection, order, cursor, limit)


@router.get(
    "/images/{digest}",
    operation_id="getImage",
    response_class=Response,
    responses=describe_answer(image_pages.ImagePage),
)
async def read_image(request: Request, digest: Digest) -> Response:
    """Return an image with the changes that fix its problems, its layers, and other images of its repositories."""
    return await answer(request, image_pages.get_image, digest)


@router.get(
    "/images/{digest}/packages",
    operation_id="listImagePackages",
    response_class=Response,
    responses=describe_answer(Page[image_pages.ImagePackageRow]),
)
async def read_image_packages(
    request: Request, digest: Digest, text: Text = "", cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the packages of an image by name, with the layer of each. text: a part of the name."""
    return await answer(request, image_pages.list_image_packages, digest, text, cursor, limit)


@router.get(
    "/images/{digest}/workloads",
    operation_id="listImageWorkloads",
    response_class=Response,
    responses=describe_answer(Page[affected.RunningWorkload]),
)
async def read_image_workloads(
    request: Request, digest: Digest, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the containers that run an image, those that can be reached first."""
    return await answer(request, affected.list_workloads, image.c.digest == digest, cursor, limit)


@router.get(
    "/images/{digest}/problems",
    operation_id="listImageProblems",
    response_class=Response,
    responses=describe_answer(Page[images.ImageProblem]),
)
async def read_image_problems(
    request: Request, digest: Digest, cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Return a page of the open problems of an image, the most urgent first."""
    return await answer(request, images.list_problems, digest, cursor, limit)
