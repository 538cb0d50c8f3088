"""Controls of RBAC subjects, compared with the authorizer of the API server over generated roles and bindings.

A control must fail exactly the subjects that the authorizer allows the permission. It must not pass a subject of a role
with unknown rules. A role without a binding fails the controls that its subjects would fail.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.permissions import AccessRequest, parse_rule
from kubekeep.model.resource import Resource
from kubekeep.model.role_rules import RoleRules
from kubekeep.model.verdict import Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.roles import Roles
from kubekeep.posture.select import select
from tests.oracles.references import get_answer

INPUTS: Final = 60
SEEDS: Final = 6
RBAC: Final = "rbac.authorization.k8s.io/v1"
NAMESPACES: Final = ("default", "shop")
NAMED: Final = "named"
"""The only name in `resourceNames`."""
ADMISSION: Final = "admissionregistration.k8s.io"
CERTIFICATES: Final = "certificates.k8s.io"

Permission = tuple[str, str, str]
"""Verb, API group, and resource with its subresource."""

NAMESPACED: Final[dict[str, tuple[list[Permission], tuple[str, ...]]]] = {
    "exec-into-containers": ([("create", "", "pods/exec")], ("", NAMED)),
    "port-forwarding": ([("create", "", "pods/portforward")], ("", NAMED)),
    "reading-secrets": ([(verb, "", "secrets") for verb in ("get", "list", "watch")], ("",)),
    "creating-pods": ([("create", "", "pods")], ("",)),
    "service-account-token-creation": ([("create", "", "serviceaccounts/token")], ("",)),
}
"""Controls about namespaced resources: the permissions, and the names of objects that they are about."""
CLUSTER_SCOPED: Final[dict[str, tuple[list[Permission], tuple[str, ...]]]] = {
    "creating-persistent-volumes": ([("create", "", "persistentvolumes")], ("",)),
    "node-proxy": ([(verb, "", "nodes/proxy") for verb in ("get", "create", "update", "patch", "delete")], ("", NAMED)),
    "certificate-approval": (
        [(verb, CERTIFICATES, "certificatesigningrequests/approval") for verb in ("update", "patch")],
        ("", NAMED),
    ),
    "webhook-configuration-changes": (
        [
            (verb, ADMISSION, resource)
            for verb in ("create", "update", "patch", "delete", "deletecollection")
            for resource in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
        ],
        ("", NAMED),
    ),
    "impersonation": (
        [("impersonate", "", resource) for resource in ("users", "groups", "serviceaccounts")],
        ("", NAMED),
    ),
}
PARTLY_NAMESPACED: Final = {"impersonation"}
"""Service accounts can be impersonated in one namespace, which no request of `CLUSTER_SCOPED` names."""
CONTROLS: Final = {**NAMESPACED, **CLUSTER_SCOPED}
SUBJECTS: Final[dict[tuple[str, str, str], tuple[str, list[str]]]] = {
    ("User", "", "dana"): ("dana", []),
    ("Group", "", "developers"): ("somebody", ["developers"]),
    ("User", "", "system:serviceaccount:shop:web"): ("system:serviceaccount:shop:web", []),
    ("ServiceAccount", "shop", "web"): ("system:serviceaccount:shop:web", []),
    ("ServiceAccount", "default", "web"): ("system:serviceaccount:default:web", []),
    ("Group", "", "system:serviceaccounts:shop"): ("system:serviceaccount:shop:other", ["system:serviceaccounts:shop"]),
    ("Group", "", "system:authenticated"): ("anybody", ["system:authenticated"]),
}
"""User name and groups in a request, by kind, namespace and name of the subject."""
SAME: Final = (("User", "", "system:serviceaccount:shop:web"), ("ServiceAccount", "shop", "web"))
"""Two subjects for one user: the authorizer allows each what a control finds for the other."""
ROLE_NAMES: Final = ("a", "b", "c", "view", "edit", "system:kube-scheduler", "admin", "missing")


@pytest.mark.parametrize("complete", [False, True], ids=["files", "cluster"])
def test_controls_fail_the_subjects_that_the_authorizer_allows(*, complete: bool) -> None:
    """In a whole cluster, roles that an API server creates exist only if they are in the input."""
    inputs = [generate(generator) for generator in map(random.Random, range(SEEDS)) for _ in range(INPUTS)]
    outcomes = {(slug, allowed): 0 for slug in CONTROLS for allowed in (True, False)}
    differences = []
    for objects, expected in zip(inputs, ask(inputs, complete=complete), strict=True):
        failed = find_failed(objects, complete=complete)
        for key, allowed in expected.items():
            slug = key[0]
            outcomes[slug, allowed] += 1
            if (key in failed) != allowed and (allowed or slug not in PARTLY_NAMESPACED):
                differences.append((key, allowed, objects))
    assert not differences, f"{len(differences)} differences, such as {differences[0]}"
    assert all(outcomes.values()), "a permission that is always or never allowed is not tested"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_subjects_of_unknown_roles_pass_no_control_in_files(seed: int) -> None:
    generator = random.Random(seed)
    statuses: Counter[tuple[bool, Status]] = Counter()
    for objects in (generate(generator) for _ in range(INPUTS)):
        for is_whole_cluster in (False, True):
            for result in evaluate_controls(objects, complete=is_whole_cluster):
                if result.subject.related and result.subject.related[1].name == "missing":
                    statuses.update((is_whole_cluster, verdict.status) for verdict in result.verdicts.values())
    assert {*statuses} == {(False, Status.NOT_EVALUATED), (True, Status.PASSED)}


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_role_without_a_binding_fails_the_controls_that_its_subjects_would_fail(kind: str) -> None:
    generator = random.Random(3)
    namespace = "shop" if kind == "Role" else ""
    outcomes: Counter[bool] = Counter()
    for _ in range(INPUTS * SEEDS):
        role = {**make_object(kind, "a", namespace), "rules": generate_rules(generator)}
        reference = bind(kind, "a", [("User", "", "dana")])
        binding = {**make_object(f"{kind}Binding", "a", namespace), **reference}
        (alone,) = evaluate_controls([role], complete=False)
        (bound,) = [result for result in evaluate_controls([role, binding], complete=False) if result.subject.related]
        failed = list_failed(alone)
        assert failed == list_failed(bound), role
        outcomes[bool(failed)] += 1
    assert outcomes[True]
    assert outcomes[False]


def list_failed(result: SubjectResult) -> set[str]:
    return {slug for slug, verdict in result.verdicts.items() if verdict.status is Status.FAILED}


def test_attack_paths_match_rules_as_the_authorizer() -> None:
    generator = random.Random(2)
    permissions = [permission for listed, _ in CONTROLS.values() for permission in listed]
    questions, actual = [], []
    for _ in range(INPUTS):
        role = {**make_object("ClusterRole", "a", ""), "rules": generate_rules(generator)}
        binding = {**make_object("ClusterRoleBinding", "a", ""), **bind("ClusterRole", "a", [("User", "", "dana")])}
        requests = [
            make_request(("User", "", "dana"), permission, "", name)
            for permission in permissions
            for name in ("", NAMED)
        ]
        questions.append({"clusterRoles": [role], "clusterRoleBindings": [binding], "requests": requests})
        rules = RoleRules(map(parse_rule, role["rules"]))
        actual.append(
            [
                any(not grant.names or name in grant.names for grant in rules.find_grants(group, resource, (verb,)))
                for verb, group, resource in permissions
                for name in ("", NAMED)
            ]
        )
        accesses = [
            AccessRequest(verb, group, resource, name) for verb, group, resource in permissions for name in ("", NAMED)
        ]
        parsed = [*map(parse_rule, role["rules"])]
        assert actual[-1] == [any(rule.allows(access) for rule in parsed) for access in accesses]
    assert actual == run_oracle(questions)


def test_builtin_roles_equal_those_of_the_api_server() -> None:
    expected = msgspec.json.decode(get_answer("rbac", "builtin").stdout)
    roles = Roles()
    for role in (*expected["clusterRoles"], *expected["roles"]):
        metadata = role["metadata"]
        kind = "Role" if "namespace" in metadata else "ClusterRole"
        (known,) = roles.find(kind, metadata.get("namespace", ""), metadata["name"])
        assert known.original.object["metadata"].get("labels") == metadata.get("labels")
        for field in ("aggregationRule", "rules"):
            assert known.original.object.get(field) == (role.get(field) or None)


def generate(generator: random.Random) -> list[dict[str, Any]]:
    """Return roles and bindings; each name of a role occurs once."""
    cluster_roles = [make_role(generator, "ClusterRole", name, "") for name in "abc"]
    if generator.random() < 0.2:
        cluster_roles.append(make_role(generator, "ClusterRole", "view", ""))
    roles = [make_role(generator, "Role", name, namespace) for name in "ab" for namespace in NAMESPACES]
    bindings = []
    for number in range(generator.randint(1, 3)):
        subjects = generator.sample([*SUBJECTS], generator.randint(1, 2))
        if generator.random() < 0.5:
            reference = bind("ClusterRole", generator.choice(ROLE_NAMES), subjects)
            bindings.append({**make_object("ClusterRoleBinding", f"b{number}", ""), **reference})
        else:
            reference = bind(generator.choice(("Role", "ClusterRole")), generator.choice(ROLE_NAMES), subjects)
            namespace = generator.choice(NAMESPACES)
            bindings.append({**make_object("RoleBinding", f"b{number}", namespace), **reference})
    return [*cluster_roles, *roles, *bindings]


def make_object(kind: str, name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": RBAC, "kind": kind, "metadata": metadata}


def make_role(generator: random.Random, kind: str, name: str, namespace: str) -> dict[str, Any]:
    """Return a role with rules; some ClusterRoles have a label instead of a name to be aggregated by, or aggregate."""
    role = make_object(kind, name, namespace)
    if kind == "ClusterRole":
        role["metadata"]["labels"] = generator.choice(
            ({}, {"part": "x"}, {"part": "y"}, {"rbac.authorization.k8s.io/aggregate-to-view": "true"})
        )
        if generator.random() < 0.3:
            return role | {"aggregationRule": {"clusterRoleSelectors": [generate_selector(generator)]}}
    return role | {"rules": generate_rules(generator)}


def generate_selector(generator: random.Random) -> dict[str, Any]:
    return generator.choice(
        (
            {"matchLabels": {"part": "x"}},
            {"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}},
            {"matchExpressions": [{"key": "part", "operator": "In", "values": ["x", "y"]}]},
            {"matchExpressions": [{"key": "part", "operator": "Exists"}]},
            {"matchExpressions": [{"key": "part", "operator": "NotIn", "values": ["x"]}], "matchLabels": {"part": "y"}},
        )
    )


def generate_rules(generator: random.Random) -> list[dict[str, Any]]:
    return [generate_rule(generator) for _ in range(generator.randint(0, 3))]


def generate_rule(generator: random.Random) -> dict[str, Any]:
    """Return a rule about a permission that some control checks, changed into a wildcard or a near miss."""
    verb, group, resource = generator.choice([permission for listed, _ in CONTROLS.values() for permission in listed])
    parent, _, subresource = resource.partition("/")
    resources = [resource, resource, "*", f"{parent}/*", f"*/{subresource or '*'}", f"*/{parent}", parent, "*/*", "odd"]
    rule: dict[str, Any] = {
        "verbs": pick(generator, [verb, verb, "*", "get", "delete"]),
        "apiGroups": pick(generator, [group, group, "*", "apps"]),
        "resources": pick(generator, resources),
    }
    if generator.random() < 0.1:
        return {"verbs": pick(generator, ["*", "get"]), "nonResourceURLs": pick(generator, ["*", "/metrics"])}
    if generator.random() < 0.2:
        rule["resourceNames"] = [NAMED] if generator.random() < 0.8 else []
    return rule


def pick(generator: random.Random, words: Sequence[str]) -> list[str]:
    return generator.sample(words, generator.randint(1, 2))


def bind(kind: str, name: str, subjects: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Return the role reference and the subjects of a binding."""
    return {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [
            {"kind": kind, "name": name, "namespace": namespace}
            if kind == "ServiceAccount"
            else {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
            for kind, namespace, name in subjects
        ],
    }


def list_keys() -> Iterator[tuple[str, tuple[str, str, str], str]]:
    """Yield every control, subject and namespace; the namespace `other` has no bindings."""
    for slug in CONTROLS:
        for subject in SUBJECTS:
            for namespace in ("",) if slug in CLUSTER_SCOPED else (*NAMESPACES, "other"):
                yield slug, subject, namespace


def make_request(subject: tuple[str, str, str], permission: Permission, namespace: str, name: str) -> dict[str, Any]:
    user, groups = SUBJECTS[subject]
    verb, group, combined = permission
    resource, _, subresource = combined.partition("/")
    return {
        "user": user,
        "groups": groups,
        "verb": verb,
        "namespace": namespace,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "name": name,
    }


def ask(
    inputs: Sequence[list[dict[str, Any]]], *, complete: bool
) -> list[dict[tuple[str, tuple[str, str, str], str], bool]]:
    """Return for each input, control, subject and namespace if the authorizer allows one of the permissions."""
    keyed = [
        (key, make_request(key[1], permission, key[2], name))
        for key in list_keys()
        for permission in CONTROLS[key[0]][0]
        for name in CONTROLS[key[0]][1]
    ]
    questions = []
    for objects in inputs:
        question: dict[str, Any] = {"requests": [request for _, request in keyed], "complete": complete}
        for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
            field = f"{kind[0].lower()}{kind[1:]}s"
            question[field] = [content for content in objects if content["kind"] == kind]
        questions.append(question)
    expected = []
    for answers in run_oracle(questions):
        allowed = dict.fromkeys(list_keys(), False)
        for (key, _), answer in zip(keyed, answers, strict=True):
            allowed[key] |= answer
        expected.append(allowed)
    return expected


def evaluate_controls(objects: Sequence[dict[str, Any]], *, complete: bool) -> list[SubjectResult]:
    selection = select([], [builtin().controls[slug] for slug in CONTROLS], whole_cluster=complete)
    return evaluate(map(Resource, objects), selection, RegoPolicySet, kubernetes_minor=37)


def find_failed(objects: Sequence[dict[str, Any]], *, complete: bool) -> set[tuple[str, tuple[str, str, str], str]]:
    """Return the controls that fail, with subject and namespace."""
    failed = set()
    for result in evaluate_controls(objects, complete=complete):
        if not result.subject.related:
            continue
        named = (result.subject.kind, result.subject.namespace, result.subject.name)
        namespace = result.subject.related[0].namespace
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.FAILED:
                everywhere = ("",) if slug in CLUSTER_SCOPED else (*NAMESPACES, "other")
                failed |= {
                    (slug, subject, place)
                    for subject in (SAME if named in SAME else (named,))
                    for place in ((namespace,) if namespace and slug in NAMESPACED else everywhere)
                }
    return failed


def run_oracle(questions: Sequence[dict[str, Any]]) -> list[list[bool]]:
    text = b"\n".join(map(msgspec.json.encode, questions))
    return [msgspec.json.decode(line) for line in get_answer("rbac", stdin=text).stdout.splitlines()]
