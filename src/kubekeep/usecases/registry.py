"""Selection of the images of registries without reading their layers. Never prints."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from kubekeep.images.options import ImageOptions
from kubekeep.images.registries.client import RegistryClient
from kubekeep.images.registries.options import RegistryOptions
from kubekeep.images.registries.pattern import parse_pattern
from kubekeep.images.registries.selection import ImageSelector, SelectedImages
from kubekeep.registry.pace import RequestPace
from kubekeep.sources.registries.read import add_pace, open_state


def list_images(patterns: Sequence[str], options: RegistryOptions, images: ImageOptions) -> SelectedImages:
    """Return the images that a scan with these options would read, each with its description.

    Raises ValueError for an invalid pattern, and StateError.
    """
    parsed = [parse_pattern(pattern) for pattern in patterns]
    pace = RequestPace(options.budget.requests_per_second)
    with contextlib.ExitStack() as stack:
        stack.callback(pace.stop)
        state = stack.enter_context(open_state(options)) if options.state else None
        images = add_pace(images, pace)
        client = RegistryClient(images.access, state)
        selector = ImageSelector(client, options.selection, images.access.platform, state, options.budget.parallel)
        return selector.select(parsed, describe=True)
