"""Program that evaluates custom rules for a scan: requests on standard input, replies on standard output.

Limits its own memory and processor time before it reads a rule, and ends when the scan does. Reads no files.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, Final

from kubekeep import _native
from kubekeep.engine.isolation.messages import (
    AnyRequest,
    Bindings,
    CheckModules,
    CompileRules,
    Done,
    EvaluateQuery,
    EvaluateRule,
    Invalid,
    Outcomes,
    QueryError,
    Reply,
    RuleSource,
    SetContext,
    SetDocuments,
    SetMemoryLimit,
    decode_request,
    encode,
    read_frame,
    write_frame,
)

OUT_OF_MEMORY: Final = 97
"""Exit code after a failed allocation of Python, or more memory than the limit on macOS."""
_QUERY_STACK: Final = 1 << 30
"""Address space of the stack of a query (`rust/rego/src/query.rs`), which the kernel counts as memory."""
_MEMORY_INTERVAL: Final = 0.05


def main() -> None:
    """Answer requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    # Nothing but replies may reach the scan on this pipe.
    os.dup2(2, 1)
    with contextlib.suppress(AttributeError, ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    limits, rules = _ProcessLimits(), _Rules()
    try:
        while True:
            request = decode_request(requests.get())
            limits.apply(request)
            write_frame(replies, encode(rules.answer(request)))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _receive(stream: IO[bytes], requests: queue.Queue[bytes]) -> None:
    """Pass on the requests; end this process when the scan has ended, even while a rule runs."""
    try:
        while True:
            requests.put(read_frame(stream))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except (EOFError, OSError):
        os._exit(0)


class _ProcessLimits:
    """Limits of this process, as far as the platform has them: Windows has none of these."""

    def __init__(self) -> None:
        self._memory: int | None = None
        """Bytes that this process may have; None if the kernel does not limit them."""

    def apply(self, request: AnyRequest) -> None:
        """Set the limits for one request."""
        if sys.platform == "win32":
            return
        import resource  # noqa: PLC0415 - Unix only

        if isinstance(request, SetMemoryLimit):
            for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
                resource.setrlimit(kind, (0, 0))
            self._memory = _compute_data_limit(request.memory)
            if self._memory is None:
                threading.Thread(target=watch_memory, args=(request.memory,), daemon=True).start()
        if self._memory is not None:
            stack = _QUERY_STACK if isinstance(request, EvaluateQuery) else 0
            _set_limit(resource.RLIMIT_DATA, self._memory + stack)
        # Ends this process even if the scan is stopped and cannot.
        _set_limit(resource.RLIMIT_CPU, int(time.process_time() + request.seconds * (os.cpu_count() or 1)) + 2)


def _set_limit(kind: int, value: int) -> None:
    """Set a limit that can be raised again, as far as the limits of the user allow."""
    import resource  # noqa: PLC0415 - Unix only

    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _compute_data_limit(memory: int) -> int | None:
    """Return the limit of this process that allows `memory` more bytes; None where the kernel enforces none."""
    if sys.platform != "linux":
        return None
    try:
        # Every line is a name and a value. Not all sandboxes have the file or the value.
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 - a fixed path
            fields = dict(line.split(":", 1) for line in status if ":" in line)
        return int(fields["VmData"].split()[0]) * 1024 + memory
    except (OSError, KeyError, ValueError):
        return None


def watch_memory(limit: int) -> None:
    """End this process when its memory has grown by `limit` bytes."""
    import resource  # noqa: PLC0415 - Unix only

    unit = 1 if sys.platform == "darwin" else 1024
    limit += resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    while resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit < limit:
        time.sleep(_MEMORY_INTERVAL)
    os._exit(OUT_OF_MEMORY)


class _Rules:
    """The compiled rules, their context and the current documents."""

    def __init__(self) -> None:
        self._policies: _native.PolicySet | None = None
        self._groups: dict[int, int] = {}
        self._documents: list[bytes] = []

    def answer(self, request: AnyRequest) -> Reply:
        """Return the reply to a request."""
        try:
            match request:
                case CheckModules(modules=modules, path=path):
                    _native.PolicySet([list(modules.items())], [[("", path, 0)]] if path else [], "{}")
                case CompileRules(rules=rules):
                    self._compile(rules)
                case SetContext(context=context) if self._policies:
                    self._policies = self._policies.with_context(context.decode())
                case SetDocuments(documents=documents):
                    self._documents = documents
                case EvaluateRule(number=number, documents=positions) if self._policies:
                    groups = [self._groups[number]]
                    return Outcomes(self._policies.evaluate([(self._documents[at], groups) for at in positions]))
                case EvaluateQuery():
                    return _evaluate_query(request)
        except ValueError as error:
            return Invalid(str(error))
        return Done()

    def _compile(self, rules: Sequence[RuleSource]) -> None:
        self._groups = {rule.number: group for group, rule in enumerate(rules)}
        self._policies = _native.PolicySet(
            [list(rule.modules.items()) for rule in rules],
            [[(rule.name, rule.path, group)] for group, rule in enumerate(rules)],
            "{}",
        )


def _evaluate_query(request: EvaluateQuery) -> Reply:
    modules = list(request.modules.items())
    try:
        return Bindings(
            _native.evaluate(
                modules, request.query, request.data, request.input, request.is_v0, False, request.time_limit
            )
        )
    except _native.NativeRegoError as error:
        return QueryError(*error.args)


if __name__ == "__main__":
    main()
