"""Which resources of the input a scan judges. Everything else it reads all the same, for what relates to it."""

from __future__ import annotations

import msgspec


class ResourceSelection(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for; where nothing was, everything is judged.

    Kinds go by their names in any case. `labels` is a selector as `kubectl -l` takes it. `changed_since` is a Git
    revision, `workload` the one workload that is judged.
    """

    include_namespaces: tuple[str, ...] = ()
    exclude_namespaces: tuple[str, ...] = ()
    include_kinds: tuple[str, ...] = ()
    exclude_kinds: tuple[str, ...] = ()
    labels: str = ""
    changed_since: str = ""
    workload: str = ""

    def __str__(self) -> str:
        """In words, empty for everything: `namespaces shop, blog; no kinds Secret`."""
        said = (
            ("namespaces", ", ".join(self.include_namespaces)),
            ("no namespaces", ", ".join(self.exclude_namespaces)),
            ("kinds", ", ".join(self.include_kinds)),
            ("no kinds", ", ".join(self.exclude_kinds)),
            ("labels", self.labels),
            ("changed since", self.changed_since),
            ("workload", self.workload),
        )
        return "; ".join(f"{what} {text}" for what, text in said if text)
