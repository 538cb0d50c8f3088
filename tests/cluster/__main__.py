"""`scripts/cluster`: a control plane with example workloads for manual use. Never touches one that it has not started."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster import supervisor
from tests.cluster.builds import KUBERNETES
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster
from tests.cluster.layout import Layout
from tests.cluster.node import is_ready
from tests.cluster.samples import SAMPLES, samples
from tests.cluster.slots import clear_slots
from tests.oracles.program import NoGoError, find_cache_folder, lock_file

_ROOT = Path(__file__).parent.parent.parent
_HELP = f"""\
A real Kubernetes API server ({KUBERNETES}) with etcd on this machine, to scan and to try things on.

  scripts/cluster up           start it, with the workloads of examples/online-shop
  scripts/cluster up --node    start it with a node that runs pods, without workloads
  scripts/cluster status       say whether it runs, and where its kubeconfig is
  scripts/cluster down         end it and remove all it has written

`status` prints the line that makes kubectl find it; .venv/bin/kubectl is one.

The first start builds the programs with Go: some minutes, kept in the cache folder.

Without --node, it listens on 127.0.0.1 only. There is no scheduler, no controller and no kubelet: workloads are stored,
judged by admission and never run. The metrics API is there and down, as in many a cluster.

With --node, it is a whole cluster: controllers, scheduler, containerd, kubelet, kube-proxy, DNS, NetworkPolicies, and a
registry without TLS, whose address `status` prints: push images there, and scan them with --plain-http. It listens on an
address of its own, which is reachable from this machine and its pods. It needs root, Linux on x86-64 with control groups
of version 1, and a gigabyte of memory. It changes neither the mounts nor the settings of this machine, and adds one network
device and two routes.

The kubeconfig has a context for each of these users:
  admin             may do everything; the current one
  viewer            has the role `view`
  robot             the same, but is known by a token instead of a certificate
  all-but-secrets   may read everything but Secrets
  nobody            may do nothing
"""


def main(arguments: list[str]) -> int:
    """Run the command and return the exit code."""
    options = _parser().parse_args(arguments)
    folder: Path = options.dir.absolute()
    try:
        if options.command == "up":
            return _up(folder, options.port, has_node=options.node)
        return _down(folder) if options.command == "down" else _status(folder)
    except (RuntimeError, OSError, subprocess.SubprocessError, NoGoError, Refused) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/cluster", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{up,down,status}")
    for command in ("up", "down", "status"):
        subparser = commands.add_parser(command)
        subparser.add_argument(
            "--dir",
            type=Path,
            default=find_cache_folder() / "cluster",
            help="the folder of the cluster: keys, data, logs and kubeconfig (default: %(default)s)",
        )
        if command == "up":
            subparser.add_argument("--port", type=int, help="the port of the API server (default: any that is free)")
            subparser.add_argument("--node", action="store_true", help="also start a node, which runs pods; needs root")
    return parser


def _up(folder: Path, port: int | None, *, has_node: bool) -> int:
    start = time.monotonic()
    supervisor.start(folder, port, has_node=has_node)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(supervisor.stop, folder)
        if not has_node:
            objects = list(samples())
            Cluster.at(folder).apply(objects)
            print(f"{len(objects)} objects of {SAMPLES.relative_to(_ROOT)} applied", file=sys.stderr)
        cleanup.pop_all()
    print(f"ready after {time.monotonic() - start:.0f} s", file=sys.stderr)
    return _status(folder)


def _down(folder: Path) -> int:
    layout = Layout(folder)
    if not layout.pid.exists():
        print(f"there is no cluster in {folder}")
        return 0
    with lock_file(layout.start_lock):
        print("ended" if supervisor.stop(folder) else "it did not run any more; what it had left is removed")
        clear_slots()
        layout.remove()
    return 0


def _status(folder: Path) -> int:
    layout = Layout(folder)
    pid = supervisor.pid(folder)
    if pid is None or not layout.kubeconfig.exists():
        print(f"no cluster runs in {folder}")
        return 1
    cluster = Cluster.at(folder)
    print(f"Kubernetes {cluster.admin('GET', '/version')['gitVersion']} at {cluster.address}, process {pid}")
    if layout.registry_address.exists():
        print(
            f"the node is {'ready' if is_ready(cluster) else 'not ready'}; registry: {layout.registry_address.read_text()}"
        )
        print(f"run a command on the node: {shlex.quote(str(layout.enter_node))} COMMAND")
    print(f"export KUBECONFIG={shlex.quote(str(layout.kubeconfig))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
