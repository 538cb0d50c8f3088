"""Routes to Services for traffic from outside, in every supported form and no other."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.posture.routes import index_routes

HTTP_ROUTE = "HTTPRoute"
VIRTUAL_SERVICE = "networking.istio.io/VirtualService"


def services(kind: str, spec: Any, namespace: str = "shop") -> set[str]:
    route_object = {"kind": kind.rpartition("/")[2], "metadata": {"name": "r"}, "spec": spec}
    index = index_routes({kind: {namespace: [route_object]}})
    routes = [route for names in index.values() for routes in names.values() for route in routes]
    assert all((route.kind, route.namespace, route.name) == (route_object["kind"], namespace, "r") for route in routes)
    return {f"{where}/{name}" for where, names in index.items() for name in names}


def test_ingress_backends_of_all_versions() -> None:
    paths = [
        {"backend": {"service": {"name": "a", "port": {"number": 80}}}},
        {"backend": {"serviceName": "b", "servicePort": 80}},
        {"backend": {"resource": {"kind": "Bucket", "name": "c"}}},
    ]
    spec = {"defaultBackend": {"service": {"name": "d"}}, "backend": {"serviceName": "e"}}
    assert services("Ingress", {**spec, "rules": [{"host": "h"}, {"http": {"paths": paths}}]}) == {
        f"shop/{name}" for name in "abde"
    }


@pytest.mark.parametrize(
    ("parents", "outside"),
    [
        (None, True),
        ([{"name": "public"}], True),
        ([{"kind": "Service", "name": "a"}, {"kind": "Gateway", "name": "public"}], True),
        ([{"kind": "Service", "name": "a"}], False),
    ],
)
def test_gateway_routes_need_a_gateway_parent(parents: Any, *, outside: bool) -> None:
    backends = [{"name": "a"}, {"name": "b", "namespace": "edge"}, {"group": "example.com", "kind": "X", "name": "c"}]
    spec = {"parentRefs": parents, "rules": [{"backendRefs": backends}, {"backendRefs": None}]}
    assert services(HTTP_ROUTE, spec) == ({"shop/a", "edge/b"} if outside else set())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a", {"shop/a"}),
        ("a.edge", {"edge/a"}),
        ("a.edge.svc.cluster.local", {"edge/a"}),
        ("www.example.com", set()),
        ("", set()),
    ],
)
def test_virtual_service_hosts(host: str, expected: set[str]) -> None:
    spec = {"gateways": ["public"], "tcp": [{"route": [{"destination": {"host": host}}]}]}
    assert services(VIRTUAL_SERVICE, spec) == expected


@pytest.mark.parametrize(
    ("gateways", "match", "outside"),
    [
        (None, None, False),
        (["mesh"], None, False),
        (["mesh", "public"], None, True),
        (["mesh", "public"], [{"gateways": ["mesh"]}], False),
        (["mesh", "public"], [{"gateways": ["mesh"]}, {"uri": {"prefix": "/"}}], True),
    ],
)
def test_mesh_virtual_services_are_ignored(gateways: Any, match: Any, *, outside: bool) -> None:
    spec = {"gateways": gateways, "http": [{"match": match, "route": [{"destination": {"host": "a"}}]}]}
    assert services(VIRTUAL_SERVICE, spec) == ({"shop/a"} if outside else set())


@pytest.mark.parametrize("spec", [None, [], {"rules": None}, {"rules": ["x"]}, {"rules": [{"http": []}]}])
def test_malformed_objects_route_nothing(spec: Any) -> None:
    for kind in ("Ingress", HTTP_ROUTE, VIRTUAL_SERVICE):
        assert services(kind, spec) == set()


def test_openshift_routes() -> None:
    spec = {
        "to": {"kind": "Service", "name": "a"},
        "alternateBackends": [{"kind": "Service", "name": "b"}, {"kind": "Other", "name": "c"}, {}],
    }
    assert services("route.openshift.io/Route", spec) == {"shop/a", "shop/b"}
