"""Pairs of small clusters that differ in one value: one has an attack path, the other has none.

The pair shows that this value alone decides about the path.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from tests.attackpaths.chains import chains, find_paths, pod

START: Final = "pod/web"


class ClusterPair(NamedTuple):
    """Cluster with a placeholder (`@`), the value that closes the path, and the value that opens it."""

    text: str
    closed: str
    opened: str
    source: str = "internet"
    target: str = "node"


def objects(*lines: str) -> str:
    """Return documents from lines of `Kind name namespace fields` in flow style; `-` means no namespace."""
    return "".join(map(_document, lines))


def _document(line: str) -> str:
    kind, name, namespace, fields = line.split(maxsplit=3)
    place = "" if namespace == "-" else f", namespace: {namespace}"
    return f"{{apiVersion: {_VERSIONS[kind]}, kind: {kind}, metadata: {{name: {name}{place}}}, {fields}}}\n---\n"


def add_metadata(text: str, fields: str) -> str:
    """Return `text` with more metadata of its only object: labels or annotations."""
    return text.replace("metadata: {", f"metadata: {{{fields}, ", 1)


_VERSIONS: Final = {
    **dict.fromkeys(("Namespace", "Pod", "Secret", "Service", "ServiceAccount"), "v1"),
    "DaemonSet": "apps/v1",
    **dict.fromkeys(("CronJob", "Job"), "batch/v1"),
    **dict.fromkeys(("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"), "rbac.authorization.k8s.io/v1"),
    **dict.fromkeys(("Ingress", "NetworkPolicy"), "networking.k8s.io/v1"),
    **dict.fromkeys(("Gateway", "HTTPRoute"), "gateway.networking.k8s.io/v1"),
    **dict.fromkeys(("TCPRoute",), "gateway.networking.k8s.io/v1alpha2"),
    "ReferenceGrant": "gateway.networking.k8s.io/v1beta1",
    "CiliumNetworkPolicy": "cilium.io/v2",
    "CiliumClusterwideNetworkPolicy": "cilium.io/v2",
    "VirtualService": "networking.istio.io/v1",
    "Route": "route.openshift.io/v1",
}
PORTS: Final = "ports: [{name: http, containerPort: 8080}]"
PRIVILEGED: Final = "securityContext: {privileged: true}"
WEB: Final = pod("automountServiceAccountToken: false", f"{PRIVILEGED}, {PORTS}") + "\n"
"""A privileged pod: access to it is access to the node."""
SERVICE: Final = "Service web shop spec: {selector: {app: web}, ports: [{name: www, port: 80, targetPort: http}], %s}"
INNER: Final = objects(SERVICE % "type: ClusterIP")
OUTER: Final = objects(SERVICE % "type: LoadBalancer")
INGRESS: Final = (
    "Ingress way %s spec: {rules: [{http: {paths: [{path: /, backend: {service: {name: web, port: {%s}}}}]}}]}"
)
HTTP_ROUTE: Final = "HTTPRoute way %s spec: {parentRefs: [%s], rules: [{backendRefs: [{name: web, %s}]}]}"
GATEWAY: Final = (
    "Gateway public edge spec: {gatewayClassName: c, listeners: [{name: web, port: 80, protocol: HTTP, %s}]}"
)
ANY: Final = "allowedRoutes: {namespaces: {from: All}}"
EDGE: Final = "{name: public, namespace: edge}"
POLICY: Final = "NetworkPolicy p shop spec: {podSelector: {}, ingress: [%s]}"
CILIUM: Final = "CiliumNetworkPolicy p shop spec: {endpointSelector: {matchLabels: {app: web}}, %s}"

ENTRIES: Final = {
    "policy denies": ClusterPair(WEB + OUTER + objects(POLICY % "@"), "", "{}"),
    "policy for the pods of the namespace": ClusterPair(
        WEB + INNER + objects(INGRESS % ("shop", "number: 80"), POLICY % "{from: [@]}"),
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}",
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}",
    ),
    "policy for another port than that of the ingress": ClusterPair(
        WEB
        + objects(
            "Service web shop spec: {selector: {app: web}, ports: [{name: www, port: 80, targetPort: 8080}, "
            "{name: metrics, port: 90, targetPort: 9090}]}",
            INGRESS % ("shop", "name: @"),
            POLICY % "{ports: [{port: 9090}]}",
        ),
        "www",
        "metrics",
    ),
    "selector matches nothing": ClusterPair(
        WEB + objects("Service web shop spec: {type: LoadBalancer, selector: {app: @}, ports: [{port: 80}]}"),
        "api",
        "web",
    ),
    "selector of another namespace": ClusterPair(
        WEB + objects("Service web @ spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}"),
        "edge",
        "shop",
    ),
    "no container has the port": ClusterPair(
        WEB + objects(SERVICE.replace("http", "@") % "type: LoadBalancer"), "grpc", "http"
    ),
    "inside of the cluster only": ClusterPair(WEB + objects(SERVICE % "type: @"), "ClusterIP", "LoadBalancer"),
    "ingress to a missing service": ClusterPair(
        WEB
        + objects(INGRESS % ("shop", "number: 80"), (SERVICE % "type: ClusterIP").replace("Service web", "Service @")),
        "other",
        "web",
    ),
    "ingress of another namespace": ClusterPair(WEB + INNER + objects(INGRESS % ("@", "number: 80")), "edge", "shop"),
    "ingress to a port that is not there": ClusterPair(
        WEB + INNER + objects(INGRESS % ("shop", "number: @")), "9090", "80"
    ),
    "headless": ClusterPair(WEB + objects(SERVICE % "externalIPs: [192.0.2.1], clusterIP: @"), "None", "10.0.0.7"),
    "external name": ClusterPair(
        WEB + objects(INGRESS % ("shop", "number: 80"), SERVICE % "externalName: web.example.com, type: @"),
        "ExternalName",
        "ClusterIP",
    ),
    "load balancer of the controller of AWS": ClusterPair(
        WEB + add_metadata(OUTER, "annotations: {service.beta.kubernetes.io/aws-load-balancer-type: @}"),
        "external",
        "nlb",
    ),
    "load balancer of a class of AWS": ClusterPair(
        WEB
        + add_metadata(
            objects(SERVICE % "type: LoadBalancer, loadBalancerClass: service.k8s.aws/nlb"),
            "annotations: {service.beta.kubernetes.io/aws-load-balancer-scheme: @}",
        ),
        "",
        "internet-facing",
    ),
    "load balancer for the inner network": ClusterPair(
        WEB + add_metadata(OUTER, "annotations: {service.beta.kubernetes.io/load-balancer-source-ranges: @}"),
        "'10.0.0.0/8, 192.168.0.0/16'",
        "'10.0.0.0/8, 0.0.0.0/0'",
    ),
    "listener for its own namespace": ClusterPair(
        WEB
        + INNER
        + objects(GATEWAY % "allowedRoutes: {namespaces: {from: @}}", HTTP_ROUTE % ("shop", EDGE, "port: 80")),
        "Same",
        "All",
    ),
    "listener that says nothing": ClusterPair(
        WEB + INNER + objects(GATEWAY % "@", HTTP_ROUTE % ("shop", EDGE, "port: 80")), "hostname: a.example.com", ANY
    ),
    "listener for other namespaces": ClusterPair(
        WEB
        + INNER
        + add_metadata(objects("Namespace shop - spec: {}"), "labels: {team: shop}")
        + objects(
            GATEWAY % "allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: @}}}}",
            HTTP_ROUTE % ("shop", EDGE, "port: 80"),
        ),
        "bank",
        "shop",
    ),
    "listener for other kinds": ClusterPair(
        WEB
        + INNER
        + objects(
            GATEWAY % "allowedRoutes: {namespaces: {from: All}, kinds: [{kind: @}]}",
            HTTP_ROUTE % ("shop", EDGE, "port: 80"),
        ),
        "GRPCRoute",
        "HTTPRoute",
    ),
    "listener for another protocol": ClusterPair(
        WEB + INNER + objects((GATEWAY % ANY).replace("HTTP,", "@,"), HTTP_ROUTE % ("shop", EDGE, "port: 80")),
        "TCP",
        "HTTPS",
    ),
    "listener of another name": ClusterPair(
        WEB
        + INNER
        + objects(GATEWAY % ANY, HTTP_ROUTE % ("shop", "{name: public, namespace: edge, sectionName: @}", "port: 80")),
        "admin",
        "web",
    ),
    "listener for another host": ClusterPair(
        WEB
        + INNER
        + objects(
            GATEWAY % f'{ANY}, hostname: "*.example.com"',
            (HTTP_ROUTE % ("shop", EDGE, "port: 80")).replace("rules:", "hostnames: [@], rules:"),
        ),
        "example.org",
        "web.shop.example.com",
    ),
    "no grant for a route of another namespace": ClusterPair(
        WEB
        + INNER
        + objects(
            GATEWAY % ANY,
            HTTP_ROUTE % ("edge", EDGE, "namespace: shop, port: 80"),
            "ReferenceGrant g shop spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: @}], "
            "to: [{group: '', kind: Service}]}",
        ),
        "other",
        "edge",
    ),
    "grant for another service": ClusterPair(
        WEB
        + INNER
        + objects(
            GATEWAY % ANY,
            HTTP_ROUTE % ("edge", EDGE, "namespace: shop, port: 80"),
            "ReferenceGrant g shop spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}], "
            "to: [{group: '', kind: Service, name: @}]}",
        ),
        "api",
        "web",
    ),
    "route of the mesh beside an inner gateway": ClusterPair(
        WEB
        + INNER
        + objects(
            (GATEWAY % ANY).replace("gatewayClassName: c", "gatewayClassName: @"),
            HTTP_ROUTE % ("shop", f"{EDGE}, {{group: '', kind: Service, name: web}}", "port: 80"),
        ),
        "gke-l7-rilb",
        "gke-l7-global-external-managed",
    ),
    "gateway whose load balancer is inner": ClusterPair(
        WEB
        + INNER
        + objects(
            (GATEWAY % ANY).replace(
                "gatewayClassName: c",
                "gatewayClassName: c, infrastructure: {annotations: "
                "{service.beta.kubernetes.io/azure-load-balancer-internal: '@'}}",
            ),
            HTTP_ROUTE % ("shop", EDGE, "port: 80"),
        ),
        "true",
        "false",
    ),
    "gateway with an address of the cluster": ClusterPair(
        WEB
        + INNER
        + add_metadata(objects(GATEWAY % ANY), "annotations: {networking.istio.io/service-type: @}")
        + objects(HTTP_ROUTE % ("shop", EDGE, "port: 80")),
        "ClusterIP",
        "LoadBalancer",
    ),
    "route without traffic": ClusterPair(
        WEB + INNER + objects(GATEWAY % ANY, HTTP_ROUTE % ("shop", EDGE, "port: 80, weight: @")), "0", "1"
    ),
    "OpenShift's route without traffic": ClusterPair(
        WEB + INNER + objects("Route way shop spec: {to: {kind: Service, name: web, weight: @}}"), "0", "100"
    ),
    "pod that has ended": ClusterPair(
        f"{WEB.replace('spec: {', 'status: {phase: @}' + chr(10) + 'spec: {')}{OUTER}", "Succeeded", "Running"
    ),
    "Pod Security refuses the pod": ClusterPair(
        add_metadata(objects("Namespace shop - spec: {}"), "labels: {pod-security.kubernetes.io/enforce: @}")
        + objects(
            "ClusterRoleBinding b - subjects: [{kind: ServiceAccount, name: default, namespace: shop}], "
            "roleRef: {kind: ClusterRole, name: cluster-admin}",
        )
        + pod("", f"{PRIVILEGED}, {PORTS}")
        + "\n"
        + OUTER,
        "baseline",
        "privileged",
        target="cluster-admin",
    ),
    "Cilium lets another port in": ClusterPair(
        WEB + OUTER + objects(CILIUM % "ingress: [{toPorts: [{ports: [{port: '@'}]}]}]"), "9090", "8080"
    ),
    "Cilium denies the world": ClusterPair(
        WEB + OUTER + objects(CILIUM % "ingress: [{fromEntities: [all]}], ingressDeny: [{fromEntities: [@]}]"),
        "world",
        "cluster",
    ),
    "Cilium lets pods of the namespace in": ClusterPair(
        WEB
        + INNER
        + objects(INGRESS % ("shop", "number: 80"), CILIUM % "ingress: [{fromEndpoints: [{matchLabels: {@: edge}}]}]"),
        "app",
        '"k8s:io.kubernetes.pod.namespace"',
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_paths_from_outside(name: str) -> None:
    pair = ENTRIES[name]
    assert _paths(pair, pair.closed) == []
    assert _paths(pair, pair.opened) != []


def _paths(pair: ClusterPair, filling: str) -> list[str]:
    return chains(pair.text.replace("@", filling), pair.source, to=pair.target)


ACCOUNT: Final = pod("serviceAccountName: robot@") + "\n"
ADMIN: Final = objects(
    "ClusterRoleBinding b - subjects: [{kind: ServiceAccount, name: robot, namespace: shop}], "
    "roleRef: {kind: ClusterRole, name: cluster-admin}"
)
ROBOT: Final = pod("serviceAccountName: robot") + "\n"
TO_ROBOT: Final = "subjects: [{kind: ServiceAccount, name: robot, namespace: shop}]"
READS: Final = "rules: [{apiGroups: [''], resources: [secrets], verbs: [get]%s}]"
ALL: Final = "rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]"
USER_OF_SECRET: Final = pod("", "envFrom: [{secretRef: {name: db}}]", name="db") + "\n"

RIGHTS: Final = {
    "the pod declines the token": ClusterPair(
        ACCOUNT + ADMIN, ", automountServiceAccountToken: false", "", START, "cluster-admin"
    ),
    "the account declines the token": ClusterPair(
        ACCOUNT + ADMIN + objects("ServiceAccount robot shop automountServiceAccountToken: false"),
        "",
        ", automountServiceAccountToken: true",
        START,
        "cluster-admin",
    ),
    "the pod declines what the account wants": ClusterPair(
        ACCOUNT + ADMIN + objects("ServiceAccount robot shop automountServiceAccountToken: true"),
        ", automountServiceAccountToken: false",
        "",
        START,
        "cluster-admin",
    ),
    "role of another namespace": ClusterPair(
        ROBOT + objects(f"Role r @ {READS % ''}", f"RoleBinding b shop {TO_ROBOT}, roleRef: {{kind: Role, name: r}}"),
        "other",
        "shop",
        START,
        "every secret in namespace shop",
    ),
    "role of the cluster in a namespace": ClusterPair(
        "@",
        ROBOT
        + objects(
            f"ClusterRole r - {ALL}",
            f"RoleBinding b shop {TO_ROBOT}, roleRef: {{kind: ClusterRole, name: r}}",
        ),
        ROBOT
        + objects(
            f"ClusterRole r - {ALL}",
            f"ClusterRoleBinding b - {TO_ROBOT}, roleRef: {{kind: ClusterRole, name: r}}",
        ),
        START,
        "cluster-admin",
    ),
    "secret of another name": ClusterPair(
        ROBOT
        + USER_OF_SECRET
        + objects(
            f"Role r shop {READS % ', resourceNames: [@]'}",
            f"RoleBinding b shop {TO_ROBOT}, roleRef: {{kind: Role, name: r}}",
        ),
        "tls",
        "db",
        START,
        "secret/db",
    ),
    "secret of a name in the whole cluster": ClusterPair(
        ROBOT
        + USER_OF_SECRET
        + objects(
            f"ClusterRole r - {READS % ', resourceNames: [@]'}",
            f"ClusterRoleBinding b - {TO_ROBOT}, roleRef: {{kind: ClusterRole, name: r}}",
        ),
        "tls",
        "db",
        START,
        "secret/db",
    ),
    "aggregated from others": ClusterPair(
        ROBOT
        + add_metadata(objects(f"ClusterRole part - {ALL}"), "labels: {part: @}")
        + objects(
            "ClusterRole whole - aggregationRule: {clusterRoleSelectors: [{matchLabels: {part: whole}}]}",
            f"ClusterRoleBinding b - {TO_ROBOT}, roleRef: {{kind: ClusterRole, name: whole}}",
        ),
        "other",
        "whole",
        START,
        "cluster-admin",
    ),
    "added to a role that every cluster has": ClusterPair(
        ROBOT
        + objects(
            f"RoleBinding b shop {TO_ROBOT}, roleRef: {{kind: ClusterRole, name: view}}",
        )
        + add_metadata(
            objects(f"ClusterRole more - {READS % ''}"), "labels: {rbac.authorization.k8s.io/aggregate-to-@: 'true'}"
        ),
        "edit",
        "view",
        START,
        "secrets",
    ),
    "group of another namespace": ClusterPair(
        ROBOT
        + objects(
            "ClusterRoleBinding b - subjects: [{kind: Group, name: 'system:serviceaccounts:@'}], "
            "roleRef: {kind: ClusterRole, name: cluster-admin}"
        ),
        "other",
        "shop",
        START,
        "cluster-admin",
    ),
    "group of those who have not signed in": ClusterPair(
        WEB
        + objects(
            "ClusterRoleBinding b - subjects: [{kind: Group, name: 'system:@'}], "
            "roleRef: {kind: ClusterRole, name: cluster-admin}"
        ),
        "nodes",
        "unauthenticated",
        "anonymous",
        "cluster-admin",
    ),
    "binding of another role in any namespace": ClusterPair(
        ROBOT
        + objects(
            "ClusterRole r - rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], "
            "resourceNames: [@]}, {apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}]",
            f"ClusterRoleBinding b - {TO_ROBOT}, roleRef: {{kind: ClusterRole, name: r}}",
        ),
        "view",
        "cluster-admin",
        START,
        "every secret of the cluster",
    ),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_paths_by_permissions(name: str) -> None:
    pair = RIGHTS[name]
    try:
        closed = _paths(pair, pair.closed)
    except ValueError:  # an unreachable target is an unknown name
        closed = []
    assert closed == []
    assert _paths(pair, pair.opened) != []


def test_running_pod_is_not_blocked_by_pod_security() -> None:
    pair = ENTRIES["Pod Security refuses the pod"]
    running = pair.text.replace("metadata: {name: web", "status: {phase: Running}\nmetadata: {name: web", 1)
    assert running != pair.text
    assert chains(running.replace("@", pair.closed), to=pair.target) != []
    notes = find_paths(pair.text.replace("@", pair.closed)).notes
    assert "Pod Security rejects the pods of Pod shop/web" in notes


LABELLED: Final = (
    WEB
    + INNER
    + objects(
        GATEWAY % "allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {@}}}}",
        HTTP_ROUTE % ("shop", EDGE, "port: 80"),
    )
)


@pytest.mark.parametrize(
    ("label", "assumptions"),
    [
        ("team: shop", [("namespace shop has the labels that Gateway edge/public requires",)]),
        ("kubernetes.io/metadata.name: shop", [()]),
        ("kubernetes.io/metadata.name: bank, team: shop", []),
    ],
)
def test_labels_of_missing_namespace_are_assumed(label: str, assumptions: list[tuple[str, ...]]) -> None:
    attacks = find_paths(LABELLED.replace("@", label), "internet", to="node")
    assert [path.assumptions for path in attacks.paths] == assumptions


def test_end_of_path_is_reported() -> None:
    route = objects(GATEWAY % "", HTTP_ROUTE % ("shop", EDGE, "port: 80"))
    assert "no external Gateway of the input accepts HTTPRoute shop/way" in find_paths(WEB + INNER + route).notes
    route = objects(HTTP_ROUTE % ("edge", EDGE, "namespace: shop, port: 80"))
    assert (
        "no ReferenceGrant of the input permits references to another namespace by HTTPRoute edge/way"
        in find_paths(WEB + INNER + route).notes
    )
    deaf = objects(SERVICE.replace("http", "grpc") % "type: LoadBalancer")
    assert "no container listens on the target ports of Service shop/web" in find_paths(WEB + deaf).notes


def test_node_port_assumes_reachable_nodes() -> None:
    (path,) = find_paths(WEB + objects(SERVICE % "type: NodePort")).paths
    assert path.assumptions == ("the nodes are reachable from outside",)


@pytest.mark.parametrize("kind", ["CronJob", "Job"])
def test_suspended_workload_has_no_pods(kind: str) -> None:
    template = f"template: {{spec: {{containers: [{{name: c, image: i, {PRIVILEGED}, ports: [{{containerPort: 1, hostPort: 1}}]}}]}}}}"
    spec = template if kind == "Job" else f"jobTemplate: {{spec: {{{template}}}}}"
    text = objects(f"{kind} once shop spec: {{suspend: @, {spec}}}")
    assert chains(text.replace("@", "true")) == []
    assert chains(text.replace("@", "false")) == [f"internet > {kind} shop/once > a node of the cluster"]


def test_completed_job_has_no_pods() -> None:
    fields = f"spec: {{template: {{spec: {{containers: [{{name: c, image: i, {PRIVILEGED}, ports: [{{containerPort: 1, hostPort: 1}}]}}]}}}}}}"
    text = objects(f"Job once shop status: {{conditions: [{{type: Complete, status: '@'}}]}}, {fields}")
    assert chains(text.replace("@", "True")) == []
    assert chains(text.replace("@", "False")) != []


REQUIRED_PATHS: Final = {
    "a load balancer before a privileged pod": (
        WEB + OUTER,
        "internet",
        "internet > Service shop/web > Pod shop/web > a node of the cluster",
    ),
    "an ingress, a token, and who may do everything": (
        ACCOUNT.replace("@", "")
        + objects(SERVICE.replace("http", "8080") % "type: ClusterIP", INGRESS % ("shop", "name: www"))
        + ADMIN,
        "internet",
        "internet > Ingress shop/way > Service shop/web > Pod shop/web > ServiceAccount shop/robot > cluster-admin",
    ),
    "a gateway of another namespace, with a grant": (
        ENTRIES["grant for another service"].text.replace("@", "web"),
        "internet",
        "internet > HTTPRoute edge/way > Service shop/web > Pod shop/web > a node of the cluster",
    ),
    "a policy that names the port by its name": (
        WEB + OUTER + objects(POLICY % "{ports: [{port: http}]}"),
        "internet",
        "internet > Service shop/web > Pod shop/web > a node of the cluster",
    ),
    "a node, an agent on every node, and its account": (
        WEB
        + OUTER
        + ADMIN
        + objects(
            "DaemonSet agent shop spec: {selector: {}, template: {spec: {serviceAccountName: robot, "
            "containers: [{name: c, image: i}]}}}"
        ),
        "internet",
        (
            "internet > Service shop/web > Pod shop/web > a node of the cluster > DaemonSet shop/agent > "
            "ServiceAccount shop/robot > cluster-admin"
        ),
    ),
    "a named secret in the whole cluster": (
        RIGHTS["secret of a name in the whole cluster"].text.replace("@", "db"),
        START,
        "Pod shop/web > ServiceAccount shop/robot > ClusterRole r in the cluster > Secret shop/db",
    ),
    "a role added to view": (
        RIGHTS["added to a role that every cluster has"].text.replace("@", "view"),
        START,
        "Pod shop/web > ServiceAccount shop/robot > ClusterRole view in namespace shop > every Secret in namespace shop",
    ),
    "nobody has to sign in": (
        RIGHTS["group of those who have not signed in"].text.replace("@", "unauthenticated"),
        "anonymous",
        "anyone, without authentication > Group system:unauthenticated > cluster-admin",
    ),
    "cluster-admin bound in any namespace": (
        RIGHTS["binding of another role in any namespace"].text.replace("@", "cluster-admin"),
        START,
        "Pod shop/web > ServiceAccount shop/robot > ClusterRole r in the cluster > every Secret of the cluster",
    ),
    "a token that lies in a secret": (
        pod("automountServiceAccountToken: false", "envFrom: [{secretRef: {name: t}}]")
        + "\n"
        + ADMIN
        + add_metadata(
            objects("Secret t shop type: kubernetes.io/service-account-token"),
            "annotations: {kubernetes.io/service-account.name: robot}",
        ),
        START,
        "Pod shop/web > Secret shop/t > ServiceAccount shop/robot > cluster-admin",
    ),
}


@pytest.mark.parametrize("name", REQUIRED_PATHS)
def test_required_paths(name: str) -> None:
    text, source, expected = REQUIRED_PATHS[name]
    assert expected in chains(text, source)
