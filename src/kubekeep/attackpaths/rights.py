"""What a role allows that leads an attacker further, with the rules that allow it.

The known ways to more rights (Kubernetes docs, RBAC Good Practices) and no other. Knows rules and where they hold, and nothing of who has them. A rule that is not a known way leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.attackpaths import cited
from kubekeep.attackpaths.graph import EVERYWHERE
from kubekeep.attackpaths.objects import within
from kubekeep.attackpaths.places import Places
from kubekeep.model.attack import AttackNode
from kubekeep.model.json_values import as_list, as_mapping

RBAC: Final = "rbac.authorization.k8s.io"
_CONTROLLERS: Final = (
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("apps", "replicasets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("", "replicationcontrollers"),
)
"""What makes pods from a template that it holds."""
_FIXED: Final = frozenset({"jobs", "pods"})
"""What cannot be changed into a pod of one's choice once it is there."""
_CHANGES: Final = ("update", "patch")
_WRITES: Final = ("create", *_CHANGES)
_ADMISSION: Final = "admissionregistration.k8s.io"
_CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"
_MASTERS: Final = "system:masters"


class Right(msgspec.Struct, frozen=True, eq=False):
    """One thing that a role allows: where it leads, in words, and by the rule at which place.

    `slugs` are the controls that ask about it.
    """

    target: AttackNode
    text: str
    rule: int
    slugs: tuple[str, ...] = ()
    assumes: str = ""


class _Rule(msgspec.Struct, frozen=True, eq=False):
    place: int
    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]
    names: tuple[str, ...]


class _Grant(msgspec.Struct, frozen=True, eq=False):
    """A rule that allows what was asked, for objects of these names or, without names, for all."""

    rule: int
    names: tuple[str, ...]


class Rules:
    """The rules of a role."""

    def __init__(self, rules: Sequence[Any]) -> None:
        self._rules = [
            _Rule(
                place,
                frozenset(map(str, as_list(rule.get("apiGroups")))),
                frozenset(map(str, as_list(rule.get("resources")))),
                frozenset(map(str, as_list(rule.get("verbs")))),
                tuple(map(str, as_list(rule.get("resourceNames")))),
            )
            for place, rule in enumerate(map(as_mapping, rules))
        ]

    def allowing(self, group: str, resource: str, verbs: Iterable[str]) -> Iterator[_Grant]:
        """The rules that allow one of `verbs` on a resource, or a subresource (`pods/exec`), of an API group."""
        wanted = {resource, "*"}
        if "/" in resource:
            wanted.add(f"*/{resource.partition('/')[2]}")
        asked = {*verbs, "*"}
        for rule in self._rules:
            if rule.groups & {group, "*"} and rule.resources & wanted and rule.verbs & asked:
                yield _Grant(rule.place, rule.names)

    def allows(self, group: str, resource: str, verbs: Iterable[str]) -> bool:
        """Whether some rule allows it, be it for objects of some names."""
        return any(True for _ in self.allowing(group, resource, verbs))

    def any_named(self, group: str, resource: str, verbs: Iterable[str]) -> int | None:
        """The place of the first rule that allows it for objects of every name; None if no rule does."""
        return next((grant.rule for grant in self.allowing(group, resource, verbs) if not grant.names), None)

    def is_wild(self, place: int) -> bool:
        """Whether the rule there names everything of some sort."""
        rule = self._rules[place]
        return any("*" in words for words in (rule.groups, rule.resources, rule.verbs))

    def names_all(self, place: int) -> bool:
        """Whether the rule there is for resources of every kind."""
        return "*" in self._rules[place].resources

    @property
    def allow_everything(self) -> bool:
        """Whether one rule allows all there is."""
        return any(
            "*" in rule.groups and "*" in rule.resources and "*" in rule.verbs and not rule.names
            for rule in self._rules
        )


def rights(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    """What `rules` allow in a namespace, or in the cluster, that leads further, but for `allow_everything`."""
    for found in (_secrets, _pods, _containers, _tokens, _borrowed, _granting):
        yield from found(rules, scope, places)
    if scope == EVERYWHERE:
        yield from _cluster(rules, places)


def _secrets(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    place = rules.any_named("", "secrets", ("get", "list", "watch"))
    if place is not None:
        yield Right(places.secrets(scope), "it allows to read Secrets", place, cited.READING)
        written = rules.any_named("", "secrets", ("create",))
        if written is not None:
            text = "it allows to have tokens written into Secrets, and to read them"
            yield Right(places.accounts(scope), text, written, cited.READING)
    else:
        for grant in rules.allowing("", "secrets", ("get", "list", "watch")):
            for name in grant.names:
                found = places.secrets_called(name) if scope == EVERYWHERE else [places.secret(scope, name)]
                for secret in found:
                    yield Right(secret, "it allows to read it", grant.rule, cited.READING_NAMED)


def _pods(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    """Whoever makes pods chooses their service account, the Secrets that they mount, and the node."""
    ways: dict[int, list[str]] = {}
    for group, resource in (("", "pods"), *_CONTROLLERS):
        place = _making(rules, group, resource, scope)
        if place is not None:
            ways.setdefault(place, []).append(resource)
    for rule, resources in ways.items():
        # That control asks for pods alone; a wildcard among the resources is all of them in one word.
        slugs = cited.CREATING_PODS if resources == ["pods"] or rules.names_all(rule) else ()
        text = f"it allows to create {'pods' if slugs else ', '.join(resources)}"
        yield Right(places.accounts(scope), text, rule, slugs)
        yield Right(places.secrets(scope), text, rule, slugs)
        yield from _privileged_pods(Right(places.hosts, text, rule, slugs), scope, places)


def _making(rules: Rules, group: str, resource: str, scope: str) -> int | None:
    """The place of a rule by which pods can be made through a resource; None if no rule does."""
    place = rules.any_named(group, resource, ("create",))
    if place is not None or resource in _FIXED:
        return place
    place = rules.any_named(group, resource, _CHANGES)
    if place is None and scope != EVERYWHERE:
        # A name is enough to change a template, not to create: then there is none yet.
        place = next((grant.rule for grant in rules.allowing(group, resource, _CHANGES)), None)
    return place


def _privileged_pods(right: Right, scope: str, places: Places) -> Iterator[Right]:
    kept_out = False if scope == EVERYWHERE else places.keeps_privileged_pods_out(scope)
    if kept_out is None:
        yield msgspec.structs.replace(right, assumes=f"Pod Security lets privileged pods run {within(scope)}")
    elif not kept_out:
        yield right


def _containers(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    for resource, verbs, text in (
        ("pods/exec", ("create",), "it allows to run commands in containers"),
        ("pods/attach", ("create",), "it allows to attach to containers"),
        ("pods/ephemeralcontainers", _CHANGES, "it allows to add containers to pods"),
    ):
        place = rules.any_named("", resource, verbs)
        if place is not None:
            yield Right(places.pods(scope), text, place, cited.EXEC)


def _tokens(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    for grant in rules.allowing("", "serviceaccounts/token", ("create",)):
        if not grant.names:
            yield Right(places.accounts(scope), "it allows to make tokens", grant.rule, cited.TOKENS)
        for account in _accounts_named(grant, scope, places):
            yield Right(account, "it allows to make its tokens", grant.rule, cited.TOKENS)


def _accounts_named(grant: _Grant, scope: str, places: Places) -> Iterator[AttackNode]:
    for name in grant.names:
        yield from places.accounts_called(name) if scope == EVERYWHERE else [places.account(scope, name)]


def _borrowed(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    """Impersonation: of service accounts anywhere, of users and groups by rights that hold in the cluster."""
    accounts = [*rules.allowing("", "serviceaccounts", ("impersonate",))]
    for grant in accounts:
        if not grant.names:
            yield Right(places.accounts(scope), "it allows to act as them", grant.rule, cited.BORROWING)
        for account in _accounts_named(grant, scope, places):
            yield Right(account, "it allows to act as it", grant.rule, cited.BORROWING)
    if scope != EVERYWHERE:
        return
    users = [*rules.allowing("", "users", ("impersonate",))]
    for grant in users:
        if not grant.names:
            yield Right(places.admin, "it allows to act as any user", grant.rule, cited.BORROWING)
        for name in grant.names:
            yield Right(places.subject("User", name), "it allows to act as it", grant.rule, cited.BORROWING)
    # A group alone cannot be borrowed: the request names a user too.
    if users or accounts:
        yield from _borrowed_groups(rules, places)


def _borrowed_groups(rules: Rules, places: Places) -> Iterator[Right]:
    for grant in rules.allowing("", "groups", ("impersonate",)):
        if not grant.names or _MASTERS in grant.names:
            text = f"it allows to act as a member of {_MASTERS}"
            yield Right(places.admin, text, grant.rule, cited.BORROWING)
        for name in grant.names:
            yield Right(places.subject("Group", name), "it allows to act as a member", grant.rule, cited.BORROWING)


def _granting(rules: Rules, scope: str, places: Places) -> Iterator[Right]:
    """Rights to grant rights: more than one has, by `escalate` or `bind`."""
    everywhere = scope == EVERYWHERE
    roles = "clusterroles" if everywhere else "roles"
    raised = rules.any_named(RBAC, roles, ("escalate",))
    if raised is not None and rules.any_named(RBAC, roles, _CHANGES) is not None:
        for target in _all_of(scope, places):
            yield Right(target, "it allows to write any right into a role", raised, cited.GRANTING)
    targets: tuple[AttackNode, ...] = ()
    if everywhere and rules.allows(RBAC, "clusterrolebindings", _WRITES):
        targets = (places.admin,)
    elif rules.allows(RBAC, "rolebindings", _WRITES):
        targets = _all_in(scope, places)
    for grant in rules.allowing(RBAC, "clusterroles", ("bind",)):
        if not grant.names or "cluster-admin" in grant.names:
            for target in targets:
                yield Right(target, "it allows to grant cluster-admin by a binding", grant.rule, cited.GRANTING)


def _all_of(scope: str, places: Places) -> tuple[AttackNode, ...]:
    """What whoever may do everything in a namespace, or everywhere, holds."""
    return (places.admin,) if scope == EVERYWHERE else _all_in(scope, places)


def _all_in(scope: str, places: Places) -> tuple[AttackNode, ...]:
    """What whoever may do everything in a namespace, or in each of them, holds."""
    return places.accounts(scope), places.secrets(scope), places.pods(scope)


def _cluster(rules: Rules, places: Places) -> Iterator[Right]:
    """What only a role that holds in the whole cluster gives."""
    place = rules.any_named("", "nodes/proxy", ("create", "get"))
    if place is not None:
        text = "it allows to give kubelets orders past the API server"
        yield Right(places.pods(EVERYWHERE), text, place, cited.NODE_PROXY)
    for resource, target, text in (
        ("mutatingwebhookconfigurations", places.admin, "it allows to change all that is sent to the API server"),
        ("validatingwebhookconfigurations", places.secrets(EVERYWHERE), "it allows to read all that is written"),
    ):
        place = rules.any_named(_ADMISSION, resource, ("create", *_CHANGES))
        if place is not None:
            yield Right(target, text, place, cited.WEBHOOKS)
    group = "certificates.k8s.io"
    approved = rules.any_named(group, "certificatesigningrequests/approval", _CHANGES)
    asked = rules.any_named(group, "certificatesigningrequests", ("create",))
    signers = [
        grant
        for grant in rules.allowing(group, "signers", ("approve",))
        if not grant.names or {_CLIENT_SIGNER, "kubernetes.io/*"} & {*grant.names}
    ]
    if approved is not None and asked is not None and signers:
        text = "it allows to make oneself the certificate of another user"
        yield Right(places.admin, text, approved, cited.CERTIFICATES)


BUILT_IN: Final[Mapping[str, Sequence[dict[str, Any]]]] = {
    "cluster-admin": ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},),
    "admin": (
        {"apiGroups": [""], "resources": ["secrets", "pods", "replicationcontrollers"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods/exec", "pods/attach", "serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets", "deployments", "statefulsets"], "verbs": ["create"]},
        {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": ["create"]},
    ),
}
"""What the roles that every cluster has allow of all this, for bindings to roles that nobody wrote down (Kubernetes
docs, RBAC, user-facing roles); `edit` as `admin`, and `view` nothing."""
