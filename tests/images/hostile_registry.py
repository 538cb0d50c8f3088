"""A registry on the loopback address that returns anything: images by hand, and responses that break the rules."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.images.access_fixtures import digest_of
from tests.images.building import CONFIG, INDEX, LAYER, MANIFEST, Descriptor
from tests.images.relay import reply
from tests.loopback import serving

Answer = Callable[[http.server.BaseHTTPRequestHandler], object]


class HostileRegistry:
    """Contents by digest or tag, and answers by the end of a path that take precedence."""

    def __init__(self) -> None:
        self.address = ""
        self.contents: dict[str, bytes] = {}
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str]] = []
        self.layer = self.add(b"the content of a layer", LAYER)

    @property
    def reference(self) -> str:
        return f"{self.address}/app:1"

    def add(self, content: bytes, media_type: str) -> Descriptor:
        self.contents[digest_of(content)] = content
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def add_json(self, document: object, media_type: str) -> Descriptor:
        return self.add(json.dumps(document).encode(), media_type)

    def create_manifest(self, layers: list[Descriptor] | None = None, diff_ids: int | None = None) -> dict[str, Any]:
        """Return a manifest, whose configuration has as many diff ids as layers unless `diff_ids` is set."""
        layers = [self.layer] if layers is None else layers
        count = len(layers) if diff_ids is None else diff_ids
        config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [self.layer["digest"]] * count}}
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add_json(config, CONFIG),
            "layers": layers,
        }

    def publish(self, document: object) -> Descriptor:
        """Set the tag to a manifest or index."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.contents["1"] = content
        return self.add(content, INDEX if b"manifests" in content else MANIFEST)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.requests.append((handler.path, handler.headers.get("Authorization", "")))
        special = next((answer for end, answer in self.answers.items() if handler.path.endswith(end)), None)
        content = self.contents.get(handler.path.rpartition("/")[2])
        with contextlib.suppress(OSError):
            if special is not None:
                special(handler)
            elif content is None:
                reply(handler, 404)
            else:
                self._send(handler, content)

    def _send(self, handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if match is None:
            reply(handler, 200, content)
        else:
            start = int(match[1])
            reply(handler, 206, content[start:], Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")


@contextlib.contextmanager
def run_hostile_registry() -> Iterator[HostileRegistry]:
    """Run a registry with a correct image as `app:1`."""
    registry = HostileRegistry()
    registry.publish(registry.create_manifest())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise a body waits until the client has acknowledged the headers.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            registry.answer(self)

        do_HEAD = do_GET  # noqa: N815 - a name of the library

    with serving(Handler) as port:
        registry.address = f"127.0.0.1:{port}"
        yield registry
