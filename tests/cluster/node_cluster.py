"""Operations of tests on a cluster with a node: images, pods, and programs in containers. Never starts or stops it."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.cluster.cluster import Cluster, eventually
from tests.cluster.node_images import NodeImages

_KUBECTL: Final = Path(sys.executable).with_name("kubectl")
_SECONDS: Final = 120


class NodeCluster(Cluster):
    """A cluster with a node."""

    @functools.cached_property
    def images(self) -> NodeImages:
        """The registry of the node."""
        return NodeImages(self.registry)

    @property
    def registry(self) -> str:
        """Host and port of the registry, which has no TLS and is reachable from this machine and from the node."""
        return self.layout.registry_address.read_text(encoding="utf-8")

    def list_pods(self, namespace: str) -> list[dict[str, Any]]:
        """Return the Pods of a namespace, without those that are being deleted."""
        pods = self.admin("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def wait_for_pods(self, namespace: str, count: int) -> list[dict[str, Any]]:
        """Wait until a namespace has `count` Pods, all of them ready, and return them. Raises TimeoutError."""

        def list_ready() -> list[dict[str, Any]]:
            pods = self.list_pods(namespace)
            return pods if len(pods) == count and all(map(is_ready, pods)) else []

        try:
            return eventually(list_ready, seconds=_SECONDS)
        except TimeoutError as error:
            statuses = [(pod["metadata"]["name"], pod["status"]) for pod in self.list_pods(namespace)]
            raise TimeoutError(f"{error}: {statuses}") from None

    def execute(self, namespace: str, pod: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the first container of a Pod."""
        return subprocess.run(
            [_KUBECTL, "--kubeconfig", self.kubeconfig, "exec", "-n", namespace, pod, "--", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )


def is_ready(pod: dict[str, Any]) -> bool:
    """Return True if all containers of a Pod are ready."""
    conditions = pod["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
