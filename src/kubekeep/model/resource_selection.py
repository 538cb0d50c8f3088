"""Selection of the resources that a scan evaluates. All other resources are still read, as related objects."""

from __future__ import annotations

import msgspec


class ResourceSelection(msgspec.Struct, frozen=True, kw_only=True):
    """The selection that a user requested; an empty field selects everything.

    Kinds are matched by name, ignoring case. `labels` is a selector in the syntax of `kubectl -l`. `changed_since` is a
    Git revision, `workload` the only workload to evaluate.
    """

    include_namespaces: tuple[str, ...] = ()
    exclude_namespaces: tuple[str, ...] = ()
    include_kinds: tuple[str, ...] = ()
    exclude_kinds: tuple[str, ...] = ()
    labels: str = ""
    changed_since: str = ""
    workload: str = ""

    def __str__(self) -> str:
        """Return the selection in words, empty if it selects everything: `namespaces shop, blog; without kinds Secret`."""
        criteria = (
            ("namespaces", ", ".join(self.include_namespaces)),
            ("without namespaces", ", ".join(self.exclude_namespaces)),
            ("kinds", ", ".join(self.include_kinds)),
            ("without kinds", ", ".join(self.exclude_kinds)),
            ("labels", self.labels),
            ("changed since", self.changed_since),
            ("workload", self.workload),
        )
        return "; ".join(f"{name} {text}" for name, text in criteria if text)
