"""Resource filters: namespaces, kinds and labels, with the semantics of kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.label_selector import selects
from kubekeep.model.resource import Resource
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.resource_filter import ResourceFilter, parse_labels

WEB = {"app": "web", "env": "prod"}


def resource(kind: str, namespace: str = "", name: str = "x", api: str = "v1", **labels: str) -> Resource:
    metadata: dict[str, Any] = {"name": name, "labels": labels} | ({"namespace": namespace} if namespace else {})
    return Resource({"apiVersion": api, "kind": kind, "metadata": metadata})


@pytest.mark.parametrize(
    ("text", "included"),
    [
        ("app=web", True),
        ("app==web", True),
        ("app = web , env != dev", True),
        ("app!=web", False),
        ("tier!=cache", True),
        ("app", True),
        ("!app", False),
        ("!tier", True),
        ("env in (dev, prod)", True),
        ("env notin (dev,prod)", False),
        ("env in (dev),app=web", False),
        ("example.com/tier notin (a)", True),
        ("app=", False),
    ],
)
def test_label_selectors_match_like_kubectl(text: str, *, included: bool) -> None:
    assert selects(parse_labels(text), WEB) is included


@pytest.mark.parametrize("text", ["", ",", "a=b,", "a in b", "a in (b", "=b", "a=b=c", "a>1", "a in (b c)", "-a"])
def test_invalid_label_selector_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a label selector"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("selection", "included"),
    [
        (ResourceSelection(), True),
        (ResourceSelection(include_namespaces=("shop",)), True),
        (ResourceSelection(include_namespaces=("blog", "sh*")), True),
        (ResourceSelection(include_namespaces=("blog",)), False),
        (ResourceSelection(exclude_namespaces=("s?op",)), False),
        (ResourceSelection(exclude_namespaces=("blog",)), True),
        (ResourceSelection(include_kinds=("deployment",)), True),
        (ResourceSelection(include_kinds=("Deployments",)), True),
        (ResourceSelection(include_kinds=("Pod",)), False),
        (ResourceSelection(exclude_kinds=("deployment",)), False),
        (ResourceSelection(exclude_kinds=("Deploy*",)), False),
        (ResourceSelection(exclude_kinds=("Daemon*",)), True),
        (ResourceSelection(labels="app=web"), True),
        (ResourceSelection(labels="app=api"), False),
        (ResourceSelection(include_kinds=("Deployment",), labels="app=api"), False),
    ],
)
def test_filter_of_a_deployment(selection: ResourceSelection, *, included: bool) -> None:
    assert ResourceFilter(selection)(resource("Deployment", "shop", api="apps/v1", **WEB)) is included


@pytest.mark.parametrize(
    ("candidate", "included", "excluded"),
    [
        (resource("Pod"), False, True),
        (resource("ClusterRole", api="rbac.authorization.k8s.io/v1"), False, True),
        (resource("Namespace", name="shop"), True, False),
    ],
)
def test_namespace_filter_of_cluster_resources(candidate: Resource, *, included: bool, excluded: bool) -> None:
    assert ResourceFilter(ResourceSelection(include_namespaces=("shop",)))(candidate) is included
    assert ResourceFilter(ResourceSelection(exclude_namespaces=("shop",)))(candidate) is excluded


def test_missing_namespace_is_default() -> None:
    assert ResourceFilter(ResourceSelection(include_namespaces=("default",)))(resource("Pod"))


def test_unmatched_names_are_reported() -> None:
    resource_filter = ResourceFilter(
        ResourceSelection(
            include_kinds=("Secret", "Podd", "widgets", "svc"),
            exclude_kinds=("Secrets", "Deploments", "Deploy*", "Gadget*"),
            include_namespaces=("shpo",),
            exclude_namespaces=("kube-*", "blog"),
        )
    )
    assert not resource_filter(resource("Pod", "kube-system"))
    assert list(resource_filter.explain_unmatched()) == [
        "no resource in the input has kind Secret",
        "no resource in the input has kind Podd, and Kubernetes has no such kind; did you mean Pod?",
        "no resource in the input has kind widgets, and Kubernetes has no such kind",
        "no resource in the input has kind svc, and Kubernetes has no such kind; did you mean Service?",
        "no resource in the input has kind Deploments, and Kubernetes has no such kind; did you mean Deployment?",
        "no resource in the input has kind Gadget*, and Kubernetes has no such kind",
        "no resource in the input has namespace shpo",
        "no resource in the input has namespace blog",
    ]
    assert [
        text.removeprefix("no resource in the input has ").split(",")[0]
        for text in resource_filter.explain_unmatched(has_all_resources=False)
    ] == [
        "kind Secret",
        "kind Podd",
        "kind widgets",
        "kind svc",
        "namespace shpo",
    ]


def test_matched_names_are_not_reported_as_unmatched() -> None:
    selection = ResourceSelection(
        include_kinds=("Pod", "shop"),
        exclude_kinds=("Widget",),
        include_namespaces=("blog",),
        exclude_namespaces=("shop",),
    )
    resource_filter = ResourceFilter(selection)
    for candidate in (resource("Widget", "blog"), resource("Pod", "shop")):
        assert not resource_filter(candidate)
    assert list(resource_filter.explain_unmatched()) == [
        "no resource in the input has kind shop, and Kubernetes has no such kind"
    ]
    assert not resource_filter.has_matches
    assert resource_filter(resource("Pod", "blog"))
    assert resource_filter.has_matches


def test_selection_as_text() -> None:
    selection = ResourceSelection(include_namespaces=("a", "b"), exclude_kinds=("Secret",), changed_since="main")
    assert str(selection) == "namespaces a, b; without kinds Secret; changed since main"
    assert not str(ResourceSelection())
