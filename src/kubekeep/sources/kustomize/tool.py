"""Real kustomize: where it is, and one build with it, offline and within limits.

Never fetches: there is no git on its path, no protocol that git may use, no home folder and no way to a proxy that
answers. Never lets a kustomization run programs: exec and Go plugins and functions are not enabled.
"""

# Paths are text here, as the programs take them:
# ruff: noqa: PTH118, PTH103, PTH123

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from kubekeep.sources.kustomize.child import Cost, Outcome, run

GET_ONE: Final = (
    "kustomizations are built by real kustomize, and there is none: put kustomize or kubectl on the PATH, "
    "or install kubekeep[kustomize]"
)
_PROBE: Final = "buildMetadata: [originAnnotations]\nresources: [probe.yaml]\n"
_PROBE_OBJECT: Final = "{apiVersion: v1, kind: ConfigMap, metadata: {name: probe}}\n"
_PROBE_ANSWER: Final = b"path: probe.yaml"
_NOWHERE: Final = "http://127.0.0.1:0"


class Tool(msgspec.Struct, frozen=True):
    """A kustomize that was found to work: the first words of its command line, and the helm it may use or none."""

    command: tuple[str, ...]
    helm: str = ""

    def build(self, folder: str, cost: Cost) -> Outcome:
        """Build the kustomization in `folder`; with `helm`, charts that lie beside it are inflated."""
        helm = ("--enable-helm", "--helm-command", self.helm) if self.helm else ()
        with tempfile.TemporaryDirectory(prefix="kubekeep-") as private:
            # Not in the folder: a program looks for its own configuration where it stands.
            return run((*self.command, *helm, folder), environment=_environment(private), folder=private, cost=cost)


def find(*, allow_helm: bool) -> Tool | None:
    """The first kustomize that can build, newer than 2021; None if there is none."""
    helm = (shutil.which("helm") or "") if allow_helm else ""
    for command in _candidates():
        for prefix in dict.fromkeys((_alone(), ())):
            if _works(Tool((*prefix, *command))):
                return Tool((*prefix, *command), os.path.abspath(helm) if helm else "")  # noqa: PTH100
    return None


def _alone() -> tuple[str, ...]:
    """What starts a program in a network of its own, where the system allows it; else the environment must do.

    Root is not made another user by that: it would lose sight of what only root may read.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    return (unshare, "--net", "--") if os.geteuid() == 0 else (unshare, "--user", "--net", "--")


def _candidates() -> Iterator[tuple[str, ...]]:
    kustomize, kubectl = shutil.which("kustomize"), shutil.which("kubectl")
    if kustomize:
        yield os.path.abspath(kustomize), "build"  # noqa: PTH100
    if kubectl:
        yield os.path.abspath(kubectl), "kustomize"  # noqa: PTH100
    # Installed beside this Python, whose environment need not be active.
    packaged = shutil.which("kubectl", path=sysconfig.get_path("scripts"))
    if packaged and packaged != kubectl:
        yield packaged, "kustomize"


@lru_cache(maxsize=16)
def _works(tool: Tool) -> bool:
    """Whether it builds a kustomization that needs what kustomize can since version 4.3."""
    with tempfile.TemporaryDirectory(prefix="kubekeep-") as folder:
        for name, text in (("kustomization.yaml", _PROBE), ("probe.yaml", _PROBE_OBJECT)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        try:
            outcome = tool.build(folder, Cost())
        except OSError:
            return False
    return outcome.code == 0 and _PROBE_ANSWER in outcome.output


def _environment(private: str) -> dict[str, str]:
    homes = {name: os.path.join(private, "home") for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "TMPDIR")}
    os.makedirs(homes["HOME"])
    return {
        **homes,
        "PATH": os.path.join(private, "no-programs"),
        "KUBECONFIG": os.devnull,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "ALL_PROXY": _NOWHERE,
        "NO_PROXY": "",
        "GOMAXPROCS": "2",
    }
