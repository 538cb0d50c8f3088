"""Serve N generated objects as an API server does, in pages: `python benchmarks/paging.py N KUBECONFIG`.

Discovery, `limit` and `continue`, nothing else: what is measured is who reads. Pages are encoded beforehand. Writes a
kubeconfig when it listens, on loopback, and ends on a signal. Nothing in it is real.
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


def served(count: int) -> dict[str, list[bytes]]:
    """The pages of each path."""
    by_path: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in (*corpus.objects(count), *_namespaces()):
        metadata = item["metadata"]
        metadata["uid"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item['kind']}/{metadata['name']}"))
        metadata |= {"resourceVersion": "1", "creationTimestamp": CREATED, "generation": 1}
        metadata["managedFields"] = [_written(item)]
        by_path[_path(item)].append(item)
    return {path: list(_pages(items)) for path, items in by_path.items()}


def _namespaces() -> list[dict[str, Any]]:
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns-{number}"}} for number in range(40)]


def _written(item: dict[str, Any]) -> dict[str, Any]:
    """Who wrote which field, as every object of a cluster tells."""
    fields: dict[str, Any] = {
        f"f:{key}": {".": {}} for key in (*item.get("spec", {}), *item["metadata"].get("labels", {}))
    }
    return {"manager": "kubectl", "operation": "Update", "time": CREATED, "fieldsV1": {"f:spec": fields}}


def _path(item: dict[str, Any]) -> str:
    group, _, version = item["apiVersion"].rpartition("/")
    return f"/{'apis/' + group if group else 'api'}/{version}/{_plural(item['kind'])}"


def _plural(kind: str) -> str:
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _pages(items: list[dict[str, Any]]) -> list[bytes]:
    found = []
    head = {"apiVersion": items[0]["apiVersion"], "kind": f"{items[0]['kind']}List"}
    for start in range(0, len(items), PAGE):
        rest = len(items) - start - PAGE
        more = {"continue": str(start // PAGE + 1), "remainingItemCount": rest} if rest > 0 else {}
        page = [{key: value for key, value in item.items() if key not in head} for item in items[start : start + PAGE]]
        found.append(json.dumps(head | {"metadata": {"resourceVersion": "9", **more}, "items": page}).encode())
    return found


def discovery(paths: dict[str, list[bytes]], root: str) -> bytes:
    """What is served below `root`, in the aggregated form."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for path, pages in paths.items():
        head, *rest = path.strip("/").split("/")
        if head == root:
            group, version = rest[0] if root == "apis" else "", rest[-2]
            kind = json.loads(pages[0])["kind"].removesuffix("List")
            groups[group, version].append(
                {
                    "resource": rest[-1],
                    "responseKind": {"group": group, "version": version, "kind": kind},
                    "scope": "Cluster" if kind in CLUSTER_WIDE else "Namespaced",
                    "verbs": ["get", "list", "watch"],
                }
            )
    items = [
        {"metadata": {"name": group}, "versions": [{"version": version, "resources": found, "freshness": "Current"}]}
        for (group, version), found in groups.items()
    ]
    document = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
    return json.dumps(document).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers from `pages`."""

    protocol_version = "HTTP/1.1"
    pages: ClassVar[dict[str, list[bytes]]] = {}

    def do_GET(self) -> None:
        """One page, or what is served."""
        address = urlsplit(self.path)
        if address.path == "/version":
            body = b'{"major":"1","minor":"34","gitVersion":"v1.34.0"}'
        elif address.path in ("/api", "/apis"):
            body = discovery(self.pages, address.path.strip("/"))
        else:
            body = self.pages[address.path][int(parse_qs(address.query).get("continue", ["0"])[0])]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


def main() -> None:
    """Serve until somebody ends it."""
    Handler.pages = served(int(sys.argv[1]))
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
