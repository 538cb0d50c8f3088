"""Limits of custom rules, and what of them is left. Starts no process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

import msgspec


class RuleLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the custom rules of one scan."""

    memory: int = 1 << 30
    """Bytes that the process may allocate for one rule."""
    seconds: float = 30.0
    """Seconds for one rule over all documents."""
    total_seconds: float = 600.0
    """Seconds for all rules together."""
    seconds_per_document: float = 0.01
    """Seconds that each document of a rule adds to both, so that no input is too large for a fast rule."""
    output: int = 64 << 20
    """Bytes of the results of one rule over all documents."""
    total_output: int = 256 << 20
    """Bytes of the results of all rules together."""
    output_per_document: int = 4096
    """Bytes that each document of a rule adds to both."""
    failures: int = 10
    """Number of rules that may end their process before no further rule is evaluated."""
    start_seconds: float = 60.0
    """Seconds for the start of a process, and to give it rules and documents."""


_NEXT_STEP: Final = "change the rule, or leave the control out with --exclude-controls"
DEFAULT_LIMITS: Final = RuleLimits()


class RuleStoppedError(Exception):
    """A rule was stopped; the message is the cause, a predicate of the rule such as "took longer than 30 s"."""


class RuleTimeError(RuleStoppedError):
    """The process did not reply in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:.3g} s")


class _Account:
    """Time and output that are allowed and used."""

    __slots__ = ("output", "output_used", "seconds", "seconds_used")

    def __init__(self, seconds: float, output: int) -> None:
        self.seconds = seconds
        self.output = output
        self.seconds_used = 0.0
        self.output_used = 0


class RuleBudget:
    """Time, output and failures of the rules of one scan. Safe to use from several threads."""

    def __init__(self, limits: RuleLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._total = _Account(limits.total_seconds, limits.total_output)
        self._by_rule: dict[str, _Account] = {}
        self._failures = 0

    def allow(self, rule: str, documents: int) -> float:
        """Return the seconds that `rule` may take for further documents. Raises RuleStoppedError if none are left."""
        with self._lock:
            if self._failures >= self._limits.failures:
                raise RuleStoppedError(f"was not evaluated, because {self._failures} custom rules have failed")
            own = self._by_rule.setdefault(rule, _Account(self._limits.seconds, self._limits.output))
            for account in (own, self._total):
                account.seconds += documents * self._limits.seconds_per_document
                account.output += documents * self._limits.output_per_document
            seconds = min(account.seconds - account.seconds_used for account in (own, self._total))
        if seconds <= 0:
            raise self._explain_time(rule)
        return seconds

    @contextlib.contextmanager
    def measure(self, rule: str) -> Iterator[None]:
        """Count the time of an evaluation. Raises RuleStoppedError, which names the limit, instead of RuleTimeError."""
        started = time.monotonic()
        is_late = False
        try:
            yield
        except RuleTimeError:
            is_late = True
        finally:
            self.use_time(rule, time.monotonic() - started)
        if is_late:
            raise self._explain_time(rule)

    def use_time(self, rule: str, seconds: float) -> None:
        """Count the seconds of an evaluation."""
        with self._lock:
            self._by_rule[rule].seconds_used += seconds
            self._total.seconds_used += seconds

    def use_output(self, rule: str, size: int) -> None:
        """Count the bytes of a result. Raises RuleStoppedError for too many."""
        with self._lock:
            own, total = self._by_rule[rule], self._total
            own.output_used += size
            total.output_used += size
            if own.output_used > own.output:
                raise RuleStoppedError(f"returned more than {format_size(own.output)}")
            if total.output_used > total.output:
                raise RuleStoppedError(f"and other custom rules returned more than {format_size(total.output)}")

    def add_failure(self) -> None:
        """Count a rule that ended its process."""
        with self._lock:
            self._failures += 1

    def _explain_time(self, rule: str) -> RuleStoppedError:
        """Return the error of a rule without time."""
        with self._lock:
            own, total = self._by_rule[rule], self._total
            if own.seconds - own.seconds_used <= total.seconds - total.seconds_used:
                return RuleStoppedError(f"took longer than {own.seconds:.3g} s")
            return RuleStoppedError(f"and other custom rules took longer than {total.seconds:.3g} s")


def explain(name: str, file: str, cause: RuleStoppedError) -> str:
    """Return the reason why a rule is not evaluated; `file` may be empty."""
    subject = f"the rule {file}" if file else "the rule"
    return f"{name}: {subject} {cause}; {_NEXT_STEP}"


def format_size(size: int) -> str:
    """Return a number of bytes in GiB or MiB."""
    return f"{size / (1 << 30):.3g} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.3g} MiB"
