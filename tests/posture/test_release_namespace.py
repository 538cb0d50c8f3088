"""Objects with a namespace chosen at installation: their relations, and their form in reports."""

from __future__ import annotations

from typing import Any

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.release_namespace import RELEASE_NAMESPACE, InstalledResource
from kubekeep.posture.select import find_controls, select

RBAC = "rbac.authorization.k8s.io/v1"


def create_resource(version: str, kind: str, name: str, later: tuple[Path, ...] | None, **fields: Any) -> Resource:
    metadata = {"name": name, **fields.pop("metadata", {})}
    return Resource(
        {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}, release_namespace_paths=later
    )


def pod(name: str, later: tuple[Path, ...] | None, **metadata: Any) -> Resource:
    return create_resource(
        "v1", "Pod", name, later, metadata=metadata, spec={"containers": [{"name": "a", "image": "a:1"}]}
    )


def test_only_open_namespaces_are_replaced() -> None:
    settled = pod("a", None)
    assert InstalledResource.install(settled).evaluated is settled
    open_ = InstalledResource.install(pod("a", ()))
    assert open_.evaluated.namespace == RELEASE_NAMESPACE
    assert open_.resource.namespace == "", "what was written is reported"
    named = InstalledResource.install(pod("a", (("metadata", "namespace"),), namespace="default"))
    assert (named.evaluated.namespace, named.resource.namespace) == (RELEASE_NAMESPACE, "")
    assert named.resource.document["metadata"]["namespace"] == "default", "locations refer to what was rendered"
    spelled = InstalledResource.install(pod("a", (), namespace="default"))
    assert spelled.evaluated.namespace == "default"
    cluster = InstalledResource.install(create_resource(RBAC, "ClusterRole", "a", ()))
    assert cluster.evaluated.namespace == ""
    custom = InstalledResource.install(
        create_resource("example.com/v1", "Thing", "a", (("spec", "missing", "namespace"),))
    )
    assert custom.evaluated.object == custom.resource.object


def test_policies_of_other_files_do_not_cover_a_chart() -> None:
    policy = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    plain = create_resource("networking.k8s.io/v1", "NetworkPolicy", "deny", None, spec=policy)
    own = create_resource("networking.k8s.io/v1", "NetworkPolicy", "deny", (), spec=policy)
    selection = select(named=find_controls(["C-0260"]))
    (slug,) = (control.slug for control in selection.controls)

    def status(*resources: Resource) -> Status:
        results = evaluate(resources, selection, RegoPolicySet, kubernetes_minor=34)
        return next(result for result in results if result.subject.kind == "Pod").verdicts[slug].status

    assert status(plain, pod("web", None)) is Status.PASSED
    assert status(plain, pod("web", ())) is Status.FAILED
    assert status(own, pod("web", ())) is Status.PASSED


def test_subjects_are_reported_with_original_namespace() -> None:
    role = create_resource(RBAC, "Role", "all", (), rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}
    later: tuple[Path, ...] = (("subjects", 0, "namespace"),)
    binding = create_resource(
        RBAC, "RoleBinding", "all", later, roleRef={"kind": "Role", "name": "all"}, subjects=[subject]
    )
    results = evaluate([role, binding], select(named=find_controls(["C-0015"])), RegoPolicySet, kubernetes_minor=34)
    (result,) = (entry for entry in results if entry.subject.related)
    assert result.subject.related[0] is binding
    assert result.subject.related[1] is role
    assert result.subject.object["relatedObjects"] == [binding.object, role.object]
    assert {verdict.status for verdict in result.verdicts.values()} == {Status.FAILED}


def test_unknown_namespace_is_written_in_one_way() -> None:
    role = create_resource(RBAC, "Role", "all", (), rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    later: tuple[Path, ...] = (("subjects", 0, "namespace"),)
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}
    binding = create_resource(
        RBAC, "RoleBinding", "all", later, roleRef={"kind": "Role", "name": "all"}, subjects=[subject]
    )
    web = pod("web", (("metadata", "namespace"),), namespace="default")
    selection = select(named=find_controls(["C-0015", "C-0260", "C-0187"]))
    results = evaluate([role, binding, web], selection, RegoPolicySet, kubernetes_minor=34)
    assert {result.subject.namespace for result in results} == {""}
    messages = [
        entry.message for result in results for verdict in result.verdicts.values() for entry in verdict.evidence
    ]
    assert any("ServiceAccount robot" in message for message in messages)
    assert any("in the namespace of the release" in message for message in messages)
    assert not [message for message in messages if RELEASE_NAMESPACE in message or "default" in message]
