"""Random pods for the Pod Security Standards: every field that a check reads, with typical and boundary values.

All pods match the API's schema. Many would be rejected by validation that the checks do not cover.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

_ABSENT: Final = object()
_CAPABILITIES: Final = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *(
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
        "NET_RAW",
        "SYS_ADMIN",
        "ALL",
        "all",
        "CAP_CHOWN",
        "chown",
        "",
        None,
    ),
)
_SYSCTLS: Final = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time"),
    *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
    *("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"),
    *("net/ipv4/tcp_rmem", "kernel.msgmax", "net.core.somaxconn", "", None),
)
_SOURCES: Final = (
    *("hostPath", "emptyDir", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "secret", "nfs", "iscsi"),
    *("glusterfs", "persistentVolumeClaim", "rbd", "flexVolume", "cinder", "cephfs", "flocker", "downwardAPI", "fc"),
    *("azureFile", "configMap", "vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk", "projected"),
    *("portworxVolume", "scaleIO", "storageos", "csi", "ephemeral", "image"),
)
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_ANNOTATIONS: Final = (
    *(_APPARMOR + "main0", _APPARMOR + "absent", _APPARMOR, _APPARMOR.rstrip("/"), "note"),
    *("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/main0"),
)
_ANNOTATED: Final = (
    "",
    "runtime/default",
    "localhost/",
    "localhost/web",
    "localhost",
    "unconfined",
    "docker/default",
    None,
)
_PROFILES: Final = ("RuntimeDefault", "Localhost", "Unconfined", "runtimedefault", "", None)
_FLAGS: Final = (True, False, None)
_KINDS: Final = {
    "PodTemplate": ("v1", ("template",)),
    "ReplicationController": ("v1", ("spec", "template")),
    "Deployment": ("apps/v1", ("spec", "template")),
    "StatefulSet": ("apps/v1", ("spec", "template")),
    "DaemonSet": ("apps/v1", ("spec", "template")),
    "ReplicaSet": ("apps/v1", ("spec", "template")),
    "Job": ("batch/v1", ("spec", "template")),
    "CronJob": ("batch/v1", ("spec", "jobTemplate", "spec", "template")),
}


def objects(seed: int, count: int) -> list[dict[str, Any]]:
    """Return `count` pods and workloads, determined by `seed`."""
    return [_Generator(Random(f"{seed}/{number}")).object(number) for number in range(count)]


class _Generator:
    """Generator of one object. The rate is the probability that a field violates the restricted level."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rate = random.choice((0.0, 0.01, 0.03, 0.1, 0.5))

    def object(self, number: int) -> dict[str, Any]:
        meta = {"name": f"x{number}"}
        pod = {"metadata": self._metadata(), "spec": self._spec()}
        if self._random.random() < 0.5:
            pod["metadata"] |= meta
            return {"apiVersion": "v1", "kind": "Pod", **pod}
        kind, (version, path) = self._random.choice(list(_KINDS.items()))
        body: dict[str, Any] = pod
        for step in reversed(path):
            body = {step: body}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **body}

    def _deviates(self) -> bool:
        return self._random.random() < self._rate

    def _set(self, into: dict[str, Any], field: str, usual: Any, *others: Any) -> None:
        """Set `field` of `into` to the `usual` value, or sometimes to one of the `others`."""
        value = self._random.choice(others) if self._deviates() else usual
        if value is not _ABSENT:
            into[field] = value

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {}
        notes = {key: self._random.choice(_ANNOTATED) for key in _ANNOTATIONS if self._deviates()}
        self._set(metadata, "annotations", notes or _ABSENT, None, {})
        return metadata

    def _spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = {}
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            self._set(spec, field, _ABSENT, *_FLAGS)
        self._set(spec, "hostUsers", self._random.choice((_ABSENT, _ABSENT, False)), *_FLAGS)
        system = self._random.choice((_ABSENT, _ABSENT, {"name": "linux"}, {"name": "windows"}))
        self._set(spec, "os", system, None, {}, {"name": "Windows"}, {"name": None})
        self._set(spec, "nodeSelector", _ABSENT, {"kubernetes.io/os": "windows"})
        # Either the pod or each of its containers has the security context; both are common.
        for_all = self._random.random() < 0.5
        self._set(spec, "securityContext", self._pod_context(settled=for_all), _ABSENT, None, {})
        self._set(spec, "volumes", [self._volume() for _ in range(self._random.randrange(3))] or _ABSENT, None, [])
        for field, most in (("containers", 2), ("initContainers", 1), ("ephemeralContainers", 1)):
            least = 1 if field == "containers" else 0
            names = [f"{field[:4]}{index}" for index in range(self._random.randint(least, most))]
            containers = [self._container(name.replace("cont", "main"), settled=for_all) for name in names]
            self._set(spec, field, containers or _ABSENT, containers, *([[], None] if field != "containers" else []))
        return spec

    def _shared_context(self, *, is_complete: bool) -> dict[str, Any]:
        """Return the fields that pod and container share; if `is_complete`, with the fields the restricted level requires."""
        context: dict[str, Any] = {}
        self._set(context, "runAsNonRoot", True if is_complete else _ABSENT, *_FLAGS, _ABSENT)
        self._set(context, "runAsUser", self._random.choice((_ABSENT, 1000)), 0, None, 1, 2**40)
        profile = {"type": self._random.choice(("RuntimeDefault", "Localhost"))}
        strays = (_ABSENT, None, {}, *({"type": kind} for kind in _PROFILES))
        self._set(context, "seccompProfile", profile if is_complete else _ABSENT, *strays)
        self._set(context, "appArmorProfile", _ABSENT, *strays)
        self._set(context, "seLinuxOptions", _ABSENT, None, self._selinux(), self._selinux())
        hosts = ({"hostProcess": flag} for flag in _FLAGS)
        self._set(context, "windowsOptions", _ABSENT, None, {}, {"runAsUserName": "web"}, *hosts)
        return context

    def _selinux(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        types = ("", None, "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", _ABSENT)
        for field, values in (
            ("type", types),
            ("user", ("", None, "u", _ABSENT)),
            ("role", ("", None, "r", _ABSENT)),
            ("level", ("s0", _ABSENT)),
        ):
            value = self._random.choice(values if self._random.random() < 0.6 else (_ABSENT,))
            if value is not _ABSENT:
                options[field] = value
        return options

    def _pod_context(self, *, settled: bool) -> dict[str, Any]:
        context = self._shared_context(is_complete=settled)
        sysctls = [{"name": self._random.choice(_SYSCTLS), "value": "1"} for _ in range(self._random.randrange(3))]
        self._set(context, "sysctls", _ABSENT, None, [], sysctls, sysctls, sysctls)
        return context

    def _container_context(self, *, settled: bool) -> dict[str, Any]:
        context = self._shared_context(is_complete=not settled or self._random.random() < 0.1)
        self._set(context, "privileged", _ABSENT, *_FLAGS)
        self._set(context, "allowPrivilegeEscalation", False, True, None, _ABSENT)
        self._set(context, "procMount", _ABSENT, "Default", "Unmasked", "", None)
        added: list[str | None] = []
        if self._random.random() < 0.3:
            added.append("NET_BIND_SERVICE")
        if self._deviates():
            added.append(self._random.choice(_CAPABILITIES))
        capabilities: dict[str, Any] = {}
        self._set(capabilities, "add", added or _ABSENT, None, [], added)
        self._set(capabilities, "drop", ["ALL"], _ABSENT, None, [], ["all"], ["NET_RAW", "ALL"], ["CHOWN"], [None])
        self._set(context, "capabilities", capabilities, _ABSENT, None, {})
        return context

    def _container(self, name: str, *, settled: bool) -> dict[str, Any]:
        container: dict[str, Any] = {"name": name, "image": "registry.example.com/web:1.2"}
        context = self._container_context(settled=settled)
        self._set(container, "securityContext", context, _ABSENT, None, {})
        ports: list[dict[str, Any]] = []
        for _ in range(self._random.randrange(3)):
            port: dict[str, Any] = {"containerPort": 8080}
            self._set(port, "hostPort", _ABSENT, 0, 80, None)
            ports.append(port)
        self._set(container, "ports", ports or _ABSENT, None, [])
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            self._set(container, probe, _ABSENT, None, {}, self._action(), self._action())
        hooks = {hook: self._action() for hook in ("postStart", "preStop") if self._random.random() < 0.5}
        self._set(container, "lifecycle", _ABSENT, None, {}, {"preStop": None}, hooks, hooks)
        return container

    def _action(self) -> dict[str, Any]:
        kinds = [kind for kind in ("httpGet", "tcpSocket") if self._random.random() < 0.6]
        action: dict[str, Any] = {"exec": {"command": ["true"]}} if not kinds else {}
        for kind in kinds:
            host = self._random.choice((_ABSENT, "", None, "192.0.2.7", "localhost"))
            action[kind] = {"port": 80} if host is _ABSENT else {"port": 80, "host": host}
            if self._random.random() < 0.1:
                action[kind] = None
        return action

    def _volume(self) -> dict[str, Any]:
        volume: dict[str, Any] = {"name": "data"}
        usual = self._random.choice(("configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"))
        source = self._random.choice(_SOURCES) if self._deviates() else usual
        self._set(volume, source, {}, None)
        if self._deviates():
            self._set(volume, self._random.choice(_SOURCES), {}, None)
        return volume
