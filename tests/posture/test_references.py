"""References of objects in files: what is missing from an application may be created elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from kubekeep.sources.inputs import read

INGRESS: Final = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: NAMESPACE}
spec:
  defaultBackend:
    service: {name: web, port: {number: 80}}
"""
SERVICE: Final = """\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: NAMESPACE}
spec: {selector: {app: cart}}
"""


def list_ingress_results(folder: Path, *, is_whole_cluster: bool = False) -> list[tuple[Status, str]]:
    """Return status and reason of the verdicts of `dangling-ingress-backend`, in the order of the files."""
    selection = select(named=[builtin().controls["dangling-ingress-backend"]], whole_cluster=is_whole_cluster)
    resources = [resource for resource in read([str(folder)]) if isinstance(resource, Resource)]
    results = evaluate(resources, selection, RegoPolicySet, kubernetes_minor=37)
    verdicts = [result.verdicts["dangling-ingress-backend"] for result in results]
    return [(verdict.status, verdict.reason.text if verdict.reason else "") for verdict in verdicts]


def write(folder: Path, name: str, text: str, namespace: str = "shop") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text.replace("NAMESPACE", namespace))


def test_a_service_is_missing_beside_others(tmp_path: Path) -> None:
    write(tmp_path, "a/ingress.yaml", INGRESS)
    write(tmp_path, "a/service.yaml", SERVICE)
    assert list_ingress_results(tmp_path) == [(Status.FAILED, "")]


@pytest.mark.parametrize(("folder", "namespace"), [("b", "shop"), ("a", "stock")])
def test_services_of_another_application_or_namespace_show_nothing(tmp_path: Path, folder: str, namespace: str) -> None:
    write(tmp_path, "a/ingress.yaml", INGRESS)
    write(tmp_path, f"{folder}/service.yaml", SERVICE, namespace)
    reason = "no Service of namespace shop is beside the Ingress in the input"
    assert list_ingress_results(tmp_path) == [(Status.NOT_EVALUATED, reason)]


def test_an_existing_service_of_another_application_passes(tmp_path: Path) -> None:
    write(tmp_path, "a/ingress.yaml", INGRESS)
    write(tmp_path, "b/service.yaml", SERVICE.replace("cart", "web"))
    assert list_ingress_results(tmp_path) == [(Status.PASSED, "")]


def test_each_application_with_the_name_must_have_services(tmp_path: Path) -> None:
    write(tmp_path, "a/ingress.yaml", INGRESS)
    write(tmp_path, "a/service.yaml", SERVICE)
    write(tmp_path, "b/ingress.yaml", INGRESS)
    assert {status for status, _ in list_ingress_results(tmp_path)} == {Status.NOT_EVALUATED}


def test_the_cluster_fills_its_own_namespaces(tmp_path: Path) -> None:
    write(tmp_path, "ingress.yaml", INGRESS, "kube-system")
    write(tmp_path, "service.yaml", SERVICE, "kube-system")
    reason = "the cluster has objects in namespace kube-system that are not in the input"
    assert list_ingress_results(tmp_path) == [(Status.NOT_EVALUATED, reason)]


@pytest.mark.parametrize("namespace", ["shop", "kube-system"])
def test_a_cluster_lists_all_services(tmp_path: Path, namespace: str) -> None:
    write(tmp_path, "ingress.yaml", INGRESS, namespace)
    assert list_ingress_results(tmp_path, is_whole_cluster=True) == [(Status.FAILED, "")]


POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: NAMESPACE}
spec: {serviceAccountName: web, containers: [{name: web, image: "registry.example.com/web:1.2"}]}
"""
ACCOUNT: Final = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: cart, namespace: NAMESPACE}
"""


@pytest.mark.parametrize(
    ("folder", "namespace", "status"),
    [
        ("a", "shop", Status.FAILED),
        ("b", "shop", Status.FAILED),
        ("a", "", Status.FAILED),
        ("b", "", Status.NOT_EVALUATED),
        ("a", "kube-system", Status.NOT_EVALUATED),
    ],
)
def test_an_account_is_missing_beside_others(tmp_path: Path, folder: str, namespace: str, status: Status) -> None:
    write(tmp_path, "a/pod.yaml", POD, namespace or "null")
    write(tmp_path, f"{folder}/account.yaml", ACCOUNT, namespace or "null")
    selection = select(named=[builtin().controls["missing-service-account"]])
    resources = [resource for resource in read([str(tmp_path)]) if isinstance(resource, Resource)]
    results = evaluate(resources, selection, RegoPolicySet, kubernetes_minor=37)
    assert [result.verdicts["missing-service-account"].status for result in results] == [status]
