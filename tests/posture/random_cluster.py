"""Random cluster of objects that refer to each other, with random additions, changes and deletions. No I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

_RBAC: Final = "rbac.authorization.k8s.io"
NAMESPACES: Final = ("kube-system", "shop", "bank", "default")

Object = dict[str, Any]


class RandomCluster:
    """Objects by key. Names and labels come from small sets, so that most references have a target."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.objects: dict[str, Object] = {}
        self._makers: tuple[Callable[[], Object], ...] = (
            *(self._workload,) * 5,
            *(self._service,) * 2,
            *(self._policy,) * 2,
            *(self._rbac,) * 4,
            *(self._namespaced,) * 4,
            *(self._cluster_scoped,) * 3,
            *(self._node,) * 2,
            self._ingress,
            self._route,
        )

    def change(self) -> str:
        """Add, change or delete one object and return its key. A changed object keeps its kind and name."""
        choice = self.rng.random()
        if self.objects and choice < 0.25:
            key = self.rng.choice(sorted(self.objects))
            del self.objects[key]
            return key
        changed = self.rng.choice(self._makers)()
        if self.objects and choice < 0.5:
            same_kind = [key for key, content in self.objects.items() if content["kind"] == changed["kind"]]
            if same_kind:
                known = self.objects[self.rng.choice(same_kind)]["metadata"]
                changed["metadata"] |= {key: known[key] for key in ("name", "namespace") if key in known}
        metadata = changed["metadata"]
        metadata["resourceVersion"] = str(self.rng.randrange(10**9))
        key = f"{changed['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        metadata["uid"] = key
        self.objects[key] = changed
        return key

    def list_objects(self) -> Iterator[Object]:
        """Yield all objects in the order of an API server's lists: by kind, then by name."""
        yield from (content for _, content in sorted(self.objects.items()))

    def _meta(self, *names: str, inside: bool = True) -> Object:
        metadata: Object = {"name": self.rng.choice(names or ("a", "b", "c"))}
        return metadata | ({"namespace": self.rng.choice(NAMESPACES)} if inside else {})

    def _labels(self) -> dict[str, str]:
        return {"app": self.rng.choice(("a", "b")), "tier": self.rng.choice(("web", "data"))}

    def _pod_security_labels(self) -> dict[str, str]:
        levels = ("privileged", "baseline", "restricted")
        modes = [mode for mode in ("enforce", "audit", "warn") if self.rng.random() < 0.5]
        return {f"pod-security.kubernetes.io/{mode}": self.rng.choice(levels) for mode in modes}

    def _pod(self) -> Object:
        rng = self.rng
        container: Object = {"name": "main", "image": f"example.com/{rng.choice(('app', 'kube-apiserver'))}:1"}
        container["ports"] = [{"containerPort": rng.choice((22, 8080))}]
        if rng.random() < 0.5:
            container["securityContext"] = {"privileged": rng.random() < 0.3, "runAsUser": rng.choice((0, 1000))}
        if rng.random() < 0.3:
            container["command"] = ["kube-apiserver", f"--profiling={rng.choice(('true', 'false'))}"]
        kind = rng.choice(
            ({"secret": {"secretName": "a"}}, {"configMap": {"name": "b"}}, {"hostPath": {"path": "/var"}})
        )
        claim = {"persistentVolumeClaim": {"claimName": "c"}}
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data", "subPath": "x"}]
        spec: Object = {"containers": [container], "volumes": [{"name": "data", **rng.choice((kind, claim))}]}
        return spec | rng.choice(({}, {"serviceAccountName": rng.choice(("a", "b"))}, {"hostNetwork": True}))

    def _workload(self) -> Object:
        template = {"metadata": {"labels": self._labels()}, "spec": self._pod()}
        kind = self.rng.choice(("Deployment", "StatefulSet", "Pod", "CronJob", "Fleet"))
        if kind == "Fleet":
            # A cluster-scoped custom kind.
            metadata = self._meta(inside=False)
            return {"apiVersion": "example.com/v1", "kind": kind, "metadata": metadata, "spec": {"template": template}}
        if kind == "Pod":
            metadata = self._meta("a", "kube-apiserver-node") | template["metadata"]
            return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": template["spec"]}
        if kind == "CronJob":
            spec: Object = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}
            return {"apiVersion": "batch/v1", "kind": kind, "metadata": self._meta(), "spec": spec}
        if self.rng.random() < 0.03:
            template["spec"] = {"containers": "none of the shape"}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": self._meta(), "spec": {"template": template}}

    def _service(self) -> Object:
        selector = self.rng.choice(({"app": "a"}, {"app": "b", "tier": "web"}, {"none": "such"}))
        kind, port = self.rng.choice(("ClusterIP", "NodePort", "LoadBalancer")), self.rng.choice((22, 80, 443))
        spec = {"type": kind, "selector": selector, "ports": [{"port": port}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": self._meta(), "spec": spec}

    def _policy(self) -> Object:
        labels = self.rng.choice(({}, {"app": "a"}, {"tier": "data"}))
        if self.rng.random() < 0.3:
            kind = self.rng.choice(("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"))
            cilium = {"endpointSelector": {"matchLabels": labels}, "ingress": [{}], "egress": [{}]}
            metadata = self._meta(inside=kind == "CiliumNetworkPolicy")
            return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": cilium}
        types = self.rng.choice((["Ingress"], ["Ingress", "Egress"]))
        spec = {"podSelector": {"matchLabels": labels}, "policyTypes": types}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": self._meta(), "spec": spec}

    def _ingress(self) -> Object:
        backend = {"service": {"name": self.rng.choice(("a", "b")), "port": {"number": 80}}}
        spec = {"defaultBackend": backend} | self.rng.choice(({}, {"tls": [{"hosts": ["example.com"]}]}))
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": self._meta(), "spec": spec}

    def _route(self) -> Object:
        backend = {"name": self.rng.choice(("a", "b")), "namespace": self.rng.choice(NAMESPACES), "port": 80}
        spec = {"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": [backend]}]}
        kind = self.rng.choice(("HTTPRoute", "GRPCRoute"))
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": self._meta(), "spec": spec}

    def _rbac(self) -> Object:
        rng = self.rng
        kind = rng.choice(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"))
        rbac_object: Object = {"apiVersion": f"{_RBAC}/v1", "kind": kind}
        rbac_object["metadata"] = self._meta("a", "cluster-admin", inside=not kind.startswith("Cluster"))
        if not kind.endswith("Binding"):
            groups, verbs = rng.choice(([""], ["*"])), rng.choice((["get"], ["*"], ["create", "list"]))
            resources = rng.choice((["*"], ["pods", "secrets"], ["pods/exec"]))
            return rbac_object | {"rules": [{"apiGroups": groups, "resources": resources, "verbs": verbs}]}
        subject = rng.choice(
            (
                {"kind": "ServiceAccount", "name": rng.choice(("a", "default")), "namespace": rng.choice(NAMESPACES)},
                {"kind": "Group", "name": f"system:serviceaccounts:{rng.choice(NAMESPACES)}"},
                {"kind": "Group", "name": "system:authenticated"},
                {"kind": "User", "name": "somebody"},
            )
        )
        wide = kind == "ClusterRoleBinding" or rng.random() < 0.5
        role = {
            "apiGroup": _RBAC,
            "kind": "ClusterRole" if wide else "Role",
            "name": rng.choice(("a", "cluster-admin")),
        }
        return rbac_object | {"subjects": [subject] * rng.choice((1, 2)), "roleRef": role}

    def _namespaced(self) -> Object:
        rng = self.rng
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": rng.choice(("a", "b"))}
        limits = {"limits": [{"type": "Container", "default": rng.choice(({"cpu": "1"}, {"memory": "1Gi"}))}]}
        token = rng.choice(({}, {"automountServiceAccountToken": rng.random() < 0.5}))
        return rng.choice(
            (
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self._meta("a", "b", "default"), **token},
                {"apiVersion": "v1", "kind": "Secret", "metadata": self._meta()},
                {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": self._meta(), "spec": {}},
                {"apiVersion": "v1", "kind": "LimitRange", "metadata": self._meta(), "spec": limits},
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": self._meta("b", "cilium-config"),
                    "data": {"enable-policy": rng.choice(("always", "default"))},
                },
                {
                    "apiVersion": "monitoring.coreos.com/v1",
                    "kind": rng.choice(("Prometheus", "ServiceMonitor")),
                    "metadata": self._meta(),
                    "spec": rng.choice(({}, {"replicas": 2}, {"podMetadata": {"labels": self._labels()}})),
                },
                {
                    "apiVersion": "autoscaling/v2",
                    "kind": "HorizontalPodAutoscaler",
                    "metadata": self._meta(),
                    "spec": {"scaleTargetRef": target},
                },
            )
        )

    def _node(self) -> Object:
        rng = self.rng
        platform = rng.choice(("", "aws:///zone/i-1", "azure:///subscriptions/1", "gce://project/zone/1"))
        status = {
            "nodeInfo": {"kubeletVersion": rng.choice(("v1.18.0", "v1.33.1", "v1.33.1-gke.1"))},
            "conditions": [{"x": rng.random()}],
        }
        sandbox = rng.choice(({}, {}, {"sandbox.gke.io/runtime": "gvisor"}))
        metadata = {"name": rng.choice(("fargate-1", "one", "two", "three")), "labels": self._labels() | sandbox}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": metadata,
            "spec": {"providerID": platform},
            "status": status,
        }

    def _cluster_scoped(self) -> Object:
        rng = self.rng
        hook = {
            "name": "check.example.com",
            "rules": [{"operations": ["CREATE"], "resources": ["pods"], "apiGroups": [""]}],
        }
        return rng.choice(
            (
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {
                        "name": rng.choice(NAMESPACES),
                        "labels": self._labels() | self._pod_security_labels(),
                    },
                },
                {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": self._meta(inside=False)},
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolume",
                    "metadata": self._meta(inside=False),
                    "spec": {"storageClassName": "a", "csi": {"driver": "ebs.csi.aws.com"}},
                },
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "ValidatingWebhookConfiguration",
                    "metadata": self._meta(inside=False),
                    "webhooks": [hook],
                },
            )
        )
