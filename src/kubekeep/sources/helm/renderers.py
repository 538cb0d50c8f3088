"""The two ways to Helm: the program `helm`, and the Helm SDK in a child of ours. Both render one packed chart.

Neither gets a path, a variable or a network of the user's. Never renders by any other means.
"""

# ruff: noqa: PTH118, PTH120 - paths stay the text that people typed

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from kubekeep.model.resource import DEFAULT_NAMESPACE
from kubekeep.sources.helm import child
from kubekeep.sources.helm.limits import ChartLimits
from kubekeep.sources.helm.process import Child, EndedError
from kubekeep.sources.helm.release import Job

EXTRA: Final = "helm-python-sdk"
_PACKAGE: Final = "helm_python"
_VERSION: Final = re.compile(r"v?[34]\.\d+")
_SOURCE: Final = re.compile(r"^---\n# Source: (.*)\n", re.MULTILINE)
_SEPARATOR: Final = re.compile(r"(?:\A|\s*\n)---\s*")
_NOTES: Final = "NOTES.txt"
_CLOSED: Final = "no more charts are rendered"
_LINE_END: Final = "\n"
_LENGTH: Final = 8
_SHARED_SECONDS: Final = 3600
NO_YAML: Final = "YAML parse error on "
"""What Helm says, before the name of a template, when it prints something else than YAML."""
_HINT: Final = "Use --debug flag to render out invalid YAML"


class RenderError(Exception):
    """A chart that Helm does not render, in Helm's words.

    `printed` has what the templates printed, by Helm's names of them, if all that is wrong is that it is no YAML.
    """

    def __init__(self, message: str, printed: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.printed = printed or {}


class Renderer(Protocol):
    """What renders charts. Safe to use from several threads."""

    def render(self, job: Job, names: Iterable[str]) -> dict[str, list[str]]:
        """The documents that each template prints, by Helm's name of it, among `names`.

        Raises RenderError, LimitError for a chart beyond a limit, and OSError.
        """

    def close(self) -> None:
        """End what still runs."""


def environment(home: str) -> dict[str, str]:
    """All that a renderer learns of the machine: folders in a private one."""
    folders = {f"HELM_{name}": home for name in ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME")}
    nothing = dict.fromkeys(("KUBECONFIG", "HELM_REGISTRY_CONFIG", "HELM_REPOSITORY_CONFIG"), os.devnull)
    private = dict.fromkeys(("HOME", "TMPDIR", "HELM_REPOSITORY_CACHE"), home)
    plugins = {"HELM_NO_PLUGINS": "1", "HELM_PLUGINS": os.path.join(home, "plugins")}
    return {"PATH": os.defpath, "LANG": "C.UTF-8"} | folders | nothing | private | plugins


class Program:
    """The program `helm`, version 3 or 4: one process a chart."""

    def __init__(self, path: str, home: str, limits: ChartLimits) -> None:
        self._path = path
        self._environment = environment(home)
        self._limits = limits
        self._children: set[Child] = set()
        self._closed = False

    @property
    def fault(self) -> str:
        """Why this program is no Helm that works; empty if it is."""
        home = self._environment["HOME"]
        status, text, errors = self._output((self._path, "version", "--short"), home)
        if status == 0 and _VERSION.match(text.strip()):
            return ""
        return (errors.strip() or f"it says {text.strip()!r}").splitlines()[0][:200]

    def render(self, job: Job, names: Iterable[str]) -> dict[str, list[str]]:
        """See Renderer."""
        argv = (self._path, "template", *_flags(job), "--", job.options.release, f"./{job.chart}")
        status, text, errors = self._output(argv, job.folder)
        if status == 0:
            return printed(text, names)
        message = _message(errors)
        if NO_YAML not in message:
            raise RenderError(message)
        argv = (*argv[:2], "--debug", *argv[2:])
        _, text, _ = self._output(argv, job.folder)
        raise RenderError(
            message, {name: documents("\n---\n".join(texts)) for name, texts in printed(text, names).items()}
        )

    def close(self) -> None:
        """See Renderer."""
        self._closed = True
        for running in list(self._children):
            running.kill()

    def _output(self, argv: Sequence[str], folder: str) -> tuple[int, str, str]:
        """The status, standard output and standard error of a run."""
        with Child(argv, folder, self._environment, self._limits, self._limits.seconds) as running:
            self._children.add(running)
            try:
                if self._closed:
                    raise RenderError(_CLOSED)
                running.end_input()
                text = running.receive(None).decode("utf-8", "replace")
                return running.status(), text, running.errors
            finally:
                self._children.discard(running)


def _flags(job: Job) -> Sequence[str]:
    flags = [f"--namespace={job.options.namespace or DEFAULT_NAMESPACE}"]
    flags += (f"--values={name}" for name in job.given.files)
    flags += (f"{option}={text}" for option, text in job.given.assignments)
    if job.options.kube_version:
        flags.append(f"--kube-version={job.options.kube_version}")
    flags += (f"--api-versions={name}" for name in job.options.api_versions)
    return flags


def _message(errors: str) -> str:
    """What Helm says after its warnings; the first it says if it breaks down."""
    _, mark, message = f"\n{errors}".rpartition("\nError: ")
    if not mark:
        return f"helm ended: {errors.strip().partition(_LINE_END)[0]}"
    return message.replace(_HINT, "").strip()


class Sdk:
    """The Helm SDK in a child that renders one chart after the other, and is started anew when one kills it."""

    def __init__(self, home: str, limits: ChartLimits) -> None:
        self._home = home
        self._limits = limits
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._closed = False

    @staticmethod
    def folder() -> str | None:
        """Where the SDK is installed; None if it is not."""
        found = importlib.util.find_spec(_PACKAGE)
        return None if found is None or found.origin is None else os.path.dirname(os.path.dirname(found.origin))

    def render(self, job: Job, names: Iterable[str]) -> dict[str, list[str]]:
        """See Renderer."""
        request = {
            "chart": job.chart,
            "files": job.given.files,
            "assignments": job.given.assignments,
            "folder": job.folder,
            "release": job.options.release,
            "namespace": job.options.namespace or DEFAULT_NAMESPACE,
            "kube_version": job.options.kube_version,
            "api_versions": job.options.api_versions,
        }
        with self._lock:
            answer = self._answer(json.dumps(request).encode())
        if answer.get("refused"):
            raise RenderError(f"{answer['error']} needs the program helm (https://helm.sh), which is not there")
        templates: Mapping[str, str] = answer.get("templates", {})
        known = set(names)
        found = {name: documents(text) for name, text in templates.items() if name in known}
        if "error" in answer:
            raise RenderError(str(answer["error"]), found)
        return {name: texts for name, texts in found.items() if texts and not name.endswith(_NOTES)}

    def close(self) -> None:
        """See Renderer."""
        self._closed = True
        running = self._child
        if running is not None:
            # A thread that waits for an answer sees its end, and lets go of the lock.
            running.kill()
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _answer(self, request: bytes) -> dict[str, Any]:
        answered = False
        try:
            running = self._running()
            running.send(len(request).to_bytes(_LENGTH, "big") + request)
            size = int.from_bytes(running.receive(_LENGTH), "big")
            answer: dict[str, Any] = json.loads(running.receive(size))
            answered = True
        except EndedError as error:
            lines = str(error).strip().splitlines() or [""]
            # Python says last what is wrong, Go first.
            told = lines[-1 if lines[0].startswith("Traceback") else 0]
            raise RenderError(f"the Helm SDK ended: {told}") from error
        finally:
            if not answered:
                self._end()
        return answer

    def _running(self) -> Child:
        if self._closed:
            raise RenderError(_CLOSED)
        if self._child is None:
            argv = (sys.executable, "-I", "-S", child.__file__, self.folder() or "")
            self._child = Child(argv, self._home, environment(self._home), self._limits, _SHARED_SECONDS)
            # Who closes meanwhile has seen no child to kill.
            if self._closed:
                raise RenderError(_CLOSED)
        return self._child


def printed(text: str, names: Iterable[str]) -> dict[str, list[str]]:
    """The documents of what `helm template` prints, by the template that Helm says each is from.

    Helm cuts documents at every line that begins with `---`, so only the first line of one can be such a line, left of
    a longer one; and none is empty. A name right after a name is what a template printed.
    """
    known = set(names)
    starts: list[re.Match[str]] = []
    for match in _SOURCE.finditer(text):
        if match[1] in known and not (starts and starts[-1].end() == match.start()):
            starts.append(match)
    ends = [*(match.start() for match in starts[1:]), len(text)]
    found: dict[str, list[str]] = {}
    for match, end in zip(starts, ends, strict=False):
        found.setdefault(match[1], []).append(_finished(text[match.end() : end]))
    return found


def documents(text: str) -> list[str]:
    """The documents of what one template prints, cut as Helm cuts them (`SplitManifests` of its releaseutil)."""
    return [_finished(piece) for piece in _SEPARATOR.split(text.strip()) if piece]


def _finished(piece: str) -> str:
    """A document as Helm prints it: without the space around it, with the end of its last line."""
    return f"{piece.strip()}\n"
