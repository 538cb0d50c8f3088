"""etcd and kube-apiserver as child processes, from keys to readiness. They never outlive this process.

They listen on the loopback address only, or on an address that is reachable from this machine and its node.
"""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence

from tests import ports
from tests.cluster.authority import write_private, write_signing_keys
from tests.cluster.builds import build_control_plane
from tests.cluster.client import Client, Refused
from tests.cluster.layout import Layout
from tests.cluster.network import LOCAL, LOOPBACK, Network

_SECONDS = 120
_KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class EndedError(RuntimeError):
    """A program ended unexpectedly; the message has the end of its log."""

    def __init__(self, layout: Layout, program: str) -> None:
        super().__init__(format_log_end(layout, program))
        self.program = program


class ControlPlane:
    """A control plane: the address of its API server, and its programs, with those of its node if it has one."""

    def __init__(self, layout: Layout, address: str, commands: Mapping[str, Sequence[str]]) -> None:
        self.address = address
        self._layout = layout
        self._commands = dict(commands)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def add(self, name: str, command: Sequence[str]) -> None:
        """Add a program and start it."""
        self._commands[name] = command
        self.start(name)

    def start(self, name: str) -> None:
        """Start one of its programs, with the same arguments as before."""
        self._children[name] = start_program(self._layout, name, self._commands[name])

    def halt(self, name: str) -> None:
        """Stop one of its programs, which may be started again."""
        child = self._children.pop(name)
        child.kill()
        child.wait()

    def end(self) -> None:
        """Stop all programs."""
        for child in self._children.values():
            child.kill()
        for name in [*self._children]:
            self.halt(name)

    def find_ended_program(self) -> str | None:
        """Return the name of a program that ended unexpectedly, if any."""
        return next((name for name, child in self._children.items() if child.poll() is not None), None)


@contextlib.contextmanager
def run_control_plane(
    layout: Layout, port: int | None, tokens: str, network: Network = LOCAL
) -> Iterator[ControlPlane]:
    """Run a control plane in the folder of `layout` and provide it when it is ready.

    `port` is the port of the API server, by default any free one; `tokens` is the content of the static token file.
    Raises RuntimeError with the end of a log if a program fails to start.
    """
    programs = build_control_plane()
    for folder in (layout.pki, layout.kubeconfigs, layout.programs, layout.run / "log"):
        folder.mkdir(parents=True, exist_ok=True)
    layout.program("etcd").symlink_to(programs.etcd)
    for name in _KUBERNETES_PROGRAMS:
        layout.program(name).symlink_to(programs.kubernetes)
    _write_keys(layout, network)
    write_private(layout.tokens, tokens.encode())
    control_plane = _start_on_free_ports(layout, network, port)
    try:
        yield control_plane
    finally:
        control_plane.end()


def _start_on_free_ports(layout: Layout, network: Network, port: int | None) -> ControlPlane:
    """Start both programs on free ports; retries, as another process may take such a port meanwhile."""

    def start(free_port: int) -> ControlPlane:
        shutil.rmtree(layout.run / "etcd", ignore_errors=True)
        try:
            return _start_programs(layout, network, port or free_port, ports.select_port())
        except EndedError as error:
            if error.program == "etcd" or port is None:
                ports.check_port(str(error))
            raise

    return ports.start_on_free_port(start, network.host)


def _start_programs(layout: Layout, network: Network, port: int, storage_port: int) -> ControlPlane:
    write_private(layout.storage_address, f"https://{LOOPBACK}:{storage_port}".encode())
    commands = {
        "etcd": [str(layout.program("etcd")), *_etcd_flags(layout, storage_port)],
        "kube-apiserver": [
            str(layout.program("kube-apiserver")),
            *_kube_apiserver_flags(layout, network, storage_port, port),
        ],
    }
    control_plane = ControlPlane(layout, f"https://{network.host}:{port}", commands)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(control_plane.end)
        for name in commands:
            control_plane.start(name)
        _wait_until_ready(layout, control_plane)
        cleanup.pop_all()
    return control_plane


def is_listening(address: str) -> bool:
    """Return True if something accepts connections at the host and port of a URL."""
    url = urllib.parse.urlsplit(address)
    try:
        socket.create_connection((url.hostname, url.port), timeout=60).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        # It closed its socket between the request and the answer.
        return True
    return True


def format_log_end(layout: Layout, program: str, lines: int = 20) -> str:
    """Return the last lines of a program's log for a message."""
    log = layout.log(program)
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join([f"{program} has ended; the end of {log}:", *text.splitlines()[-lines:]])


def _write_keys(layout: Layout, network: Network) -> None:
    for authority in (layout.clients, layout.storage, layout.kubelets, layout.front_proxy):
        authority.create()
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    layout.clients.issue("kube-apiserver", hosts=["localhost", *names, network.host, network.api_service])
    layout.clients.issue("admin", groups=["system:masters"])
    layout.storage.issue("etcd", hosts=["localhost", LOOPBACK])
    layout.storage.issue("kube-apiserver-etcd-client")
    layout.kubelets.issue("kube-apiserver-kubelet-client")
    layout.front_proxy.issue("front-proxy-client")
    write_signing_keys(layout.pki / "service-accounts.key", layout.pki / "service-accounts.pub")


def _etcd_flags(layout: Layout, port: int) -> list[str]:
    address, pair, authority = f"https://{LOOPBACK}:{port}", layout.pair("etcd"), layout.storage.pair.certificate
    return [
        f"--data-dir={layout.run / 'etcd'}",
        f"--listen-client-urls={address}",
        f"--advertise-client-urls={address}",
        f"--listen-peer-urls=https://{LOOPBACK}:0",  # it has no peers
        "--client-cert-auth",
        f"--trusted-ca-file={authority}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={authority}",
        f"--peer-cert-file={pair.certificate}",
        f"--peer-key-file={pair.key}",
        "--unsafe-no-fsync",  # nothing in it is to outlive the machine
        "--log-level=warn",
    ]


def _kube_apiserver_flags(layout: Layout, network: Network, storage_port: int, port: int) -> list[str]:
    server, etcd, kubelet, front_proxy = (
        layout.pair(name)
        for name in (
            "kube-apiserver",
            "kube-apiserver-etcd-client",
            "kube-apiserver-kubelet-client",
            "front-proxy-client",
        )
    )
    return [
        f"--bind-address={network.host}",
        f"--secure-port={port}",
        f"--advertise-address={network.host}",
        # An Endpoints object may not name the loopback address.
        *(["--endpoint-reconciler-type=none"] if network.host == LOOPBACK else []),
        f"--tls-cert-file={server.certificate}",
        f"--tls-private-key-file={server.key}",
        f"--client-ca-file={layout.clients.pair.certificate}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--etcd-servers=https://{LOOPBACK}:{storage_port}",
        f"--etcd-cafile={layout.storage.pair.certificate}",
        f"--etcd-certfile={etcd.certificate}",
        f"--etcd-keyfile={etcd.key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={layout.pki / 'service-accounts.key'}",
        f"--service-cluster-ip-range={network.services}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={layout.kubelets.pair.certificate}",
        f"--kubelet-client-certificate={kubelet.certificate}",
        f"--kubelet-client-key={kubelet.key}",
        f"--requestheader-client-ca-file={layout.front_proxy.pair.certificate}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={front_proxy.certificate}",
        f"--proxy-client-key-file={front_proxy.key}",
        "--profiling=false",
        # Compaction in etcd takes effect at once; image volumes are on by default in later versions.
        "--feature-gates=ListFromCacheSnapshot=false,ImageVolume=true",
    ]


def start_program(layout: Layout, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program with a log, as a child that ends with this process."""
    with layout.log(name).open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=layout.run,
            env={"PATH": _PATH},  # a proxy of the user is not for these
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Safe, as this process has one thread; the only way to end the children after SIGKILL.
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _die_with_parent() -> None:
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _wait_until_ready(layout: Layout, control_plane: ControlPlane) -> None:
    admin = Client(control_plane.address, layout.clients.pair.certificate, layout.pair("admin"))
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if program := control_plane.find_ended_program():
            raise EndedError(layout, program)
        with contextlib.suppress(OSError, Refused):
            admin.text("GET", "/readyz")
            return
        time.sleep(0.1)
    raise RuntimeError(f"kube-apiserver is not ready after {_SECONDS} s; see {layout.log('kube-apiserver')}")
