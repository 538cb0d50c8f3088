"""Paths of a control plane below its folder, and ownership of that folder. Never reads the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from tests.cluster.authority import Authority, Pair


class Layout(msgspec.Struct, frozen=True):
    """Paths of a control plane in the folder `folder`.

    Its files are in `run`, which is deleted when it ends; beside it are the kubeconfig for users, and the lock files of
    its users.
    """

    folder: Path

    def claim(self) -> None:
        """Create the folder if necessary. Raises FileExistsError if it contains unrelated files."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known_files = {self.run, self.kubeconfig, self.pid, self.start_lock, self.users, self.supervisor_log}
        if foreign := next((file for file in self.folder.iterdir() if file not in known_files), None):
            raise FileExistsError(f"{self.folder} is no folder for a cluster: it holds {foreign.name}")
        for file in (self.pid, self.start_lock, self.users, self.supervisor_log):
            file.touch(mode=0o600)

    def clear(self) -> None:
        """Delete the files of a control plane."""
        self.kubeconfig.unlink(missing_ok=True)
        shutil.rmtree(self.run, ignore_errors=True)

    def remove(self) -> None:
        """Delete all that `claim` created and a control plane has written, and the folder if it is empty then."""
        self.clear()
        for file in (self.pid, self.start_lock, self.users, self.supervisor_log):
            file.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def pki(self) -> Path:
        return self.run / "pki"

    @property
    def kubeconfigs(self) -> Path:
        """Kubeconfigs of users created by tests."""
        return self.run / "kubeconfigs"

    @property
    def tokens(self) -> Path:
        """Static tokens: token, user, uid, groups."""
        return self.run / "tokens.csv"

    @property
    def storage_address(self) -> Path:
        """URL of etcd."""
        return self.run / "etcd.url"

    @property
    def node(self) -> Path:
        """Files of the node; the folder exists if there is one."""
        return self.run / "node"

    @property
    def registry_address(self) -> Path:
        """Host and port of the registry of the node."""
        return self.node / "registry"

    @property
    def enter_node(self) -> Path:
        """Script that runs a command on the node."""
        return self.node / "enter"

    @property
    def kubeconfig(self) -> Path:
        """Exists while the control plane is ready."""
        return self.folder / "kubeconfig"

    @property
    def pid(self) -> Path:
        """PID of the supervisor, which locks the file."""
        return self.folder / "pid"

    @property
    def start_lock(self) -> Path:
        """Lock for starting and ending a control plane."""
        return self.folder / "door.lock"

    @property
    def users(self) -> Path:
        """Shared lock of all users of a control plane that ends with them."""
        return self.folder / "users.lock"

    @property
    def supervisor_log(self) -> Path:
        return self.folder / "supervisor.log"

    @property
    def programs(self) -> Path:
        return self.run / "bin"

    def program(self, name: str) -> Path:
        """Link to a program, as one file is several of them by its name."""
        return self.programs / name

    def log(self, program: str) -> Path:
        return self.run / "log" / f"{program}.log"

    @property
    def clients(self) -> Authority:
        """CA of users and of the API server."""
        return Authority(self.pki, "cluster")

    @property
    def storage(self) -> Authority:
        """CA of etcd and its only client: access to etcd bypasses RBAC."""
        return Authority(self.pki, "storage")

    @property
    def kubelets(self) -> Authority:
        """CA of kubelets, and of the API server as their client."""
        return Authority(self.pki, "kubelets")

    @property
    def front_proxy(self) -> Authority:
        """CA of the API server as client of extension API servers."""
        return Authority(self.pki, "front-proxy")

    def pair(self, name: str) -> Pair:
        return Pair(self.pki / f"{name}.crt", self.pki / f"{name}.key")
