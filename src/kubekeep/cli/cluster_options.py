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

_NOWHERE: Final = "name a file or a folder to {task}, or - for standard input; for a cluster, {why}"


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
            raise click.UsageError(f"{flag} is for a cluster: `{task}` scans one when no path is named")

    def request(self, task: str) -> ClusterRequest:
        """Return the cluster to scan. Raises a usage error if there is none, or its kubeconfig cannot be used."""
        settings = read_cluster_settings()
        try:
            access, context = self._access(settings, self.context)
        except NoClusterError as error:
            raise click.UsageError(_NOWHERE.format(task=task, why=error)) from error
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
        raise click.UsageError(f"{'--as-uid' if uid else '--as-group'} needs --as")
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
            help=f"The same about this cluster, where neither kubeconfig nor Nodes tell which it is: {FORMS}.",
            **text,
        ),
        click.option(
            "--cloud",
            is_flag=True,
            help="Ask AWS, Azure or Google what they tell of the cluster too, with the credentials that their tools use.",
        ),
        click.option(
            "--host-data",
            multiple=True,
            type=click.Path(exists=True),
            help="File or folder that `kubekeep host collect` wrote on nodes, scanned beside the cluster; repeatable.",
        ),
        click.option(
            "--host-scan/--no-host-scan",
            default=None,
            show_default="what a node agent wrote into the cluster is read",
            help="Ask each kubelet for its configuration too, which needs get nodes/proxy; or read nothing about nodes.",
        ),
        click.option(
            "--insecure-skip-tls-verify",
            is_flag=True,
            help="Do not check who the API server is: whoever answers gets the credentials.",
        ),
        click.option("--as-uid", metavar="UID", help="UID to act as, with --as.", **text),
        click.option(
            "--as-group", "as_groups", multiple=True, metavar="GROUP", help="Group to act as, with --as; repeatable."
        ),
        click.option("--as", "as_user", metavar="USER", help="User to act as in the cluster.", **text),
        click.option("--kube-context", metavar="NAME", help="Context of the kubeconfig; else the current one.", **text),
        click.option(
            "--kubeconfig",
            type=click.Path(exists=True, dir_okay=False),
            help="Kubeconfig of the cluster to scan when no PATH is named; else KUBECONFIG or ~/.kube/config.",
        ),
    )
