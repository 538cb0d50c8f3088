"""The base class of all errors that Kubekeep raises for its callers. Values only."""

from __future__ import annotations


class KubekeepError(Exception):
    """An input, a name or a connection that cannot be used; the message names it, the cause and the next step."""


class RequestError(KubekeepError, ValueError):
    """A request that cannot be satisfied: an unknown version, or options that contradict each other."""
