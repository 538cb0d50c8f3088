"""Where the things of a control plane are below its folder, and whether that folder is one's own. Never reads them."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from tests.cluster.authority import Authority, Pair


class Layout(msgspec.Struct, frozen=True):
    """The paths of a control plane whose folder is `folder`.

    What it writes is in `run`, which goes when it ends; beside it are the kubeconfig of people, and what those that
    start, use and end a control plane meet at.
    """

    folder: Path

    def claim(self) -> None:
        """Make the folder if need be. Raises FileExistsError if it holds things that are not a control plane's."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = {self.run, self.kubeconfig, self.pid, self.door, self.users, self.supervisor_log}
        if foreign := next((file for file in self.folder.iterdir() if file not in ours), None):
            raise FileExistsError(f"{self.folder} is no folder for a cluster: it holds {foreign.name}")
        for file in (self.pid, self.door, self.users, self.supervisor_log):
            file.touch(mode=0o600)

    def clear(self) -> None:
        """Remove what a control plane has written."""
        self.kubeconfig.unlink(missing_ok=True)
        shutil.rmtree(self.run, ignore_errors=True)

    def remove(self) -> None:
        """Remove all that `claim` has made and a control plane has written, and the folder if that leaves it empty."""
        self.clear()
        for file in (self.pid, self.door, self.users, self.supervisor_log):
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
        """Those of users that tests make."""
        return self.run / "kubeconfigs"

    @property
    def tokens(self) -> Path:
        """Static tokens: token, user, uid, groups."""
        return self.run / "tokens.csv"

    @property
    def storage_address(self) -> Path:
        """Holds etcd's URL."""
        return self.run / "etcd.url"

    @property
    def kubeconfig(self) -> Path:
        """Is there as long as the control plane is ready."""
        return self.folder / "kubeconfig"

    @property
    def pid(self) -> Path:
        """Of the supervisor, who locks it."""
        return self.folder / "pid"

    @property
    def door(self) -> Path:
        """Locked by who starts a control plane, and by one that ends."""
        return self.folder / "door.lock"

    @property
    def users(self) -> Path:
        """Locked, shared, by each who uses a control plane that ends with its users."""
        return self.folder / "users.lock"

    @property
    def supervisor_log(self) -> Path:
        return self.folder / "supervisor.log"

    def log(self, program: str) -> Path:
        return self.run / "log" / f"{program}.log"

    @property
    def clients(self) -> Authority:
        """Vouches for users and for the API server."""
        return Authority(self.pki, "cluster")

    @property
    def storage(self) -> Authority:
        """Vouches for etcd and its one client: who reaches etcd is above RBAC."""
        return Authority(self.pki, "storage")

    @property
    def kubelets(self) -> Authority:
        """Vouches for kubelets, and for the API server when it calls them."""
        return Authority(self.pki, "kubelets")

    @property
    def front_proxy(self) -> Authority:
        """Vouches for the API server when it calls extension API servers."""
        return Authority(self.pki, "front-proxy")

    def pair(self, name: str) -> Pair:
        return Pair(self.pki / f"{name}.crt", self.pki / f"{name}.key")
