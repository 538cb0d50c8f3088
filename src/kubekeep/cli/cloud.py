"""`kubekeep cloud describe`: documents about a managed cluster, to scan beside manifests.

Parses and writes one file; never calls a cloud itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import yaml

from kubekeep.cli.console.atomic_files import write_text
from kubekeep.cli.settings import azure_cloud
from kubekeep.model.cloud import CloudCluster, CloudRequest, Endpoints, parse_cluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.usecases.cloud import describe_cluster

_INCOMPLETE = 3


class _ClusterType(click.ParamType[CloudCluster]):
    """The name of a cluster of a cloud provider."""

    name = "cluster"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> CloudCluster:
        try:
            return value if isinstance(value, CloudCluster) else parse_cluster(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(short_help="Describe a managed cluster for a scan.")
def command() -> None:
    """Describe a managed cluster of AWS, Azure or Google Cloud for a scan."""


@command.command(short_help="Write the documents about a cluster.")
@click.argument("cluster", type=_ClusterType())
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the documents to this file."
)
def describe(cluster: CloudCluster, output: Path | None) -> None:
    """Print the data of the cloud provider about CLUSTER as documents, for a scan together with manifests.

    CLUSTER is eks/REGION/NAME, aks/SUBSCRIPTION/GROUP/NAME, gke/PROJECT/LOCATION/NAME, an ARN, an Azure resource ID
    or projects/PROJECT/locations/LOCATION/clusters/NAME. Uses the credentials of the
    provider's own tools. Excludes keys and certificates. Exits with 3 if some of the data could not be read.

    \b
    kubekeep cloud describe eks/eu-west-1/shop -o deploy/cloud.yaml
    kubekeep scan deploy/
    """  # noqa: D301 - click takes the character itself
    documents: list[dict[str, Any]] = []
    gaps: list[CoverageGap] = []
    for document in describe_cluster(CloudRequest(cluster=cluster, endpoints=Endpoints(azure=azure_cloud()))):
        if isinstance(document, CoverageGap):
            gaps.append(document)
        else:
            documents.append(document)
    for why in dict.fromkeys((gap.text, gap.next_step) for gap in gaps):
        kinds = ", ".join(gap.kind for gap in gaps if (gap.text, gap.next_step) == why)
        click.echo(f"not read: {kinds} of {cluster}: {why[0]}\n  {why[1]}", err=True)
    if documents:
        _write(documents, output)
    if gaps:
        sys.exit(_INCOMPLETE)


def _write(documents: list[dict[str, Any]], output: Path | None) -> None:
    text = yaml.dump(
        {"apiVersion": "v1", "kind": "List", "items": documents},
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
    write_text(text, output)
