"""The request for a scan, split by the stage that uses each part. Values only; reads nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.kube.access import ClusterRequest
from kubekeep.library.extra import ExtraRules
from kubekeep.model.attack import ALL_PATHS, AttackQuery
from kubekeep.model.cloud import CloudRequest
from kubekeep.model.control import Provider
from kubekeep.model.errors import RequestError
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.reports.format import Extra
from kubekeep.sources.images.address import is_image_address
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.registries.address import is_registry_address
from kubekeep.usecases.server_decisions import DecisionSource

NEWEST_KUBERNETES: Final = 37
"""The newest minor version of Kubernetes that the library covers."""
OLDEST_KUBERNETES: Final = 25


class ScanInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input of a scan: files, or a live cluster.

    `paths` are files, folders and URLs; `-` is standard input. With a `cluster`, they hold documents about it that are
    scanned beside its objects. A `snapshot` holds all objects of a cluster, so that controls that need a whole cluster
    are evaluated. `cloud` requests the cluster's documents from its cloud provider.
    """

    paths: tuple[str, ...] = ()
    cluster: ClusterRequest | None = None
    cloud: CloudRequest | None = None
    snapshot: bool = False
    read: ReadOptions = ReadOptions()

    @property
    def is_whole_cluster(self) -> bool:
        """True if the input is a whole cluster."""
        return self.snapshot or self.cluster is not None

    @property
    def has_only_registries(self) -> bool:
        """True for a scan of registries alone: many images with many packages each, and no context for them."""
        return bool(self.paths) and all(map(is_registry_address, self.paths))

    @property
    def has_only_images(self) -> bool:
        """True for a scan of images by name, or of registries."""
        return bool(self.paths) and all(is_registry_address(path) or is_image_address(path) for path in self.paths)


class RuleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The rules to evaluate; without names, every control of the library.

    `params` replace defaults of control parameters, by name. `extra` are rules supplied by the user; bundles in it
    replace the library unless controls or frameworks are named. `policies` are files and folders with admission
    policies; with `cluster_policies`, those in force in the cluster are evaluated too. The `provider` is detected from
    the input if not set.
    """

    frameworks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    """Controls to leave out of the scan and of its scores."""
    params: Mapping[str, tuple[str, ...]] = {}
    extra: ExtraRules | None = None
    policies: tuple[str, ...] = ()
    cluster_policies: bool = False
    provider: Provider | None = None


class EvaluationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The scope and conditions of the evaluation.

    An empty `kubernetes_version` is the cluster's, else the newest that the library covers. `resource_selection` and
    `workload` restrict the resources that get verdicts; rules still see the others. `outcome_cache` is the file that
    keeps the outcomes of rules between scans; empty for none. `decisions` has those of a server, for a scan with a source.
    """

    kubernetes_version: str = ""
    resource_selection: ResourceSelection = ResourceSelection()
    workload: str = ""
    exceptions: ExceptionOptions = ExceptionOptions()
    outcome_cache: str = ""
    decisions: DecisionSource | None = None


class ReportNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """Optional parts of the assessment that a report needs; `attack_query` selects attack paths among `extras`."""

    extras: frozenset[Extra] = frozenset()
    attack_query: AttackQuery = ALL_PATHS


class ScanRequest(msgspec.Struct, frozen=True):
    """A request for a scan; each stage receives only its part."""

    input: ScanInput
    rules: RuleOptions = RuleOptions()
    evaluation: EvaluationOptions = EvaluationOptions()
    needs: ReportNeeds = ReportNeeds()

    @property
    def needs_related_objects(self) -> bool:
        """True if related objects of all kinds are needed.

        For the scan of one workload, for attack paths, and for the exposure and the rights of workloads that run an image.
        """
        return (
            bool(self.evaluation.workload) or Extra.ATTACK_PATHS in self.needs.extras or self.input.read.workload_images
        )

    @property
    def has_whole_input(self) -> bool:
        """True if no selection leaves out a part of the input."""
        evaluation = self.evaluation
        return not (str(evaluation.resource_selection) or evaluation.workload or self.input.read.changed_since)


def kubernetes_minor(version: str) -> int:
    """Return the minor version in `1.33`, `v1.33.2` or `latest`. Raises RequestError for one the library does not cover."""
    if version == "latest":
        return NEWEST_KUBERNETES
    match = re.fullmatch(r"v?1\.(\d+)(?:\.\d+)?(?:[-+].*)?", version)
    minor = int(match[1]) if match else -1
    if not OLDEST_KUBERNETES <= minor <= NEWEST_KUBERNETES:
        raise RequestError(
            f"unknown Kubernetes version {version!r}: use 1.{OLDEST_KUBERNETES} to 1.{NEWEST_KUBERNETES} or latest"
        )
    return minor


def minor_of_cluster(version: str, cluster_minor: int | None, notes: list[str]) -> int:
    """Return the minor version to evaluate for; a cluster without a covered version adds a sentence to `notes`."""
    if version:
        return kubernetes_minor(version)
    minor = NEWEST_KUBERNETES if cluster_minor is None else cluster_minor
    covered_minor = min(max(minor, OLDEST_KUBERNETES), NEWEST_KUBERNETES)
    if covered_minor != cluster_minor:
        version_text = "unknown" if cluster_minor is None else f"1.{cluster_minor}"
        notes.append(f"the Kubernetes version of the cluster is {version_text}; evaluated as 1.{covered_minor}")
    return covered_minor
