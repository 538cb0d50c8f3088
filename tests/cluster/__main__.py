"""`scripts/cluster`: a control plane with example workloads for manual use. Never touches one that it has not started."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cluster import supervisor
from tests.cluster.client import Refused
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import KUBERNETES
from tests.cluster.layout import Layout
from tests.cluster.samples import SAMPLES, samples
from tests.oracles.program import NoGoError, find_cache_folder, lock_file

_ROOT = Path(__file__).parent.parent.parent
_HELP = f"""\
A real Kubernetes API server ({KUBERNETES}) with etcd on this machine, to scan and to try things on.

  scripts/cluster up        start it, with the workloads of examples/online-shop
  scripts/cluster status    say whether it runs, and where its kubeconfig is
  scripts/cluster down      end it and remove all it has written

`status` prints the line that makes kubectl find it; .venv/bin/kubectl is one.

The first start builds both programs with Go: some minutes, kept in the cache folder.

It listens on 127.0.0.1 only. There is no scheduler, no controller and no kubelet: workloads are stored, judged by
admission and never run. The metrics API is there and down, as in many a cluster.

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
            return _up(folder, options.port)
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
    return parser


def _up(folder: Path, port: int | None) -> int:
    print("starting; the first time this builds kube-apiserver and etcd, which takes minutes", file=sys.stderr)
    objects = list(samples())
    supervisor.start(folder, port)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(supervisor.stop, folder)
        Cluster.at(folder).apply(objects)
        cleanup.pop_all()
    print(f"{len(objects)} objects of {SAMPLES.relative_to(_ROOT)} applied", file=sys.stderr)
    return _status(folder)


def _down(folder: Path) -> int:
    layout = Layout(folder)
    if not layout.pid.exists():
        print(f"there is no cluster in {folder}")
        return 0
    with lock_file(layout.start_lock):
        print("ended" if supervisor.stop(folder) else "it did not run any more; what it had left is removed")
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
    print(f"export KUBECONFIG={shlex.quote(str(layout.kubeconfig))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
