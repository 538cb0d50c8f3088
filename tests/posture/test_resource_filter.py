"""Which resources are judged: namespaces, kinds and labels, as kubectl would have it."""

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
    ("text", "taken"),
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
def test_label_selectors_match_like_kubectl(text: str, *, taken: bool) -> None:
    assert selects(parse_labels(text), WEB) is taken


@pytest.mark.parametrize("text", ["", ",", "a=b,", "a in b", "a in (b", "=b", "a=b=c", "a>1", "a in (b c)", "-a"])
def test_invalid_label_selector_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a label selector"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("choice", "taken"),
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
def test_filter_of_a_deployment(choice: ResourceSelection, *, taken: bool) -> None:
    assert ResourceFilter(choice)(resource("Deployment", "shop", api="apps/v1", **WEB)) is taken


@pytest.mark.parametrize(
    ("item", "included", "excluded"),
    [
        (resource("Pod"), False, True),
        (resource("ClusterRole", api="rbac.authorization.k8s.io/v1"), False, True),
        (resource("Namespace", name="shop"), True, False),
    ],
)
def test_namespace_filter_of_cluster_resources(item: Resource, *, included: bool, excluded: bool) -> None:
    assert ResourceFilter(ResourceSelection(include_namespaces=("shop",)))(item) is included
    assert ResourceFilter(ResourceSelection(exclude_namespaces=("shop",)))(item) is excluded


def test_missing_namespace_is_default() -> None:
    assert ResourceFilter(ResourceSelection(include_namespaces=("default",)))(resource("Pod"))


def test_unmatched_names_are_reported() -> None:
    chooser = ResourceFilter(
        ResourceSelection(
            include_kinds=("Secret", "Podd", "widgets"),
            exclude_kinds=("Secrets", "Deploments", "Deploy*", "Gadget*"),
            include_namespaces=("shpo",),
            exclude_namespaces=("kube-*", "blog"),
        )
    )
    assert not chooser(resource("Pod", "kube-system"))
    assert list(chooser.unmatched()) == [
        "no resource that was read is in kind Secret",
        "no resource that was read is in kind Podd, nor does Kubernetes have one; did you mean Pod?",
        "no resource that was read is in kind widgets, nor does Kubernetes have one",
        "no resource that was read is in kind Deploments, nor does Kubernetes have one; did you mean Deployment?",
        "no resource that was read is in kind Gadget*, nor does Kubernetes have one",
        "no resource that was read is in namespace shpo",
        "no resource that was read is in namespace blog",
    ]
    assert [text.rpartition(" is in ")[2].split(",")[0] for text in chooser.unmatched(all_read=False)] == [
        "kind Secret",
        "kind Podd",
        "kind widgets",
        "namespace shpo",
    ]


def test_matched_names_are_not_reported_as_unmatched() -> None:
    choice = ResourceSelection(
        include_kinds=("Pod", "shop"),
        exclude_kinds=("Widget",),
        include_namespaces=("blog",),
        exclude_namespaces=("shop",),
    )
    chooser = ResourceFilter(choice)
    for item in (resource("Widget", "blog"), resource("Pod", "shop")):
        assert not chooser(item)
    assert list(chooser.unmatched()) == ["no resource that was read is in kind shop, nor does Kubernetes have one"]
    assert not chooser.has_matches
    assert chooser(resource("Pod", "blog"))
    assert chooser.has_matches


def test_selection_as_text() -> None:
    choice = ResourceSelection(include_namespaces=("a", "b"), exclude_kinds=("Secret",), changed_since="main")
    assert str(choice) == "namespaces a, b; no kinds Secret; changed since main"
    assert not str(ResourceSelection())
