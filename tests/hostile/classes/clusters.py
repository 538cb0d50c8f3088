"""Kubeconfigs, and answers of an API server."""

from __future__ import annotations

import functools
import http.server
import json
import random
import threading
from collections.abc import Iterator
from typing import Any, Final

from tests.hostile.member import REPORT, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, mutate

_SCAN: Final = ("scan", "control", "C-0057", "--kubeconfig", "k", "--no-host-scan", *REPORT)


def _kubeconfig(server: str, **user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "l", "user": "u", "namespace": "n"}}],
        "clusters": [
            {"name": "l", "cluster": {"server": server, "tls-server-name": "a", "certificate-authority-data": "YQ=="}}
        ],
        "users": [{"name": "u", "user": {"token": "t", **user}}],
    }


@hostile_class("kubeconfigs")
def kubeconfigs(source: random.Random) -> Iterator[Member]:
    """Kubeconfigs in which one value is of another type, and files that are broken or endless."""
    valid = _kubeconfig("http://127.0.0.1:1")
    for name, changed in mutate(valid, source, 20):
        yield Member(name, {"k": dump(changed)}, Expected.REFUSED, _SCAN, environment={"TEST_PORT": "1"})
    contents: tuple[Content, ...] = (
        "",
        "[",
        "text",
        "\x00",
        "a: &a [*a]",
        b"\xff",
        "[" * 10_000,
        Link("/dev/zero"),
        Special.FOLDER,
    )
    for content in contents:
        yield Member(f"content {str(content)[:20]!r}", {"k": content}, Expected.REFUSED, _SCAN)
    for name, text in TEXTS.items():
        yield Member(
            f"token {name}",
            {"k": dump(_kubeconfig("http://127.0.0.1:1", token=text))},
            Expected.REFUSED,
            _SCAN,
            environment={"TEST_PORT": "1"},
        )
        yield Member(f"server {name}", {"k": dump(_kubeconfig(text))}, Expected.REFUSED, _SCAN)
    for key in ("tokenFile", "client-certificate", "client-key"):
        for target in ("/dev/zero", "pipe", "missing", "k"):
            files: dict[str, Content] = {
                "k": dump(_kubeconfig("http://127.0.0.1:1", **{key: target})),
                "pipe": Special.FIFO,
            }
            yield Member(f"{key} {target}", files, Expected.REFUSED, _SCAN, environment={"TEST_PORT": "1"})


_PODS: Final = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [
    {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}]}  # fmt: skip
_RESOURCES: Final = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": [
    {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["list", "get", "watch"]}]}  # fmt: skip
_BODIES: list[bytes] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    """An API server whose answers are the member's body, whatever is requested."""

    def do_GET(self) -> None:
        body = _BODIES[int(self.path.split("/")[1])]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name in the base class

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


@functools.cache
def _serve() -> int:
    """Start the server once and return its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


@hostile_class("answers of an API server")
def answers(source: random.Random) -> Iterator[Member]:
    """Lists and catalogues in which one value is of another type, damaged ones, and endless pages."""
    bodies: dict[str, bytes] = {}
    for document in (_PODS, _RESOURCES):
        for name, changed in mutate(document, source, 10):
            bodies[f"{document['kind']}: {name}"] = dump(changed).encode("utf-8", "surrogatepass")
    bodies |= dict(damage(json.dumps(_RESOURCES).encode(), source, 8))
    bodies["nested"] = b"[" * 100_000
    bodies["nested objects"] = b'{"items":' * 50_000
    bodies["endless pages"] = dump({**_PODS, "metadata": {"continue": "x", "resourceVersion": "1"}}).encode()
    bodies["not JSON"] = b"\xff\x00"
    bodies["empty"] = b""
    bodies["HTML"] = b"<html><script>alert(1)</script>"
    port = _serve()
    for name, body in bodies.items():
        _BODIES.append(body)
        files = {"k": dump(_kubeconfig(f"http://127.0.0.1:{port}/{len(_BODIES) - 1}"))}
        yield Member(name, files, Expected.EITHER, _SCAN, environment={"TEST_PORT": str(port)})
