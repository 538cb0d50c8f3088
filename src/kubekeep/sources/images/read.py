"""Images as resources, read one after the other. Never evaluates controls."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence

from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageOptions
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.errors import KubekeepError
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.sources.images.document import create_resource


def read_images(references: Sequence[str], options: ImageOptions) -> Iterator[Resource | UnreadInput]:
    """Yield the resource of each image, then the parts of it that could not be read."""
    today = dt.datetime.now(dt.UTC).date()
    for reference in references:
        try:
            image = inspect_image(reference, options, secrets=True)
        except KubekeepError as error:
            yield UnreadInput(Location(visible(reference)), str(error))
            continue
        # The working folder is shown to users, not traversed.
        yield create_resource(image, os.getcwd(), today)  # noqa: PTH109
        for problem in image.content.problems:
            yield UnreadInput(Location(f"{reference}!/{problem.path}"), problem.message)
