"""Comparison of a pod with a template: each field that controls evaluate, set in the pod only."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubekeep.model.resource import Resource
from kubekeep.sources.cluster.privileges import PodPrivileges, read_privileges
from tests.sources.cluster import objects

APPARMOR = "container.apparmor.security.beta.kubernetes.io/app"


def read(pod: dict[str, Any]) -> PodPrivileges:
    return read_privileges(Resource(pod))


def pod(spec: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a Pod with one container, with additional fields in spec, container and metadata."""
    resource_object = copy.deepcopy(objects.pod("shop", "web"))
    resource_object["spec"]["containers"][0] |= container or {}
    resource_object["spec"] |= spec or {}
    resource_object["metadata"] |= metadata
    return resource_object


def with_context(**fields: Any) -> dict[str, Any]:
    return pod(container={"securityContext": fields})


def with_mount(**mount: Any) -> dict[str, Any]:
    volumes = [{"name": "node", "hostPath": {"path": "/var/log"}}]
    return pod({"volumes": volumes}, {"volumeMounts": [{"name": "node", "mountPath": "/a"} | mount]})


def with_volume(**source: Any) -> dict[str, Any]:
    return pod({"volumes": [{"name": "some", **source}]})


def with_token(name: str, *more: dict[str, Any], audience: str = "", **spec: Any) -> dict[str, Any]:
    """Return a Pod with the volume that the API server adds."""
    token = {"path": "token"} | ({"audience": audience} if audience else {})
    sources = [{"serviceAccountToken": token}, {"configMap": {"name": "kube-root-ca.crt"}}, *more]
    mount = {"name": name, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    return pod({"volumes": [{"name": name, "projected": {"sources": sources}}], **spec}, {"volumeMounts": [mount]})


AUTHORITY = {"name": "kube-root-ca.crt"}
PLAIN = pod()
WEAKER = {
    "hostPID": (pod({"hostPID": True}), PLAIN),
    "hostIPC": (pod({"hostIPC": True}), PLAIN),
    "hostNetwork": (pod({"hostNetwork": True}), PLAIN),
    "shareProcessNamespace": (pod({"shareProcessNamespace": True}), PLAIN),
    "hostUsers": (PLAIN, pod({"hostUsers": False})),
    "runtimeClassName": (PLAIN, pod({"runtimeClassName": "sandboxed"})),
    "account": (pod({"serviceAccountName": "admin"}), PLAIN),
    "old field of the account": (pod({"serviceAccount": "admin"}), PLAIN),
    "token asked for": (pod({"automountServiceAccountToken": True}), PLAIN),
    "token turned off": (PLAIN, pod({"automountServiceAccountToken": False})),
    "token put in": (
        with_token("kube-api-access-12345", automountServiceAccountToken=False),
        with_token("kube-api-access-12345", audience="vault", automountServiceAccountToken=False),
    ),
    "token in a volume": (with_token("some"), with_token("some", audience="vault")),
    "Secret beside the token": (with_token("kube-api-access-12345", {"secret": {"name": "password"}}), PLAIN),
    "ConfigMap beside the token": (with_token("kube-api-access-12345", {"configMap": {"name": "settings"}}), PLAIN),
    "fsGroup": (PLAIN, pod({"securityContext": {"fsGroup": 1000}})),
    "sysctls": (pod({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}), PLAIN),
    "hostPath": (with_volume(hostPath={"path": "/"}), PLAIN),
    "another hostPath": (with_volume(hostPath={"path": "/"}), with_volume(hostPath={"path": "/var/log"})),
    "mount of a hostPath": (with_mount(readOnly=True), with_volume(hostPath={"path": "/var/log"})),
    "writable hostPath": (with_mount(), with_mount(readOnly=True)),
    "subPath": (with_mount(subPath="a"), with_mount()),
    "Secret": (with_volume(secret={"secretName": "password"}), PLAIN),
    "projected Secret": (with_volume(projected={"sources": [{"secret": {"name": "password"}}]}), PLAIN),
    "ConfigMap": (with_volume(configMap={"name": "settings"}), PLAIN),
    "claim": (with_volume(persistentVolumeClaim={"claimName": "data"}), PLAIN),
    "volume of another type": (with_volume(nfs={"server": "a", "path": "/"}), PLAIN),
    "image": (pod(container={"image": "registry.example.com/app:2"}), PLAIN),
    "digest": (pod(container={"image": f"registry.example.com/app:1@sha256:{'0' * 64}"}), PLAIN),
    "command": (pod(container={"command": ["sh"]}), PLAIN),
    "args": (pod(container={"args": ["-c", "sudo id"]}), PLAIN),
    "container": (objects.pod("shop", "web", objects.template("registry.example.com/app:1", "app", "more")), PLAIN),
    "init container": (pod({"initContainers": [{"name": "init", "image": "a:1"}]}), PLAIN),
    "container of the same name": (pod({"initContainers": PLAIN["spec"]["containers"]}), PLAIN),
    "ephemeral container": (pod({"ephemeralContainers": [{"name": "debug", "image": "a:1"}]}), PLAIN),
    "hostPort": (pod(container={"ports": [{"containerPort": 80, "hostPort": 80}]}), PLAIN),
    "hostPort of a port": (
        pod(container={"ports": [{"containerPort": 80, "hostPort": 80}]}),
        pod(container={"ports": [{"containerPort": 80}]}),
    ),
    "port": (pod(container={"ports": [{"containerPort": 22}]}), PLAIN),
    "key of a Secret": (
        pod(container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "password", "key": "a"}}}]}),
        PLAIN,
    ),
    "environment of a Secret": (pod(container={"envFrom": [{"secretRef": {"name": "password"}}]}), PLAIN),
    "host of a probe": (
        pod(container={"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}),
        pod(container={"livenessProbe": {"httpGet": {"port": 80}}}),
    ),
    "host of a hook": (
        pod(container={"lifecycle": {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}}}),
        PLAIN,
    ),
    "command of a hook": (pod(container={"lifecycle": {"postStart": {"exec": {"command": ["sh"]}}}}), PLAIN),
    "livenessProbe": (PLAIN, pod(container={"livenessProbe": {"tcpSocket": {"port": 80}}})),
    "readinessProbe": (PLAIN, pod(container={"readinessProbe": {"tcpSocket": {"port": 80}}})),
    "imagePullPolicy": (
        pod(container={"imagePullPolicy": "IfNotPresent"}),
        pod(container={"imagePullPolicy": "Always"}),
    ),
    "limits": (PLAIN, pod(container={"resources": {"limits": {"memory": "1Gi"}}})),
    "no limit": (
        pod(container={"resources": {"limits": {"memory": "0"}}}),
        pod(container={"resources": {"limits": {"memory": "1Gi"}}}),
    ),
    "requests": (PLAIN, pod(container={"resources": {"requests": {"cpu": 1}}})),
    "limits of the pod": (PLAIN, pod({"resources": {"limits": {"memory": "1Gi"}}})),
    "privileged": (with_context(privileged=True), PLAIN),
    "hostProcess": (with_context(windowsOptions={"hostProcess": True}), PLAIN),
    "hostProcess of the pod": (pod({"securityContext": {"windowsOptions": {"hostProcess": True}}}), PLAIN),
    "user of Windows": (with_context(windowsOptions={"runAsUserName": "ContainerAdministrator"}), PLAIN),
    "procMount": (with_context(procMount="Unmasked"), PLAIN),
    "capabilities": (
        with_context(capabilities={"add": ["SYS_PTRACE"]}),
        with_context(capabilities={"add": ["NET_ADMIN"]}),
    ),
    "capabilities dropped": (
        with_context(capabilities={"drop": ["KILL"]}),
        with_context(capabilities={"drop": ["ALL"]}),
    ),
    "allowPrivilegeEscalation": (
        with_context(allowPrivilegeEscalation=True),
        with_context(allowPrivilegeEscalation=False),
    ),
    "readOnlyRootFilesystem": (PLAIN, with_context(readOnlyRootFilesystem=True)),
    "runAsNonRoot": (with_context(runAsNonRoot=False), pod({"securityContext": {"runAsNonRoot": True}})),
    "runAsUser": (with_context(runAsUser=0), pod({"securityContext": {"runAsUser": 1000}})),
    "runAsUser unsaid": (PLAIN, with_context(runAsUser=1000)),
    "runAsGroup": (with_context(runAsGroup=0), PLAIN),
    "seccomp": (with_context(seccompProfile={"type": "Unconfined"}), PLAIN),
    "seccomp unsaid": (PLAIN, with_context(seccompProfile={"type": "RuntimeDefault"})),
    "seccomp of the node": (with_context(seccompProfile={"type": "Localhost", "localhostProfile": "open.json"}), PLAIN),
    "another profile of the node": (
        with_context(seccompProfile={"type": "Localhost", "localhostProfile": "open.json"}),
        with_context(seccompProfile={"type": "Localhost", "localhostProfile": "closed.json"}),
    ),
    "seccomp undone": (
        pod(
            {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        ),
        pod({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
    ),
    "AppArmor": (with_context(appArmorProfile={"type": "Unconfined"}), PLAIN),
    "AppArmor in an annotation": (pod(annotations={APPARMOR: "unconfined"}), PLAIN),
    "AppArmor unsaid": (PLAIN, pod(annotations={APPARMOR: "runtime/default"})),
    "SELinux": (with_context(seLinuxOptions={"type": "spc_t"}), with_context(seLinuxOptions={"type": "container_t"})),
    "SELinux unsaid": (PLAIN, with_context(seLinuxOptions={"level": "s0:c1,c2"})),
    "label": (pod(labels={}), PLAIN),
    "value of a label": (pod(labels={"app": "other"}), PLAIN),
}


@pytest.mark.parametrize(("weak", "template"), WEAKER.values(), ids=WEAKER.keys())
def test_weaker_pods(weak: dict[str, Any], template: dict[str, Any]) -> None:
    assert not read(weak).is_within(read(template))
    assert read(weak).is_within(read(weak))


DEFAULTS = {
    "protocol": (
        pod(container={"ports": [{"containerPort": 80, "protocol": "TCP"}]}),
        pod(container={"ports": [{"containerPort": 80}]}),
    ),
    "hostPort on the node's network": (
        pod({"hostNetwork": True}, {"ports": [{"containerPort": 80, "hostPort": 80}]}),
        pod({"hostNetwork": True}, {"ports": [{"containerPort": 80}]}),
    ),
    "account": (pod({"serviceAccountName": "default", "serviceAccount": "default"}), PLAIN),
    "token": (with_token("kube-api-access-12345"), PLAIN),
    "token of a cloud": (
        with_token("aws-iam-token", audience="sts.amazonaws.com"),
        pod(
            {"volumes": [{"name": "some", "configMap": AUTHORITY}]},
            {"volumeMounts": [{"name": "some", "mountPath": "/a"}]},
        ),
    ),
    "volume of a webhook": (with_volume(emptyDir={}), PLAIN),
    "variable of a webhook": (pod(container={"env": [{"name": "AWS_ROLE_ARN", "value": "arn"}]}), PLAIN),
    "label": (pod(labels={"app": "app", "pod-template-hash": "12345"}), PLAIN),
    "place": (
        pod({"nodeName": "a", "tolerations": [{"operator": "Exists"}], "nodeSelector": {"a": "b"}, "priority": 1}),
        PLAIN,
    ),
    "limits": (pod(container={"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}), PLAIN),
    "amounts": (
        pod(container={"resources": {"requests": {"cpu": "2"}}}),
        pod(container={"resources": {"requests": {"cpu": "100m"}}}),
    ),
    "defaults": (
        with_context(
            procMount="Default", privileged=False, capabilities={"drop": ["ALL"]}, runAsUser=1000, runAsNonRoot=True
        ),
        PLAIN,
    ),
    "profiles": (
        with_context(seccompProfile={"type": "RuntimeDefault"}, seLinuxOptions={"level": "s0:c1,c2"}),
        PLAIN,
    ),
    "AppArmor by its field": (
        pod(
            container={"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}},
            annotations={APPARMOR: "runtime/default"},
        ),
        pod(annotations={APPARMOR: "runtime/default"}),
    ),
    "AppArmor by its field, of the node": (
        with_context(appArmorProfile={"type": "Localhost", "localhostProfile": "strict"}),
        pod(annotations={APPARMOR: "localhost/strict"}),
    ),
    "names of capabilities": (
        with_context(capabilities={"add": ["CAP_KILL"]}),
        with_context(capabilities={"add": ["kill"]}),
    ),
    "read-only": (with_mount(readOnly=True), with_mount()),
    "pulled": (pod(container={"imagePullPolicy": "Always"}), PLAIN),
}


@pytest.mark.parametrize(("equal_pod", "template"), DEFAULTS.values(), ids=DEFAULTS.keys())
def test_pods_that_are_not_weaker(equal_pod: dict[str, Any], template: dict[str, Any]) -> None:
    assert read(equal_pod).is_within(read(template))


def test_stateful_set_claims_are_volumes_of_its_pods() -> None:
    mount_fields = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    mounting = pod(container=mount_fields)
    stateful = objects.replicated(
        "StatefulSet", "shop", "db", {"metadata": mounting["metadata"], "spec": mounting["spec"]}
    )
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {}}]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]
    assert read(pod({"volumes": volumes}, mount_fields)).is_within(read(stateful))
    assert not read(pod({"volumes": [volumes[0] | {"name": "more"}]}, mount_fields)).is_within(read(stateful))


@pytest.mark.parametrize(
    "nonsense", [None, 1, "a", [], {}, [{}], {"a": {}}, [[1]], [{"name": {}}], [{"name": ["a"]}]], ids=str
)
def test_malformed_custom_object_is_accepted(nonsense: Any) -> None:
    """Templates in custom kinds are not validated: one malformed object must not end the whole scan."""
    fields = {name for weak, _ in WEAKER.values() for name in (*weak["spec"], *weak["spec"]["containers"][0])}
    contexts = {
        name
        for weak, template in WEAKER.values()
        for pod_object in (weak, template)
        for name in _get_context(pod_object)
    }
    container = dict.fromkeys(fields, nonsense) | {"securityContext": dict.fromkeys(contexts, nonsense)}
    for spec in (dict.fromkeys(fields, nonsense), container, {"containers": [container], "volumes": nonsense}):
        rollout_spec = {
            "template": {"metadata": {"labels": nonsense, "annotations": nonsense}, "spec": {"containers": []} | spec}
        }
        rollout = objects.custom(
            "example.com", "Rollout", "shop", "web", rollout_spec | {"volumeClaimTemplates": nonsense}
        )
        assert not read(PLAIN).is_within(read(rollout))


def _get_context(pod: dict[str, Any]) -> dict[str, Any]:
    context = pod["spec"]["containers"][0].get("securityContext", {})
    return context if isinstance(context, dict) else {}


def test_long_pods_are_compared_without_cache() -> None:
    long = pod(container={"env": [{"name": f"NAME_{number}", "value": "a" * 100} for number in range(1000)]})
    assert read(long).is_within(read(PLAIN))
    long["spec"]["hostPID"] = True
    assert not read(long).is_within(read(PLAIN))
