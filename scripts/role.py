"""Generator of the ClusterRoles for scan and watch with the whole library; `--check` fails if one is out of date.

Writes below deploy/rbac only. Contacts no cluster: `kubekeep scan --dry-run` prints the role for one cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from kubekeep.kube.review import Permission
from kubekeep.library.load import builtin
from kubekeep.model.cluster import RBAC, RBAC_KINDS
from kubekeep.model.control import HOST_DATA, SUBJECT, WORKLOAD, Control, RequiredData
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.resource_types import BUILTIN_TYPES, guess_plural
from kubekeep.model.workload import POD_KINDS
from kubekeep.posture.routes import GATEWAY_ROUTES
from kubekeep.sources.cluster.definitions import DEFINITION_KINDS
from kubekeep.usecases.cluster import SETTINGS, VERSIONS, WATCH, plan_scope
from kubekeep.usecases.permissions import create_roles
from kubekeep.usecases.request import RuleOptions
from kubekeep.usecases.rule_selection import RuleSelector

FOLDER: Final = Path(__file__).parent.parent / "deploy" / "rbac"
VERBS: Final = {"scan": ("list",), "watch": ("list", WATCH)}
"""Verbs of each command for the resources it reads."""
HEAD: Final = """\
# What `kubekeep {command}` does in a cluster for all controls of the library: {deeds}, and nothing else. Of Secrets
# it asks for the metadata alone; RBAC knows no such difference. Custom kinds with pods of which the library knows nothing
# are missing: `kubekeep {command} --dry-run` prints the role for one cluster, with those of its custom kinds.
#
# Made by scripts/role.py from the library.
"""
GATEWAYS: Final = "gateway.networking.k8s.io"
ADMINISTRATORS: Final = "policy.networking.k8s.io"
GROUPS: Final = {
    **dict.fromkeys((*GATEWAY_ROUTES, "Gateway", "ReferenceGrant"), GATEWAYS),
    **dict.fromkeys(("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"), ADMINISTRATORS),
}
"""API groups of custom kinds that Kubernetes projects define, by kind."""
REMOVED_TYPES: Final = frozenset({("policy", "PodSecurityPolicy")})
"""Resource types that no supported version serves any more, in addition to the group `extensions`."""
FILE_KINDS: Final = frozenset({"KubeProxyConfiguration"})
"""Kinds of configuration files, which no API server serves."""
DOCUMENTS: Final = frozenset(
    {
        *("apiserverinfo.kubescape.cloud", "servicesscanresult.kubescape.io"),
        *("docker.kubekeep.io", "image.kubekeep.io", "skaffold"),
    }
)
"""Groups of collected documents, Dockerfiles, images and configuration files, which no API server serves."""
PLURALS: Final = {
    (GATEWAYS, "Gateway"): "gateways",
    ("hostdata.kubescape.cloud", "LinuxKernelVariables"): "linuxkernelvariables",
    ("kubescape.io", "ServiceScanResult"): "servicesscanresults",
}
"""Plurals that differ from the usual guess of clients."""
DEFINITIONS: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")


def list_kinds(command: str = "scan") -> set[tuple[str, str]]:
    """Return (group, kind) of everything that a command may list. A watch does not search attack paths."""
    options = RuleOptions(frameworks=tuple(builtin().frameworks))
    selection = RuleSelector(options, whole_cluster=True).selection
    names = plan_scope(selection, ResourceSelection(), everything=command == "scan").kinds | SETTINGS
    return {DEFINITIONS, *(kind for name in names for kind in _list_served_kinds(name))}


def _list_served_kinds(name: str) -> Iterator[tuple[str, str]]:
    """Yield group and kind of a target that a control names. Raises LookupError for an unknown name."""
    group, slash, kind = name.partition("/")
    if name == WORKLOAD:
        yield from (pair for pair in POD_KINDS if pair[0] != "extensions")
    elif name == SUBJECT:
        yield from ((RBAC, kind) for kind in RBAC_KINDS)
    elif slash:
        served = group == HOST_DATA or Control._classify_kind(name) is RequiredData.AUTOMATED  # noqa: SLF001
        if served and group not in DOCUMENTS and kind[:1].isupper():
            yield group, kind
    elif name in GROUPS:
        yield GROUPS[name], name
    elif name not in FILE_KINDS and Control._classify_kind(name) is RequiredData.AUTOMATED:  # noqa: SLF001
        pairs = [pair for pair in BUILTIN_TYPES if pair[1] == name]
        if not pairs:
            raise LookupError(f"no API group is known of {name}, which a control names")
        yield from (pair for pair in pairs if pair[0] != "extensions" and pair not in REMOVED_TYPES)


def find_plural(kind: tuple[str, str]) -> str:
    """Return the plural name of a kind in the API."""
    return BUILTIN_TYPES[kind].plural if kind in BUILTIN_TYPES else PLURALS.get(kind) or guess_plural(kind[1])


def role_file(command: str) -> Path:
    """Return the file of the role for a command."""
    return FOLDER / f"{command}.yaml"


def render_role(command: str) -> str:
    """Return the YAML of the role for a command."""
    verbs = VERBS[command]
    readable_kinds = list_kinds(command) | ({*DEFINITION_KINDS} if WATCH in verbs else set())
    permissions = [
        VERSIONS,
        *(Permission(verb, pair[0], find_plural(pair)) for pair in readable_kinds for verb in verbs),
    ]
    head = HEAD.format(command=command, deeds=" and ".join(verbs))
    return head + yaml.safe_dump_all(create_roles(permissions, f"kubekeep-{command}"), sort_keys=False)


def main() -> int:
    """Write the files, or compare them with `--check`, and return the exit code."""
    if "--check" in sys.argv:
        outdated = [
            name
            for name in VERBS
            if not role_file(name).exists() or role_file(name).read_text(encoding="utf-8") != render_role(name)
        ]
        for name in outdated:
            print(f"out of date: deploy/rbac/{name}.yaml; run scripts/role.py", file=sys.stderr)
        return bool(outdated)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in VERBS:
        role_file(name).write_text(render_role(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
