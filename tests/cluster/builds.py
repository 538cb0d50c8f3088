"""The programs of a cluster, built from unmodified source into the cache. Never starts them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tests.oracles.program import GoProgram

KUBERNETES: Final = "v1.34.4"
_SOURCES: Final = Path(__file__).parent
_UNOPTIMIZED: Final = (
    "github.com/google/cadvisor",
    *(
        f"k8s.io/{name}"
        for name in (
            "apiextensions-apiserver",
            "apiserver",
            "cloud-provider",
            "component-helpers",
            "controller-manager",
            "cri-client",
            "dynamic-resource-allocation",
            "kube-aggregator",
            "kube-proxy",
            "kube-scheduler",
            "kubelet",
            "kubernetes",
            "pod-security-admission",
        )
    ),
)
"""Modules that are built without optimisation, which takes less time than their programs lose by it."""
# Two compilers at a time: a third needs more memory than a small machine has.
_FLAGS: Final = ("-trimpath", "-p=2", *(f"-gcflags={module}/...=-N -l -dwarf=false" for module in _UNOPTIMIZED))
_STATIC: Final = (*_FLAGS, "-ldflags=-s -w -linkmode=external -extldflags=-static")
"""Flags of programs in images, which have no C library. cgo stays on, so that the packages are those of the others."""


def _list_kubernetes_flags() -> tuple[str, ...]:
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamps = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    ldflags = " ".join(["-s -w", *(f"-X {version}.{name}={value}" for name, value in stamps.items())])
    return (*_FLAGS, f"-ldflags={ldflags}")


_ETCD: Final = GoProgram(_SOURCES / "etcd", "go.etcd.io/etcd/server/v3", ("-trimpath", "-ldflags=-s -w"))
_KUBERNETES: Final = GoProgram(_SOURCES / "programs", "./kubernetes", _list_kubernetes_flags())
_DNS: Final = GoProgram(_SOURCES / "programs", "./dns", _STATIC)
_CONTAINER: Final = GoProgram(_SOURCES / "programs", "./container", _STATIC)
_NETWORK_POLICIES: Final = GoProgram(_SOURCES / "programs", "./network_policies", (*_FLAGS, "-ldflags=-s -w"))
PROGRAMS: Final = (_ETCD, _KUBERNETES, _DNS, _CONTAINER, _NETWORK_POLICIES)


class ControlPlanePrograms(msgspec.Struct, frozen=True):
    """`kubernetes` is all programs of Kubernetes, by the name that it is called by."""

    etcd: Path
    kubernetes: Path


class NodePrograms(msgspec.Struct, frozen=True):
    """`dns` and `container` run in containers; `network_policies` runs on the node."""

    dns: Path
    container: Path
    network_policies: Path


def build_control_plane() -> ControlPlanePrograms:
    """Return the programs of a control plane, built if necessary (minutes the first time).

    Raises NoGoError without Go.
    """
    return ControlPlanePrograms(_ETCD.build(), _KUBERNETES.build())


def build_node() -> NodePrograms:
    """Return the additional programs of a node, built if necessary. Raises NoGoError without Go."""
    return NodePrograms(dns=_DNS.build(), container=_CONTAINER.build(), network_policies=_NETWORK_POLICIES.build())
