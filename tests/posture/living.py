"""A made-up cluster that lives: objects of every kind that relates to another come, change and go. Never calls a cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

_RBAC: Final = "rbac.authorization.k8s.io"
NAMESPACES: Final = ("kube-system", "shop", "bank", "default")

Thing = dict[str, Any]


class Living:
    """Objects by key, of a small world in which most names and labels meet another one."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.objects: dict[str, Thing] = {}
        self._makers: tuple[Callable[[], Thing], ...] = (
            *(self._workload,) * 5,
            *(self._service,) * 2,
            *(self._policy,) * 2,
            *(self._rbac,) * 4,
            *(self._in_namespace,) * 4,
            *(self._of_cluster,) * 3,
            *(self._node,) * 2,
            self._ingress,
            self._route,
        )

    def change(self) -> str:
        """Let something come, change or go; gives its key. What has changed has the kind and the name it had."""
        deed = self.dice.random()
        if self.objects and deed < 0.25:
            key = self.dice.choice(sorted(self.objects))
            del self.objects[key]
            return key
        thing = self.dice.choice(self._makers)()
        if self.objects and deed < 0.5:
            alike = [key for key, item in self.objects.items() if item["kind"] == thing["kind"]]
            if alike:
                known = self.objects[self.dice.choice(alike)]["metadata"]
                thing["metadata"] |= {key: known[key] for key in ("name", "namespace") if key in known}
        metadata = thing["metadata"]
        metadata["resourceVersion"] = str(self.dice.randrange(10**9))
        key = f"{thing['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        metadata["uid"] = key
        self.objects[key] = thing
        return key

    def listed(self) -> Iterator[Thing]:
        """All objects in the order of an API server's lists: by name, kind after kind."""
        yield from (item for _, item in sorted(self.objects.items()))

    def _meta(self, *names: str, inside: bool = True) -> Thing:
        found: Thing = {"name": self.dice.choice(names or ("a", "b", "c"))}
        return found | ({"namespace": self.dice.choice(NAMESPACES)} if inside else {})

    def _labels(self) -> dict[str, str]:
        return {"app": self.dice.choice(("a", "b")), "tier": self.dice.choice(("web", "data"))}

    def _levels(self) -> dict[str, str]:
        levels = ("privileged", "baseline", "restricted")
        modes = [mode for mode in ("enforce", "audit", "warn") if self.dice.random() < 0.5]
        return {f"pod-security.kubernetes.io/{mode}": self.dice.choice(levels) for mode in modes}

    def _pod(self) -> Thing:
        dice = self.dice
        container: Thing = {"name": "main", "image": f"example.com/{dice.choice(('app', 'kube-apiserver'))}:1"}
        container["ports"] = [{"containerPort": dice.choice((22, 8080))}]
        if dice.random() < 0.5:
            container["securityContext"] = {"privileged": dice.random() < 0.3, "runAsUser": dice.choice((0, 1000))}
        if dice.random() < 0.3:
            container["command"] = ["kube-apiserver", f"--profiling={dice.choice(('true', 'false'))}"]
        kind = dice.choice(
            ({"secret": {"secretName": "a"}}, {"configMap": {"name": "b"}}, {"hostPath": {"path": "/var"}})
        )
        claim = {"persistentVolumeClaim": {"claimName": "c"}}
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data", "subPath": "x"}]
        spec: Thing = {"containers": [container], "volumes": [{"name": "data", **dice.choice((kind, claim))}]}
        return spec | dice.choice(({}, {"serviceAccountName": dice.choice(("a", "b"))}, {"hostNetwork": True}))

    def _workload(self) -> Thing:
        template = {"metadata": {"labels": self._labels()}, "spec": self._pod()}
        kind = self.dice.choice(("Deployment", "StatefulSet", "Pod", "CronJob", "Fleet"))
        if kind == "Fleet":
            # Of a custom kind that is in no namespace.
            metadata = self._meta(inside=False)
            return {"apiVersion": "example.com/v1", "kind": kind, "metadata": metadata, "spec": {"template": template}}
        if kind == "Pod":
            metadata = self._meta("a", "kube-apiserver-node") | template["metadata"]
            return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": template["spec"]}
        if kind == "CronJob":
            spec: Thing = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}
            return {"apiVersion": "batch/v1", "kind": kind, "metadata": self._meta(), "spec": spec}
        if self.dice.random() < 0.03:
            template["spec"] = {"containers": "none of the shape"}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": self._meta(), "spec": {"template": template}}

    def _service(self) -> Thing:
        selector = self.dice.choice(({"app": "a"}, {"app": "b", "tier": "web"}, {"none": "such"}))
        kind, port = self.dice.choice(("ClusterIP", "NodePort", "LoadBalancer")), self.dice.choice((22, 80, 443))
        spec = {"type": kind, "selector": selector, "ports": [{"port": port}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": self._meta(), "spec": spec}

    def _policy(self) -> Thing:
        labels = self.dice.choice(({}, {"app": "a"}, {"tier": "data"}))
        if self.dice.random() < 0.3:
            kind = self.dice.choice(("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"))
            cilium = {"endpointSelector": {"matchLabels": labels}, "ingress": [{}], "egress": [{}]}
            metadata = self._meta(inside=kind == "CiliumNetworkPolicy")
            return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": cilium}
        types = self.dice.choice((["Ingress"], ["Ingress", "Egress"]))
        spec = {"podSelector": {"matchLabels": labels}, "policyTypes": types}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": self._meta(), "spec": spec}

    def _ingress(self) -> Thing:
        backend = {"service": {"name": self.dice.choice(("a", "b")), "port": {"number": 80}}}
        spec = {"defaultBackend": backend} | self.dice.choice(({}, {"tls": [{"hosts": ["example.com"]}]}))
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": self._meta(), "spec": spec}

    def _route(self) -> Thing:
        backend = {"name": self.dice.choice(("a", "b")), "namespace": self.dice.choice(NAMESPACES), "port": 80}
        spec = {"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": [backend]}]}
        kind = self.dice.choice(("HTTPRoute", "GRPCRoute"))
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": self._meta(), "spec": spec}

    def _rbac(self) -> Thing:
        dice = self.dice
        kind = dice.choice(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"))
        thing: Thing = {"apiVersion": f"{_RBAC}/v1", "kind": kind}
        thing["metadata"] = self._meta("a", "cluster-admin", inside=not kind.startswith("Cluster"))
        if not kind.endswith("Binding"):
            groups, verbs = dice.choice(([""], ["*"])), dice.choice((["get"], ["*"], ["create", "list"]))
            resources = dice.choice((["*"], ["pods", "secrets"], ["pods/exec"]))
            return thing | {"rules": [{"apiGroups": groups, "resources": resources, "verbs": verbs}]}
        subject = dice.choice(
            (
                {"kind": "ServiceAccount", "name": dice.choice(("a", "default")), "namespace": dice.choice(NAMESPACES)},
                {"kind": "Group", "name": f"system:serviceaccounts:{dice.choice(NAMESPACES)}"},
                {"kind": "Group", "name": "system:authenticated"},
                {"kind": "User", "name": "somebody"},
            )
        )
        wide = kind == "ClusterRoleBinding" or dice.random() < 0.5
        role = {
            "apiGroup": _RBAC,
            "kind": "ClusterRole" if wide else "Role",
            "name": dice.choice(("a", "cluster-admin")),
        }
        return thing | {"subjects": [subject] * dice.choice((1, 2)), "roleRef": role}

    def _in_namespace(self) -> Thing:
        dice = self.dice
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": dice.choice(("a", "b"))}
        limits = {"limits": [{"type": "Container", "default": dice.choice(({"cpu": "1"}, {"memory": "1Gi"}))}]}
        token = dice.choice(({}, {"automountServiceAccountToken": dice.random() < 0.5}))
        return dice.choice(
            (
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self._meta("a", "b", "default"), **token},
                {"apiVersion": "v1", "kind": "Secret", "metadata": self._meta()},
                {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": self._meta(), "spec": {}},
                {"apiVersion": "v1", "kind": "LimitRange", "metadata": self._meta(), "spec": limits},
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": self._meta("b", "cilium-config"),
                    "data": {"enable-policy": dice.choice(("always", "default"))},
                },
                {
                    "apiVersion": "autoscaling/v2",
                    "kind": "HorizontalPodAutoscaler",
                    "metadata": self._meta(),
                    "spec": {"scaleTargetRef": target},
                },
            )
        )

    def _node(self) -> Thing:
        dice = self.dice
        platform = dice.choice(("", "aws:///zone/i-1", "azure:///subscriptions/1", "gce://project/zone/1"))
        status = {
            "nodeInfo": {"kubeletVersion": dice.choice(("v1.18.0", "v1.33.1", "v1.33.1-gke.1"))},
            "conditions": [{"x": dice.random()}],
        }
        sandbox = dice.choice(({}, {}, {"sandbox.gke.io/runtime": "gvisor"}))
        metadata = {"name": dice.choice(("fargate-1", "one", "two", "three")), "labels": self._labels() | sandbox}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": metadata,
            "spec": {"providerID": platform},
            "status": status,
        }

    def _of_cluster(self) -> Thing:
        dice = self.dice
        hook = {
            "name": "check.example.com",
            "rules": [{"operations": ["CREATE"], "resources": ["pods"], "apiGroups": [""]}],
        }
        return dice.choice(
            (
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": dice.choice(NAMESPACES), "labels": self._labels() | self._levels()},
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
