"""Root folders of nodes: files as distributions install them, and real processes.

The command lines are those of kubeadm 1.34, K3s and RKE2 1.34, and of the images of EKS, AKS and GKE, shortened.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

KUBELET = "/usr/bin/kubelet"
USERS = "root:x:0:0:root:/root:/bin/bash\netcd:x:900:900::/nonexistent:/sbin/nologin\n"
GROUPS = "root:x:0:\netcd:x:900:\n"
OS_RELEASE = 'ID=debian\nVERSION_ID="13"\n'
KUBELET_CONFIG = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
readOnlyPort: 0
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
staticPodURL: https://pods.example.com/pods?never-to-be-seen
staticPodURLHeader:
  Authorization: [Bearer never-to-be-seen]
"""
ENCRYPTION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aescbc:
          keys:
            - name: key1
              secret: bmV2ZXItdG8tYmUtc2VlbiBuZXZlci10by1iZS1zZWVu
      - identity: {}
"""
AUDIT = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n  - level: Metadata\n"
PROXY_CONFIG = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection:
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
metricsBindAddress: 0.0.0.0:10249
"""
HIDDEN = "never-to-be-seen"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{HIDDEN}\n-----END RSA PRIVATE KEY-----\n"
KUBECONFIG = f"apiVersion: v1\nkind: Config\nusers: [{{name: me, user: {{token: {HIDDEN}}}}}]\n"
PROGRAMS: Mapping[str, Sequence[str]] = {
    KUBELET: [
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
        "--pod-infra-container-image=registry.k8s.io/pause:3.10.1",
    ],
    "kube-apiserver": [
        "--advertise-address=10.0.0.1",
        "--allow-privileged=true",
        "--anonymous-auth=true",
        "--authorization-mode=Node,RBAC",
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--enable-admission-plugins=NodeRestriction",
        "--encryption-provider-config=/etc/kubernetes/encryption.yaml",
        "--audit-policy-file=/etc/kubernetes/audit.yaml",
        "--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
        "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "--oidc-token",
        HIDDEN,
    ],
    "kube-controller-manager": [
        "--bind-address=127.0.0.1",
        "--kubeconfig=/etc/kubernetes/controller-manager.conf",
        "--root-ca-file=/etc/kubernetes/pki/ca.crt",
        "--service-account-private-key-file=/etc/kubernetes/pki/sa.key",
        "--use-service-account-credentials=true",
    ],
    "kube-scheduler": ["--bind-address=127.0.0.1", "--kubeconfig=/etc/kubernetes/scheduler.conf"],
    "etcd": ["--data-dir=/var/lib/etcd", "--cert-file=/etc/kubernetes/pki/etcd/server.crt"],
    "/usr/local/bin/kube-proxy": ["--config=/var/lib/kube-proxy/config.conf", "--hostname-override=node-1"],
}
"""Programs on a control plane node of kubeadm, with files added by its administrator."""


K3S = "/var/lib/rancher/k3s"
K3S_PROGRAMS: Mapping[str, Sequence[str]] = {
    "kube-apiserver": [
        "--advertise-port=6443",
        "--allow-privileged=true",
        "--anonymous-auth=false",
        "--audit-policy-file=/etc/kubernetes/audit.yaml",
        "--authorization-mode=Node,RBAC",
        "--bind-address=127.0.0.1",
        f"--client-ca-file={K3S}/server/tls/client-ca.crt",
        "--enable-admission-plugins=NodeRestriction",
        "--etcd-servers=unix://kine.sock",
        f"--kubelet-certificate-authority={K3S}/server/tls/server-ca.crt",
        "--profiling=false",
        "--secure-port=6444",
        f"--tls-private-key-file={K3S}/server/tls/serving-kube-apiserver.key",
        f"--oidc-token={HIDDEN}",
    ],
    "kube-scheduler": [
        "--bind-address=127.0.0.1",
        f"--kubeconfig={K3S}/server/cred/scheduler.kubeconfig",
        "--profiling=false",
    ],
    "kube-controller-manager": [
        "--bind-address=127.0.0.1",
        "--controllers=*,tokencleaner",
        f"--kubeconfig={K3S}/server/cred/controller.kubeconfig",
        "--use-service-account-credentials=true",
    ],
    "kubelet": [
        f"--config-dir={K3S}/agent/etc/kubelet.conf.d",
        "--hostname-override=server-1",
        f"--kubeconfig={K3S}/agent/kubelet.kubeconfig",
        "--read-only-port=0",
    ],
    "kube-proxy": ["--hostname-override=server-1", f"--kubeconfig={K3S}/agent/kubeproxy.kubeconfig"],
}
"""Programs in the log of a K3s server, in order."""


def write_file(root: Path, path: str, text: str, mode: int = 0o600) -> Path:
    """Write a file below a root."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def write_system(root: Path) -> None:
    """Write the files of any Linux system."""
    write_file(root, "/etc/passwd", USERS, 0o644)
    write_file(root, "/etc/group", GROUPS, 0o644)
    write_file(root, "/etc/hostname", "Node-1\n", 0o644)
    write_file(root, "/usr/lib/os-release", OS_RELEASE, 0o644)
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    write_file(root, "/proc/version", Path("/proc/version").read_text(encoding="utf-8"), 0o444)
    write_file(root, "/proc/sys/user/max_user_namespaces", "0\n", 0o644)
    write_file(root, "/proc/sys/kernel/hostname", "another\n", 0o644)
    write_file(root, "/sys/fs/selinux/enforce", "1", 0o644)
    write_file(root, "/sys/kernel/security/apparmor/profiles", "docker-default (enforce)\n", 0o444)


def write_unit(root: Path, name: str, folder: str = "/usr/lib/systemd/system") -> None:
    """Write a systemd unit."""
    write_file(root, f"{folder}/{name}.service", "[Service]\nExecStart=/usr/bin/kubelet\n", 0o644)


def write_kubeadm(root: Path) -> None:
    """Write the files of a control plane node."""
    write_system(root)
    write_unit(root, "kubelet")
    write_file(root, "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", "[Service]\n", 0o644)
    write_file(root, "/var/lib/kubelet/config.yaml", KUBELET_CONFIG, 0o644)
    for name in ("kubelet", "admin", "scheduler", "controller-manager"):
        write_file(root, f"/etc/kubernetes/{name}.conf", KUBECONFIG)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
        write_file(root, f"/etc/kubernetes/manifests/{name}.yaml", "apiVersion: v1\nkind: Pod\n")
    for name in ("ca", "apiserver", "etcd/ca", "etcd/server"):
        write_file(root, f"/etc/kubernetes/pki/{name}.crt", "-----BEGIN CERTIFICATE-----\n", 0o644)
        write_file(root, f"/etc/kubernetes/pki/{name}.key", KEY)
    write_file(root, "/etc/kubernetes/pki/sa.key", KEY, 0o644)
    write_file(root, "/etc/kubernetes/encryption.yaml", ENCRYPTION)
    write_file(root, "/etc/kubernetes/audit.yaml", AUDIT)
    write_file(root, "/var/lib/kube-proxy/config.conf", PROXY_CONFIG, 0o644)
    write_file(root, "/var/lib/kube-proxy/kubeconfig.conf", KUBECONFIG, 0o644)
    (root / "var/lib/etcd").mkdir(mode=0o700)
    write_flannel(root, "/etc/cni/net.d/10-flannel.conflist")


def write_flannel(root: Path, path: str) -> None:
    """Write the configuration of a network plugin with a chained one."""
    write_file(root, path, json.dumps({"name": "cbr0", "plugins": [{"type": "flannel"}, {"type": "portmap"}]}), 0o644)


def write_rancher(root: Path, name: str) -> None:
    """Write the files of a K3s or RKE2 server."""
    write_system(root)
    home = f"/var/lib/rancher/{name}"
    for kubeconfig in ("admin", "scheduler", "controller"):
        write_file(root, f"{home}/server/cred/{kubeconfig}.kubeconfig", KUBECONFIG)
    for kubeconfig in ("kubelet", "kubeproxy"):
        write_file(root, f"{home}/agent/{kubeconfig}.kubeconfig", KUBECONFIG)
    write_file(root, f"{home}/agent/client-ca.crt", "-----BEGIN CERTIFICATE-----\n", 0o644)
    write_file(root, f"{home}/server/tls/server-ca.crt", "-----BEGIN CERTIFICATE-----\n", 0o644)
    write_file(root, f"{home}/server/tls/server-ca.key", KEY)
    write_file(root, f"{home}/server/token", HIDDEN)
    (root / home.lstrip("/") / "server/db/etcd").mkdir(parents=True, mode=0o700)


def k3s_log(programs: Mapping[str, Sequence[str]], moment: dt.datetime | None = None) -> list[str]:
    """Return the lines that K3s logs at start, with their time."""
    time = (moment or dt.datetime.now(dt.UTC)).isoformat(timespec="seconds").replace("+00:00", "Z")
    messages = ["Starting k3s v1.34.1+k3s1 (24fc436e)"]
    messages += [" ".join(("Running", name, *flags)) for name, flags in programs.items()]
    return [f'time="{time}" level=info msg={json.dumps(text)}' for text in messages]


@contextlib.contextmanager
def run_titled(title: str, lines: Iterable[str], stderr: int) -> Iterator[int]:
    """Run a process with a title as its command line, which writes `lines` to `stderr`; provides its PID."""
    with subprocess.Popen([title], executable="/bin/sh", stdin=subprocess.PIPE, stderr=stderr, text=True) as process:
        assert process.stdin is not None
        script = "".join(f"printf '%s\\n' {shlex.quote(line)} >&2\n" for line in lines)
        process.stdin.write(f"{script}exec 3>&1\n")
        process.stdin.flush()
        # The last action shows that all lines were written.
        while not Path(f"/proc/{process.pid}/fd/3").exists():
            time.sleep(0.001)
        yield process.pid


@contextlib.contextmanager
def run_programs(programs: Mapping[str, Sequence[str]]) -> Iterator[list[int]]:
    """Run processes with these command lines: shells that wait for input; provides their PIDs."""
    started = [
        subprocess.Popen([name, "-s", "--", *flags], executable="/bin/sh", stdin=subprocess.PIPE)
        for name, flags in programs.items()
    ]
    try:
        for process in started:
            # The command line is set last, after its parent continues.
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
                time.sleep(0.001)
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.communicate()


def write_kernel_data(root: Path, pids: Sequence[int]) -> None:
    """Write the kernel data of processes below a root, and that of PID 1."""
    for pid in (1, *pids):
        (root / f"proc/{pid}/ns").mkdir(parents=True)
        for name in ("cmdline", "stat", "status"):
            shutil.copyfile(f"/proc/{pid}/{name}", root / f"proc/{pid}/{name}")
        # Access is denied for processes of other users.
        with contextlib.suppress(PermissionError):
            (root / f"proc/{pid}/ns/net").symlink_to(Path(f"/proc/{pid}/ns/net").readlink())
    for name in ("stat", "sys/kernel/random/boot_id"):
        write_file(root, f"/proc/{name}", Path(f"/proc/{name}").read_text(encoding="utf-8"), 0o444)
    for pid in pids:
        open_files(root, pid)
    (root / "proc/1/net").mkdir()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        if Path(f"/proc/self/net/{name}").exists():
            shutil.copyfile(f"/proc/self/net/{name}", root / f"proc/1/net/{name}")


def open_files(root: Path, pid: int) -> None:
    """Write the open files of a process below a root, with targets as its own system shows them."""
    folder = root / f"proc/{pid}/fd"
    folder.mkdir()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = link.readlink()
        except FileNotFoundError:
            # A shell briefly opens files during redirection.
            continue
        (folder / link.name).symlink_to("/" / target.relative_to(root) if target.is_relative_to(root) else target)
