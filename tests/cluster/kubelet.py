"""A kubelet stand-in: a Node, and a TLS server for requests of the API server on behalf of users.

Responds with fixed documents, runs nothing, and accepts only the API server.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from tests.cluster.cluster import Cluster


@contextlib.contextmanager
def kubelet(cluster: Cluster, documents: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Create a Node with a kubelet that serves `documents`: JSON by path, `configz` or `metrics/cadvisor`; else 404.

    Provides the Node. Skips the test on a machine with only the loopback address, as the API server calls no kubelet
    there.
    """
    address = own_address()
    name = f"node-{uuid.uuid4().hex[:12]}"
    authority = cluster.layout.kubelets
    pair = authority.issue(name, hosts=[address])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.pair.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pair.certificate, pair.key)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].strip("/")
            content = msgspec.json.encode(documents[path]) if path in documents else b""
            self.send_response(200 if path in documents else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    with Server((address, 0), Handler) as server:
        # The handshake runs in the thread of the connection, so that an idle client blocks no others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield from _create_node(cluster, name, address, server.server_port)
        finally:
            server.shutdown()
            thread.join()


def _create_node(cluster: Cluster, name: str, address: str, port: int) -> Iterator[dict[str, Any]]:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a stand-in"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }
    (applied,) = cluster.apply([node])
    try:
        yield applied
    finally:
        cluster.delete(applied)


def own_address() -> str:
    """Return an address of this machine that is not loopback, without sending data. Skips the test if there is none."""
    # Documentation addresses (RFC 5737, RFC 3849): connect() only selects the source address.
    for family, unreachable in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
            sender.connect((unreachable, 9))
            return str(sender.getsockname()[0])
    pytest.skip("this machine has no address but the loopback one")
