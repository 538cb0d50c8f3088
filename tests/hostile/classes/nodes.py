"""Root file systems of nodes for `host collect --root`, and the documents that a scan reads of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.hostile.member import Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, mutate
from tests.sources.host.nodes import AUDIT, ENCRYPTION, GROUPS, KUBECONFIG, OS_RELEASE, PROXY_CONFIG, USERS

_COLLECT: Final = ("host", "collect", "--root", "in", "--output", "report.json")
_KUBELET: Final[dict[str, Any]] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}},
    "readOnlyPort": 0,
    "staticPodURLHeader": {"Authorization": ["a"]},
}
_FLAGS: Final = {
    "kubelet": (
        "--config=/var/lib/kubelet/config.yaml --kubeconfig=/etc/kubernetes/kubelet.conf --config-dir=/etc/kubelet.d"
    ),
    "kube-apiserver": (
        "--encryption-provider-config=/etc/kubernetes/encryption.yaml --audit-policy-file=/etc/kubernetes/audit.yaml"
    ),
    "etcd": "--data-dir=/var/lib/etcd",
    "kube-proxy": "--config=/var/lib/kube-proxy/config.conf",
}


def _process(number: int, program: str, flags: str) -> dict[str, Content]:
    words = [f"/usr/bin/{program}", *flags.split()]
    return {
        f"proc/{number}/cmdline": "\0".join(words) + "\0",
        f"proc/{number}/comm": f"{program[:15]}\n",
        f"proc/{number}/status": f"Name:\t{program[:15]}\nPPid:\t1\nNSpid:\t{number}\n",
        f"proc/{number}/stat": f"{number} ({program[:15]}) S 1 {number} {number} 0 -1 {'0 ' * 9}20 0 1 0 100 0 0\n",
        f"proc/{number}/cgroup": "0::/system.slice/kubelet.service\n",
    }


_NODE: Final[dict[str, Content]] = {
    "etc/hostname": "node-1\n",
    "etc/passwd": USERS,
    "etc/group": GROUPS,
    "etc/os-release": OS_RELEASE,
    "proc/version": "Linux version 6.1",
    "proc/sys/kernel/panic": "10\n",
    "proc/1/net/tcp": "  sl  local_address rem_address   st\n   0: 00000000:2803 00000000:0000 0A 0\n",
    "proc/1/net/udp": "  sl\n",
    "sys/kernel/security/apparmor/profiles": "a (enforce)\n",
    "var/lib/kubelet/config.yaml": dump(_KUBELET),
    "etc/kubelet.d/10-a.conf": dump(_KUBELET),
    "etc/kubernetes/kubelet.conf": KUBECONFIG,
    "etc/kubernetes/pki/ca.crt": "a",
    "etc/kubernetes/pki/ca.key": "a",
    "etc/kubernetes/manifests/kube-apiserver.yaml": "a",
    "etc/kubernetes/encryption.yaml": ENCRYPTION,
    "etc/kubernetes/audit.yaml": AUDIT,
    "var/lib/kube-proxy/config.conf": PROXY_CONFIG,
    "var/lib/etcd/member/a": "a",
    "etc/cni/net.d/10-a.conflist": '{"plugins": [{"type": "calico"}, {"type": "portmap"}]}',
    "etc/systemd/system/kubelet.service": "[Service]\n",
    "etc/systemd/system/kubelet.service.d/10-a.conf": "[Service]\n",
    **{
        name: content
        for number, (program, flags) in enumerate(_FLAGS.items(), 100)
        for name, content in _process(number, program, flags).items()
    },
}
_READ: Final = tuple(name for name in _NODE if "/pki/" not in name and "etcd" not in name)


def _collect(name: str, changes: Mapping[str, Content | None], expected: Expected = Expected.EITHER) -> Member:
    files = {f"in/{path}": content for path, content in {**_NODE, **changes}.items() if content is not None}
    return Member(name, files, expected, _COLLECT)


@hostile_class("files of a node")
def files(source: random.Random) -> Iterator[Member]:
    """Pipes, links out of the root, devices, and files that are large, binary, damaged or missing."""
    yield _collect("valid", {}, Expected.READ)
    contents: tuple[Content, ...] = (
        Special.FIFO,
        Special.SOCKET,
        Special.FOLDER,
        Link("/etc/passwd"),
        Link("/dev/zero"),
        Link("../../../../../../../../secret"),
        Link("/proc/self/environ"),
        "",
        "[",
        b"\xff\xfe\x00" * 100,
        "\x1b[31m\u202e",
        b"x" * (2 << 20),
        "\n" * 300_000,
        "a: &a [*a]",
        "[" * 50_000,
        "a" * 10_000,
    )
    for path in _READ:
        for content in source.sample(contents, 5):
            yield _collect(f"{path} is {str(content)[:30]!r}", {path: content})
        text = _NODE[path]
        assert isinstance(text, str)
        for name, changed in damage(text.encode(), source, 2):
            yield _collect(f"{path}: {name}", {path: changed})
        yield _collect(f"{path} is missing", {path: None})
    for folder in (
        "etc",
        "proc",
        "etc/kubernetes",
        "etc/kubernetes/pki",
        "etc/cni/net.d",
        "etc/kubelet.d",
        "var/lib/etcd",
        "proc/100",
        "proc/1",
        "sys",
    ):
        without = dict.fromkeys(name for name in _NODE if name.startswith(f"{folder}/"))
        for content in (Special.FIFO, Link("."), Link("/"), Link("../../.."), Link("/proc/self"), "text"):
            yield _collect(f"folder {folder} is {str(content)[:30]!r}", {**without, folder: content})
    for number in range(4):
        chain: dict[str, Content] = {f"etc/l{step}": Link(f"l{step + 1}") for step in range(10 ** (number % 3 + 1))}
        yield _collect(f"chain of links {number}", {**chain, "etc/os-release": Link("l0")})
    deep = "/".join(["d" * 50] * 40)
    yield _collect("deep folders", {f"etc/cni/net.d/{deep}/a.conf": "{}", f"etc/kubernetes/pki/{deep}/a.key": "a"})
    yield _collect("many files", {f"etc/kubelet.d/{number}.conf": "a" for number in range(2_100)})
    for name, text in TEXTS.items():
        file = text.replace("/", "_").replace("\0", "")[:60]
        yield _collect(f"host name with {name}", {"etc/hostname": text.encode("utf-8", "surrogatepass")})
        yield _collect(
            f"name of a file with {name}", {f"etc/cni/net.d/{file}.conf": "{}", f"etc/kubelet.d/{file}.conf": "a: ["}
        )


@hostile_class("processes of a node")
def processes(source: random.Random) -> Iterator[Member]:
    """Command lines that name other files, and entries of /proc that are damaged, endless or no processes."""
    targets = (
        "/dev/zero",
        "/proc/self/environ",
        "../../../../secret",
        "/../../../../secret",
        "-",
        "",
        "relative",
        "/etc/passwd",
        "/" + "a/" * 3_000,
        "/\x1b[31m",
        "/etc/kubernetes/pki/ca.key",
    )
    for target in targets:
        for program, flag in (
            ("kubelet", "config"),
            ("kubelet", "config-dir"),
            ("kubelet", "kubeconfig"),
            ("kube-apiserver", "audit-policy-file"),
            ("kube-proxy", "config"),
            ("etcd", "data-dir"),
        ):
            yield _collect(f"--{flag}={target[:20]!r} of {program}", _process(200, program, f"--{flag}={target}"))
    for number in (
        "0",
        "-1",
        "99999999999999999999",
        "1" * 300 if len("1" * 300) < 256 else "1" * 200,
        "abc",
        "1e3",
        "\u0661",
        " 5",
    ):
        entries = {
            f"proc/{number}/{name.rpartition('/')[2]}": content for name, content in _process(5, "kubelet", "").items()
        }
        yield _collect(f"process {number[:20]!r}", entries)
    for file in ("cmdline", "status", "stat", "cgroup", "comm"):
        for content in (
            b"",
            b"\0" * 10_000,
            b"\xff" * 1_000,
            b"x" * (3 << 20),
            b"\x1b[31m\n",
            b"kubelet\n" * 10_000,
            Special.FIFO,
            Link("/dev/zero"),
            Special.FOLDER,
        ):
            yield _collect(f"{file} is {str(content)[:20]!r}", {f"proc/100/{file}": content})
    for name, text in TEXTS.items():
        flags = text.replace("\0", " ")[:20_000]
        yield _collect(f"name of a node with {name}", _process(100, "kubelet", f"--hostname-override={flags}"))
    many = {
        name: content for number in range(1_000, 3_000) for name, content in _process(number, "kubelet", "").items()
    }
    yield _collect("many kubelets", many)
    roots = {f"proc/{number}/root": Link(source.choice(targets) or "/") for number in range(100, 104)}
    yield _collect("roots of processes", {**roots, "proc/100/exe": Link("/dev/zero"), "proc/100/cwd": Link("/")})


@hostile_class("configurations of a node")
def configurations(source: random.Random) -> Iterator[Member]:
    """Configurations of the kubelet and of CNI in which one value is of another type."""
    network = {"name": "a", "plugins": [{"type": "calico", "ipam": {"type": "b"}}, {"type": "portmap"}]}
    for name, changed in mutate(_KUBELET, source, 30):
        yield _collect(
            f"kubelet: {name}", {"var/lib/kubelet/config.yaml": dump(changed).encode("utf-8", "surrogatepass")}
        )
        yield _collect(f"folder: {name}", {"etc/kubelet.d/10-a.conf": dump(changed).encode("utf-8", "surrogatepass")})
    for name, changed in mutate(network, source, 20):
        yield _collect(f"CNI: {name}", {"etc/cni/net.d/10-a.conflist": dump(changed).encode("utf-8", "surrogatepass")})
