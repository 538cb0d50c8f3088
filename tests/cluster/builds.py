"""The programs of a cluster, built from unmodified source into the cache. Never starts them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tests.oracles.program import build_program

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
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamps = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    ldflags = " ".join(["-s -w", *(f"-X {version}.{name}={value}" for name, value in stamps.items())])
    return ControlPlanePrograms(
        build_program(_SOURCES / "etcd", "go.etcd.io/etcd/server/v3", ["-trimpath", "-ldflags=-s -w"]),
        build_program(_SOURCES / "programs", "./kubernetes", [*_FLAGS, f"-ldflags={ldflags}"]),
    )


def build_node() -> NodePrograms:
    """Return the additional programs of a node, built if necessary. Raises NoGoError without Go."""
    programs = _SOURCES / "programs"
    return NodePrograms(
        dns=build_program(programs, "./dns", _STATIC),
        container=build_program(programs, "./container", _STATIC),
        network_policies=build_program(programs, "./network_policies", [*_FLAGS, "-ldflags=-s -w"]),
    )
