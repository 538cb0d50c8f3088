"""Exposure to the outside: every form of it, and similar harmless ones."""

from __future__ import annotations

import pytest

from tests.attackpaths.chains import chains, find_paths, pod, service

PRIVILEGED = "securityContext: {privileged: true}"
OPEN = pod("automountServiceAccountToken: false", f"{PRIVILEGED}, ports: [{{containerPort: 80}}]")
NODE = "a node of the cluster"
BY_SERVICE = f"internet > Service shop/web > Pod shop/web > {NODE}"


@pytest.mark.parametrize(
    ("fields", "assumes"),
    [
        ("type: LoadBalancer", ""),
        ("type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0]", ""),
        ("type: LoadBalancer, loadBalancerSourceRanges: [1.2.3.0/24]", "loadBalancerSourceRanges"),
        ("type: NodePort", "nodes are reachable"),
        ("externalIPs: [192.0.2.1]", "externalIPs"),
    ],
)
def test_exposed_services(fields: str, assumes: str) -> None:
    (path,) = find_paths(OPEN + service(fields)).paths
    assert [path.source.label, *(edge.target.label for edge in path.edges)] == BY_SERVICE.split(" > ")
    assert assumes in " ".join(path.assumptions)
    assert bool(path.assumptions) == bool(assumes)


@pytest.mark.parametrize(
    "fields",
    [
        "type: ClusterIP",
        "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]",
        "type: ExternalName, externalIPs: [192.0.2.1]",
    ],
)
def test_unexposed_services(fields: str) -> None:
    assert chains(OPEN + service(fields)) == []


@pytest.mark.parametrize(
    "annotation",
    [
        'service.beta.kubernetes.io/aws-load-balancer-internal: "true"',
        'service.beta.kubernetes.io/azure-load-balancer-internal: "true"',
        "networking.gke.io/load-balancer-type: Internal",
    ],
)
def test_internal_load_balancers_are_not_exposed(annotation: str) -> None:
    inner = service().replace("namespace: shop}", f"namespace: shop, annotations: {{{annotation}}}}}")
    assert annotation in inner
    assert chains(OPEN + inner) == []


def test_service_exposes_selected_pods_of_its_namespace() -> None:
    assert chains(OPEN + service(namespace="other") + service(name="api")) == []
    notes = find_paths(OPEN + service(name="api")).notes
    assert "no workload of the input is selected by Service shop/api" in notes


ROUTES = {
    "Ingress": """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: way, namespace: shop}
spec: {%s rules: [{http: {paths: [{path: /, backend: {service: {name: web, port: {number: 80}}}}]}}]}
""",
    "HTTPRoute": """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: way, namespace: shop}
spec: {%s rules: [{backendRefs: [{name: web, port: 80}]}]}
""",
    "Route": """
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: way, namespace: shop}
spec: {%s to: {kind: Service, name: web}}
""",
}


@pytest.mark.parametrize("kind", ROUTES)
def test_routes(kind: str) -> None:
    text = OPEN + service("type: ClusterIP") + ROUTES[kind] % ""
    assert chains(text) == [f"internet > {kind} shop/way > Service shop/web > Pod shop/web > {NODE}"]


def test_route_to_missing_service_is_reported() -> None:
    assert (
        "a Service that is not in the input is the backend of Ingress shop/way"
        in find_paths(ROUTES["Ingress"] % "").notes
    )


@pytest.mark.parametrize(
    ("kind", "fields", "more"),
    [
        ("Ingress", "ingressClassName: nginx-internal,", ""),
        ("Ingress", "ingressClassName: alb,", ""),
        (
            "HTTPRoute",
            "parentRefs: [{name: inner}],",
            (
                "\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
                "metadata: {name: inner, namespace: shop}\nspec: {gatewayClassName: gke-l7-rilb}"
            ),
        ),
    ],
)
def test_internal_routes_are_not_exposed(kind: str, fields: str, more: str) -> None:
    assert chains(OPEN + service("type: ClusterIP") + ROUTES[kind] % fields + more) == []


@pytest.mark.parametrize(
    ("spec", "port", "opens"),
    [
        ("", "containerPort: 80, hostPort: 8080", True),
        ("", "containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1", False),
        ("", "containerPort: 80", False),
        ("hostNetwork: true", "containerPort: 80", True),
    ],
)
def test_host_ports_are_exposed(spec: str, port: str, *, opens: bool) -> None:
    attacks = find_paths(pod(spec, f"{PRIVILEGED}, ports: [{{{port}}}]"))
    assert [path.assumptions for path in attacks.paths] == [("the nodes are reachable from outside",)] * opens


POLICY = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: %s}
spec: {podSelector: %s, policyTypes: [%s], ingress: %s}
"""


@pytest.mark.parametrize(
    ("rules", "direct", "carried"),
    [
        ("[]", False, False),
        ("[{}]", True, True),
        ("[{ports: [{port: 80}]}]", True, True),
        ("[{ports: [{port: 9090}]}]", False, False),
        ("[{ports: [{port: 1, endPort: 100}]}]", True, True),
        ("[{from: [{namespaceSelector: {}}]}]", False, True),
        ("[{from: [{namespaceSelector: {}}], ports: [{port: 9090}]}]", False, False),
        ("[{from: [{podSelector: {}}]}]", False, False),
        ("[{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", True, True),
        ("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]", False, True),
    ],
)
def test_network_policies_block_paths(rules: str, *, direct: bool, carried: bool) -> None:
    policy = POLICY % ("shop", "{}", "Ingress", rules)
    assert bool(chains(OPEN + service() + policy)) is direct
    assert bool(chains(OPEN + service("type: ClusterIP") + ROUTES["Ingress"] % "" + policy)) is carried


@pytest.mark.parametrize(
    ("namespace", "selector", "types"),
    [("other", "{}", "Ingress"), ("shop", "{matchLabels: {app: db}}", "Ingress"), ("shop", "{}", "Egress")],
)
def test_unrelated_network_policies_block_nothing(namespace: str, selector: str, types: str) -> None:
    assert chains(OPEN + service() + POLICY % (namespace, selector, types, "[]")) == [BY_SERVICE]


def test_network_policies_ignore_host_network_pods() -> None:
    text = pod("hostNetwork: true", f"{PRIVILEGED}, ports: [{{containerPort: 80}}]")
    assert chains(text + POLICY % ("shop", "{}", "Ingress", "[]")) == [f"internet > Pod shop/web > {NODE}"]


CILIUM = """
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec: {endpointSelector: {matchLabels: {"k8s:app": web}}, ingress: %s}
"""


@pytest.mark.parametrize(
    ("rules", "opens"),
    [
        ("[{fromEntities: [world]}]", True),
        ("[{fromEndpoints: [{}]}]", False),
        ("[{fromCIDR: [10.0.0.0/8]}]", False),
        ("[{toPorts: [{ports: [{port: '80'}]}]}]", True),
        ("[{}]", False),
        ("[{fromEndpoints: null}]", False),
        ("[{fromEntities: []}]", False),
        ("[{icmps: [{fields: [{type: 8}]}]}]", False),
        ("[{fromEntities: [all], icmps: [{fields: [{type: 8}]}]}]", False),
        ("[{fromEntities: [all]}], ingressDeny: [{}]", True),
        ("[{fromEntities: [all]}], ingressDeny: [{fromEntities: []}]", True),
        ("[{fromEntities: [all]}], ingressDeny: [{fromEntities: [all], icmps: [{fields: [{type: 8}]}]}]", True),
        ("[{fromEntities: [all]}], ingressDeny: [{fromEntities: [all], toPorts: [{ports: [{port: '80'}]}]}]", False),
        ("[{fromEndpoints: null, toPorts: [{ports: [{port: '80'}]}]}]", True),
        ("[{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]", False),
    ],
)
def test_cilium_policies_block_paths(rules: str, *, opens: bool) -> None:
    assert bool(chains(OPEN + service() + CILIUM % rules)) is opens


def test_each_pod_template_of_a_custom_kind_is_exposed() -> None:
    template = "template: {{metadata: {{labels: {{app: {}}}}}, spec: {{containers: [{{name: c, image: i, {}}}]}}}}"
    ports = "ports: [{containerPort: 80}]"
    head, worker = template.format("head", ports), template.format("web", f"{PRIVILEGED}, {ports}")
    ray = f"""
apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: ray, namespace: shop}}
spec: {{headGroupSpec: {{{head}}}, workerGroupSpecs: [{{{worker}}}]}}
---"""
    attacks = find_paths(ray + service())
    assert [path.edges[-1].target.label for path in attacks.paths] == [NODE]
    assert not any("several times" in note for note in attacks.notes)
    assert [path.edges[-1].target.label for path in find_paths(ray + service(name="head")).paths] != [NODE]


@pytest.mark.parametrize(("pod_name", "is_exposed"), [("db-0", True), ("db-archive-0", False)])
def test_service_exposes_one_pod_of_a_statefulset(pod_name: str, *, is_exposed: bool) -> None:
    database = (
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\n"
        "spec: {serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: "
        f"{{automountServiceAccountToken: false, containers: [{{name: a, image: a, {PRIVILEGED}}}]}}}}}}\n"
    )
    selector = f"{{app: db, statefulset.kubernetes.io/pod-name: {pod_name}}}"
    exposed = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
        f"spec: {{type: LoadBalancer, selector: {selector}, ports: [{{port: 80}}]}}\n"
    )
    assert bool(chains(database + exposed)) == is_exposed
