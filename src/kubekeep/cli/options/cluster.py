"""Options of `kubekeep scan` for the cluster and its user. Parses; never connects."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.settings import azure_cloud
from kubekeep.kube.access import ClusterAccess, ClusterRequest, Impersonation
from kubekeep.kube.errors import KubeconfigError
from kubekeep.kube.settings import ClusterSettings, NoClusterError, read_cluster_settings, resolve_access
from kubekeep.model.cloud import FORMS, CloudRequest, Endpoints, parse_cluster

_NOWHERE: Final = "no PATH and no cluster: name a file or a folder, or - for standard input; {why}"


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options for a cluster."""

    kubeconfig: str = ""
    context: str = ""
    impersonation: Impersonation = Impersonation()
    insecure: bool = False
    cloud: CloudRequest | None = None
    """The request for documents of the cloud provider; None without one."""
    host_scan: bool | None = None
    host_data: tuple[str, ...] = ()
    """Paths of documents about nodes, written by `kubekeep host collect`."""

    def check_unused(self, task: str) -> None:
        """Raise a usage error for cluster options in a scan of paths."""
        flags = (
            ("--kube-context", self.context),
            ("--as", self.impersonation.user),
            ("--insecure-skip-tls-verify", self.insecure),
            ("--cloud", self.cloud),
            ("--host-scan", self.host_scan),
            ("--host-data", self.host_data),
        )
        if flag := next((flag for flag, value in flags if value), ""):
            raise click.UsageError(f"{flag} requires a live cluster: use `{task}` without a path")

    def request(self) -> ClusterRequest:
        """Return the cluster to scan. Raises a usage error if there is none, or its kubeconfig cannot be used."""
        settings = read_cluster_settings()
        try:
            access, context = self._access(settings, self.context)
        except NoClusterError as error:
            raise click.UsageError(_NOWHERE.format(why=error)) from error
        except KubeconfigError as error:
            raise click.UsageError(str(error)) from error
        return ClusterRequest(
            access=access,
            environment=settings.environment,
            has_terminal=sys.stdin.isatty(),
            host_scan=self.host_scan,
            # By name, since the current context may change until then.
            reload_access=lambda: self._access(settings, context)[0],
        )

    def _access(self, settings: ClusterSettings, context: str) -> tuple[ClusterAccess, str]:
        """Return the access of `context` with these options, and the name of the context. Raises KubeconfigError."""
        access, context = resolve_access(settings, self.kubeconfig, context)
        if self.impersonation.user:
            access = msgspec.structs.replace(access, impersonation=self.impersonation)
        if self.insecure:
            access = msgspec.structs.replace(access, insecure=True)
        return access, context


def cluster_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `cluster`."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> None:
        function(cluster=_parse_options(values), **values)

    for option in _options():
        wrapper = option(wrapper)
    return wrapper


def _parse_options(values: dict[str, Any]) -> ClusterOptions:
    """Remove the options from `values` and return them parsed."""
    user, uid, groups = values.pop("as_user"), values.pop("as_uid"), values.pop("as_groups")
    if (uid or groups) and not user:
        raise click.UsageError(f"{'--as-uid' if uid else '--as-group'} requires --as")
    return ClusterOptions(
        kubeconfig=values.pop("kubeconfig") or "",
        context=values.pop("kube_context"),
        impersonation=Impersonation(user=user, uid=uid, groups=groups),
        insecure=values.pop("insecure_skip_tls_verify"),
        cloud=_cloud(requested=values.pop("cloud"), name=values.pop("cloud_cluster")),
        host_scan=values.pop("host_scan"),
        host_data=values.pop("host_data"),
    )


def _cloud(*, requested: bool, name: str) -> CloudRequest | None:
    """Return the request for cloud documents; the name of a cluster implies it."""
    if not name and not requested:
        return None
    try:
        cluster = parse_cluster(name) if name else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cloud-cluster") from error
    return CloudRequest(cluster=cluster, endpoints=Endpoints(azure=azure_cloud()))


def _options() -> tuple[Callable[..., Any], ...]:
    text: Mapping[str, Any] = {"default": "", "show_default": False}
    return (
        click.option(
            "--cloud-cluster",
            metavar="NAME",
            help=f"Read the cloud provider's data about this cluster, if kubeconfig and Nodes do not identify it: {FORMS}.",
            **text,
        ),
        click.option(
            "--cloud",
            is_flag=True,
            help="Also read the data of AWS, Azure or Google Cloud about the cluster, with the credentials of their tools.",
        ),
        click.option(
            "--host-data",
            multiple=True,
            type=click.Path(exists=True),
            help="Also scan this file or folder of `kubekeep host collect`; repeatable.",
        ),
        click.option(
            "--host-scan/--no-host-scan",
            default=None,
            show_default="read the data that a node agent wrote into the cluster",
            help="Also read the configuration of each kubelet (requires get nodes/proxy), or read no data about nodes.",
        ),
        click.option(
            "--insecure-skip-tls-verify",
            is_flag=True,
            help="Do not verify the API server's certificate. Any server that answers receives the credentials.",
        ),
        click.option("--as-uid", metavar="UID", help="Impersonate this UID; requires --as.", **text),
        click.option(
            "--as-group",
            "as_groups",
            multiple=True,
            metavar="GROUP",
            help="Impersonate this group; requires --as; repeatable.",
        ),
        click.option("--as", "as_user", metavar="USER", help="Impersonate this user in the cluster.", **text),
        click.option(
            "--kube-context",
            metavar="NAME",
            help="Use this context of the kubeconfig. Default: the current context.",
            **text,
        ),
        click.option(
            "--kubeconfig",
            type=click.Path(exists=True, dir_okay=False),
            help="Use this kubeconfig for a scan without PATH. Default: KUBECONFIG, or ~/.kube/config.",
        ),
    )
