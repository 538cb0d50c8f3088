"""Run Helm on a packed chart, either as the program `helm` or through the Helm SDK in a child process.

Neither receives the user's paths, environment or network. Never renders in any other way.
"""

# ruff: noqa: PTH118, PTH120 - paths stay as the user typed them

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
from kubekeep.sources.helm import sdk_child
from kubekeep.sources.helm.limits import ChartLimits
from kubekeep.sources.helm.process import ChildProcess, EndedError
from kubekeep.sources.helm.release import RenderJob

EXTRA: Final = "helm-python-sdk"
_PACKAGE: Final = "helm_python"
_VERSION: Final = re.compile(r"v?[34]\.\d+")
_SOURCE: Final = re.compile(r"^---\n# Source: (.*)\n", re.MULTILINE)
_SEPARATOR: Final = re.compile(r"(?:\A|\n)---\s*")
"""Without the white space before it, which is stripped later: a long run of it would take quadratic time."""
_NOTES: Final = "NOTES.txt"
_CLOSED: Final = "the scan has ended"
_LINE_END: Final = "\n"
_LENGTH: Final = 8
_SHARED_SECONDS: Final = 3600
INVALID_YAML: Final = "YAML parse error on "
"""Prefix of Helm's error for a template that printed invalid YAML, followed by the template's name."""
_HINT: Final = "Use --debug flag to render out invalid YAML"


class RenderError(Exception):
    """A chart that Helm does not render, with Helm's message.

    `outputs` has the documents by template name if invalid YAML is the only error.
    """

    def __init__(self, message: str, outputs: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.outputs = outputs or {}


class Renderer(Protocol):
    """A way to run Helm. Safe to use from several threads."""

    def render(self, job: RenderJob, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the documents of each template in `names`, by Helm's template name.

        Raises RenderError, LimitError for a chart beyond a limit, and OSError.
        """

    def close(self) -> None:
        """End running processes."""


def build_environment(home: str) -> dict[str, str]:
    """Return the environment of a renderer: all folders in a private one."""
    folders = {f"HELM_{name}": home for name in ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME")}
    empty_files = dict.fromkeys(("KUBECONFIG", "HELM_REGISTRY_CONFIG", "HELM_REPOSITORY_CONFIG"), os.devnull)
    private_folders = dict.fromkeys(("HOME", "TMPDIR", "HELM_REPOSITORY_CACHE"), home)
    plugins = {"HELM_NO_PLUGINS": "1", "HELM_PLUGINS": os.path.join(home, "plugins")}
    return {"PATH": os.defpath, "LANG": "C.UTF-8"} | folders | empty_files | private_folders | plugins


class HelmProgram:
    """The program `helm`, version 3 or 4; runs one process per chart."""

    def __init__(self, path: str, home: str, limits: ChartLimits) -> None:
        self._path = path
        self._environment = build_environment(home)
        self._limits = limits
        self._children: set[ChildProcess] = set()
        self._closed = False

    @property
    def problem(self) -> str:
        """Reason for not using this program; empty if it is a working Helm."""
        home = self._environment["HOME"]
        status, text, errors = self._run((self._path, "version", "--short"), home, self._limits.seconds)
        if status == 0 and _VERSION.match(text.strip()):
            return ""
        return (errors.strip() or f"unexpected version {text.strip()!r}").splitlines()[0][:200]

    def render(self, job: RenderJob, names: Iterable[str]) -> dict[str, list[str]]:
        """See Renderer."""
        argv = (self._path, "template", *_build_flags(job), "--", job.options.release, f"./{job.chart}")
        status, text, errors = self._run(argv, job.folder, job.seconds)
        if status == 0:
            return split_output(text, names)
        message = _extract_message(errors)
        if INVALID_YAML not in message:
            raise RenderError(message)
        argv = (*argv[:2], "--debug", *argv[2:])
        _, text, _ = self._run(argv, job.folder, job.seconds)
        raise RenderError(
            message, {name: split_manifests("\n---\n".join(texts)) for name, texts in split_output(text, names).items()}
        )

    def close(self) -> None:
        """See Renderer."""
        self._closed = True
        for child in list(self._children):
            child.kill()

    def _run(self, argv: Sequence[str], folder: str, seconds: float) -> tuple[int, str, str]:
        """Run a command and return its status, standard output and standard error."""
        with ChildProcess(argv, folder, self._environment, self._limits, self._limits.seconds) as child:
            self._children.add(child)
            try:
                if self._closed:
                    raise RenderError(_CLOSED)
                child.end_input()
                text = child.receive(None, seconds).decode("utf-8", "replace")
                return child.wait(), text, child.errors
            finally:
                self._children.discard(child)


def _build_flags(job: RenderJob) -> Sequence[str]:
    flags = [f"--namespace={job.options.namespace or DEFAULT_NAMESPACE}"]
    flags += (f"--values={name}" for name in job.values.files)
    flags += (f"{option}={text}" for option, text in job.values.assignments)
    if job.options.kube_version:
        flags.append(f"--kube-version={job.options.kube_version}")
    flags += (f"--api-versions={name}" for name in job.options.api_versions)
    return flags


def _extract_message(errors: str) -> str:
    """Return Helm's error message without warnings, or the first line after a crash."""
    _, mark, message = f"\n{errors}".rpartition("\nError: ")
    if not mark:
        return f"helm failed: {errors.strip().partition(_LINE_END)[0]}"
    return message.replace(_HINT, "").strip()


class HelmSdk:
    """The Helm SDK in a child process that renders one chart after the other; it is restarted after it was killed."""

    def __init__(self, home: str, limits: ChartLimits) -> None:
        self._home = home
        self._limits = limits
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._closed = False

    @staticmethod
    def folder() -> str | None:
        """Return the folder in which the SDK is installed; None if it is not."""
        spec = importlib.util.find_spec(_PACKAGE)
        return None if spec is None or spec.origin is None else os.path.dirname(os.path.dirname(spec.origin))

    def render(self, job: RenderJob, names: Iterable[str]) -> dict[str, list[str]]:
        """See Renderer."""
        request = {
            "chart": job.chart,
            "files": job.values.files,
            "assignments": job.values.assignments,
            "folder": job.folder,
            "release": job.options.release,
            "namespace": job.options.namespace or DEFAULT_NAMESPACE,
            "kube_version": job.options.kube_version,
            "api_versions": job.options.api_versions,
        }
        with self._lock:
            response = self._send_request(json.dumps(request).encode(), job.seconds)
        if response.get("refused"):
            raise RenderError(
                f"{response['error']} requires the program helm (https://helm.sh), which is not installed"
            )
        templates: Mapping[str, str] = response.get("templates", {})
        known_names = set(names)
        outputs = {name: split_manifests(text) for name, text in templates.items() if name in known_names}
        if "error" in response:
            raise RenderError(str(response["error"]), outputs)
        return {name: texts for name, texts in outputs.items() if texts and not name.endswith(_NOTES)}

    def close(self) -> None:
        """See Renderer."""
        self._closed = True
        child = self._child
        if child is not None:
            # Ends the wait of a thread that holds the lock.
            child.kill()
        with self._lock:
            self._close_child()

    def _close_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _send_request(self, request: bytes, seconds: float) -> dict[str, Any]:
        is_complete = False
        try:
            child = self._get_child()
            child.send(len(request).to_bytes(_LENGTH, "big") + request)
            size = int.from_bytes(child.receive(_LENGTH, seconds), "big")
            response: dict[str, Any] = json.loads(child.receive(size, seconds))
            is_complete = True
        except EndedError as error:
            lines = str(error).strip().splitlines() or [""]
            # Python prints the reason last, Go first.
            reason = lines[-1 if lines[0].startswith("Traceback") else 0]
            raise RenderError(f"the Helm SDK failed: {reason}") from error
        finally:
            if not is_complete:
                self._close_child()
        return response

    def _get_child(self) -> ChildProcess:
        if self._closed:
            raise RenderError(_CLOSED)
        if self._child is None:
            argv = (sys.executable, "-I", "-S", sdk_child.__file__, self.folder() or "")
            self._child = ChildProcess(argv, self._home, build_environment(self._home), self._limits, _SHARED_SECONDS)
            # `close` may have run before the child existed.
            if self._closed:
                raise RenderError(_CLOSED)
        return self._child


def split_output(text: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Split the output of `helm template` into documents by template, as named in Helm's `# Source:` comments.

    Helm splits documents at every line that begins with `---`, so only the first line of a document can be such a line,
    left over from a longer one; no document is empty. A source comment right after another one was printed by a
    template.
    """
    known_names = set(names)
    starts: list[re.Match[str]] = []
    for match in _SOURCE.finditer(text):
        if match[1] in known_names and not (starts and starts[-1].end() == match.start()):
            starts.append(match)
    ends = [*(match.start() for match in starts[1:]), len(text)]
    outputs: dict[str, list[str]] = {}
    for match, end in zip(starts, ends, strict=False):
        outputs.setdefault(match[1], []).append(_finish_document(text[match.end() : end]))
    return outputs


def split_manifests(text: str) -> list[str]:
    """Split the output of one template into documents as Helm does (`SplitManifests` of its releaseutil)."""
    return [_finish_document(document) for document in _SEPARATOR.split(text.strip()) if document]


def _finish_document(document: str) -> str:
    """Format a document as Helm prints it: trimmed, with a final newline."""
    return f"{document.strip()}\n"
