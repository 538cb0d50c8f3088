"""Serve N generated objects in pages like an API server: `python benchmarks/paging.py N KUBECONFIG`.

Supports only discovery, `limit` and `continue`, to measure the client. Pages are encoded in advance. Writes a
kubeconfig when it listens, on loopback, and stops on a signal. All content is fictitious.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import corpus

PAGE = 500
CREATED = "2026-01-01T00:00:00Z"
CLUSTER_WIDE = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding"})


def encode_pages(count: int) -> dict[str, list[bytes]]:
    """Return the pages of each path."""
    by_path: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for resource in (*corpus.objects(count), *_namespaces()):
        metadata = resource["metadata"]
        metadata["uid"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{resource['kind']}/{metadata['name']}"))
        metadata |= {"resourceVersion": "1", "creationTimestamp": CREATED, "generation": 1}
        metadata["managedFields"] = [_managed_fields(resource)]
        by_path[_path(resource)].append(resource)
    return {path: list(_pages(resources)) for path, resources in by_path.items()}


def _namespaces() -> list[dict[str, Any]]:
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns-{number}"}} for number in range(40)]


def _managed_fields(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the managed fields that a cluster records for every object."""
    fields: dict[str, Any] = {
        f"f:{key}": {".": {}} for key in (*resource.get("spec", {}), *resource["metadata"].get("labels", {}))
    }
    return {"manager": "kubectl", "operation": "Update", "time": CREATED, "fieldsV1": {"f:spec": fields}}


def _path(resource: dict[str, Any]) -> str:
    group, _, version = resource["apiVersion"].rpartition("/")
    return f"/{'apis/' + group if group else 'api'}/{version}/{_plural(resource['kind'])}"


def _plural(kind: str) -> str:
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _pages(resources: list[dict[str, Any]]) -> list[bytes]:
    pages = []
    list_type = {"apiVersion": resources[0]["apiVersion"], "kind": f"{resources[0]['kind']}List"}
    for start in range(0, len(resources), PAGE):
        remaining = len(resources) - start - PAGE
        more = {"continue": str(start // PAGE + 1), "remainingItemCount": remaining} if remaining > 0 else {}
        page = [
            {key: value for key, value in resource.items() if key not in list_type}
            for resource in resources[start : start + PAGE]
        ]
        pages.append(json.dumps(list_type | {"metadata": {"resourceVersion": "9", **more}, "items": page}).encode())
    return pages


def create_discovery(paths: dict[str, list[bytes]], root: str) -> bytes:
    """Return the discovery document below `root`, in the aggregated form."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for path, pages in paths.items():
        api_root, *parts = path.strip("/").split("/")
        if api_root == root:
            group, version = parts[0] if root == "apis" else "", parts[-2]
            kind = json.loads(pages[0])["kind"].removesuffix("List")
            groups[group, version].append(
                {
                    "resource": parts[-1],
                    "responseKind": {"group": group, "version": version, "kind": kind},
                    "scope": "Cluster" if kind in CLUSTER_WIDE else "Namespaced",
                    "verbs": ["get", "list", "watch"],
                }
            )
    entries = [
        {
            "metadata": {"name": group},
            "versions": [{"version": version, "resources": resources, "freshness": "Current"}],
        }
        for (group, version), resources in groups.items()
    ]
    document = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": entries,
    }
    return json.dumps(document).encode()


class Handler(BaseHTTPRequestHandler):
    """Handler that answers from `pages`."""

    protocol_version = "HTTP/1.1"
    pages: ClassVar[dict[str, list[bytes]]] = {}

    def do_GET(self) -> None:
        """Send a page or a discovery document."""
        address = urlsplit(self.path)
        if address.path == "/version":
            body = b'{"major":"1","minor":"34","gitVersion":"v1.34.0"}'
        elif address.path in ("/api", "/apis"):
            body = create_discovery(self.pages, address.path.strip("/"))
        else:
            body = self.pages[address.path][int(parse_qs(address.query).get("continue", ["0"])[0])]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Suppress the access log."""


def main() -> None:
    """Serve until the process is stopped."""
    Handler.pages = encode_pages(int(sys.argv[1]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        name = "generated"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": name, "context": {"cluster": name}}],
        }
        Path(sys.argv[2]).write_text(json.dumps(config), encoding="utf-8")
        server.serve_forever()


if __name__ == "__main__":
    main()
