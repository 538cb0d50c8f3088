"""Options of `kubekeep scan` for the cluster and its user. Parses; never connects."""

import sys
from typing import Annotated, Final

import click
import msgspec

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, Use, add_groups, create_option
from kubekeep.cli.settings import azure_cloud
from kubekeep.model.cloud import FORMS, CloudRequest, Endpoints, parse_cluster
from kubekeep.model.errors import KubekeepError
from kubekeep.usecases.request import ScanInput

_NOWHERE: Final = "no PATH and no cluster: name a file or a folder, or - for standard input; {why}"


class ClusterAccessOptions(OptionGroup, frozen=True):
    """Options for the access to a cluster, as given."""

    section = HelpSection.CLUSTER
    uses = Use.SCAN | Use.WATCH

    kubeconfig: Annotated[
        str | None,
        Option(
            "--kubeconfig",
            "Use this kubeconfig for a scan without PATH. Default: KUBECONFIG, or ~/.kube/config.",
            Key.EXPLICIT,
            is_common=True,
            type=click.Path(exists=True, dir_okay=False),
            api=("scan_cluster",),
        ),
    ] = None
    kube_context: Annotated[
        str,
        Option(
            "--kube-context",
            "Use this context of the kubeconfig. Default: the current context.",
            Key.EXPLICIT,
            metavar="NAME",
            show_default=False,
        ),
    ] = ""
    as_user: Annotated[
        str,
        Option("--as", "Impersonate this user in the cluster.", Key.EXPLICIT, metavar="USER", show_default=False),
    ] = ""
    as_groups: Annotated[
        tuple[str, ...],
        Option("--as-group", "Impersonate this group; requires --as; repeatable.", Key.EXPLICIT, metavar="GROUP"),
    ] = ()
    as_uid: Annotated[
        str,
        Option("--as-uid", "Impersonate this UID; requires --as.", Key.EXPLICIT, metavar="UID", show_default=False),
    ] = ""
    insecure_skip_tls_verify: Annotated[
        bool,
        Option(
            "--insecure-skip-tls-verify",
            "Do not verify the API server's certificate. Any server that answers receives the credentials.",
            Key.EXPLICIT,
        ),
    ] = False


class ClusterDataOptions(OptionGroup, frozen=True):
    """Options for data about a cluster that is not among its objects, as given."""

    section = HelpSection.CLUSTER
    rank = 20
    uses = Use.SCAN

    host_scan: Annotated[
        bool | None,
        Option(
            "--host-scan/--no-host-scan",
            "Also read the configuration of each kubelet (requires get nodes/proxy), or read no data about nodes.",
            Key.EXPLICIT,
            show_default="read the data that a node agent wrote into the cluster",
        ),
    ] = None
    host_data: Annotated[
        tuple[str, ...],
        Option(
            "--host-data",
            "Also scan this file or folder of `kubekeep host collect`; repeatable.",
            Key.DISCOVERED,
            type=click.Path(exists=True),
        ),
    ] = ()
    cloud: Annotated[
        bool,
        Option(
            "--cloud",
            "Also read the data of AWS, Azure or Google Cloud about the cluster, with the credentials of their tools.",
            Key.EXPLICIT,
        ),
    ] = False
    cloud_cluster: Annotated[
        str,
        Option(
            "--cloud-cluster",
            f"Read the cloud provider's data about this cluster, if kubeconfig and Nodes do not identify it: {FORMS}.",
            Key.EXPLICIT,
            metavar="NAME",
            show_default=False,
        ),
    ] = ""


class DryRunOptions(OptionGroup, frozen=True):
    """The option to check permissions only."""

    section = HelpSection.CLUSTER
    rank = 15

    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            "Print the roles that a scan of the cluster requires and the missing permissions. Does not scan.",
            Key.EXPLICIT,
        ),
    ] = False


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Parsed options for a cluster."""

    access: ClusterAccessOptions = ClusterAccessOptions()
    cloud: CloudRequest | None = None
    """The request for documents of the cloud provider; None without one."""
    host_scan: bool | None = None
    host_data: tuple[str, ...] = ()
    """Paths of documents about nodes, written by `kubekeep host collect`."""

    def check_unused(self, task: str) -> None:
        """Raise a usage error for cluster options in a scan of paths."""
        flags = (
            ("--kube-context", self.access.kube_context),
            ("--as", self.access.as_user),
            ("--insecure-skip-tls-verify", self.access.insecure_skip_tls_verify),
            ("--cloud", self.cloud),
            ("--host-scan", self.host_scan),
            ("--host-data", self.host_data),
        )
        if flag := next((flag for flag, value in flags if value), ""):
            raise click.UsageError(f"{flag} requires a live cluster: use `{task}` without a path")

    def select_input(self, scan_input: ScanInput, paths: tuple[str, ...]) -> ScanInput:
        """Return the input of a scan: the paths, else the cluster with the data about it.

        Raises a usage error if there is no cluster, or its kubeconfig cannot be used.
        """
        if paths:
            return msgspec.structs.replace(scan_input, paths=paths, cloud=self.cloud)
        # Only a scan of a cluster pays for loading these.
        from kubekeep.kube.settings import NoClusterError  # noqa: PLC0415
        from kubekeep.usecases.cluster_access import ClusterSelection, request_cluster  # noqa: PLC0415

        options = self.access
        selection = ClusterSelection(
            kubeconfig=options.kubeconfig or "",
            context=options.kube_context,
            user=options.as_user,
            uid=options.as_uid,
            groups=options.as_groups,
            insecure=options.insecure_skip_tls_verify,
        )
        try:
            cluster = request_cluster(selection, has_terminal=sys.stdin.isatty(), host_scan=self.host_scan)
        except NoClusterError as error:
            raise click.UsageError(_NOWHERE.format(why=error)) from error
        except KubekeepError as error:
            raise click.UsageError(str(error)) from error
        return msgspec.structs.replace(scan_input, paths=self.host_data, cluster=cluster, cloud=self.cloud)


def _create_options(access: ClusterAccessOptions, data: ClusterDataOptions) -> dict[str, ClusterOptions]:
    if (access.as_uid or access.as_groups) and not access.as_user:
        raise click.UsageError(f"{'--as-uid' if access.as_uid else '--as-group'} requires --as")
    cloud = _cloud(requested=data.cloud, name=data.cloud_cluster)
    return {"cluster": ClusterOptions(access=access, cloud=cloud, host_scan=data.host_scan, host_data=data.host_data)}


def _cloud(*, requested: bool, name: str) -> CloudRequest | None:
    """Return the request for cloud documents; the name of a cluster implies it."""
    if not name and not requested:
        return None
    try:
        cluster = parse_cluster(name) if name else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cloud-cluster") from error
    return CloudRequest(cluster=cluster, endpoints=Endpoints(azure=azure_cloud()))


cluster_options: Final = add_groups(_create_options, ClusterAccessOptions, ClusterDataOptions)
"""Decorator that adds the options; they are passed on as one argument, `cluster`."""

dry_run_option: Final = create_option(DryRunOptions, "dry_run")
"""Decorator that adds the option; it is passed on as `dry_run`."""
