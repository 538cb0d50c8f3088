"""What one of two scans looked at: whether it says anything of a finding that only the other one has, and what.

Knows files and targets by their names alone. Pure; never pairs findings.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from kubekeep.model.comparison import RESOURCE_SELECTION, TARGETS, RecordedFinding, ScanRecord
from kubekeep.model.fingerprint import Identity

FAILED, PASSED, SKIPPED, ABSENT = "failed", "passed", "skipped", "absent"
"""What a scan says of a control on a resource, in Kubescape's words."""
_PASSING: Final = ("changed since", "workload")
_SHOWN: Final = 3
"""Targets that a reason names."""


class Looked:
    """What one scan looked at, ready to be asked."""

    def __init__(self, of: ScanRecord, other: ScanRecord) -> None:
        self.of = of
        choice = of.settings.get(RESOURCE_SELECTION, "")
        # What has changed, or what a workload needs, is not the same from scan to scan.
        alike = choice == other.settings.get(RESOURCE_SELECTION) and not any(word in choice for word in _PASSING)
        self._choice = "" if alike else choice
        self._targets = dict.fromkeys(_part(of, other)).keys()
        self._unread = {posixpath.normpath(file) for file in of.unread}
        self._holding = {folder for file in self._unread for folder in _way(file)}
        self._files = of.files
        self._silent = of.only_failing or of.resources is None
        self._judged, self._others = _judged(of), _judged(other)
        self._failed: dict[tuple[Identity, str], set[str]] = defaultdict(set)
        for item in of.findings:
            self._failed[item.identity, item.control].add(item.file)

    def has(self, finding: RecordedFinding) -> bool:
        """Whether the very resource of `finding`, in its file, was judged."""
        return finding.file in self._judged.get(finding.identity, ())

    def lacks(self, finding: RecordedFinding) -> bool:
        """Whether the file of `finding` was looked at, and the resource is not there."""
        return not (self.has(finding) or self._missed(finding.file))

    def _missed(self, file: str) -> str:
        """Why a file, or the folder of a kustomization, was not looked at as a whole; empty if it was.

        What is in a cluster or joined of several objects has no file: whatever was not read may have held it.
        """
        if self._unread and not file:
            return f"{self.of.name} could not read everything"
        path = posixpath.normpath(file)
        if path in self._holding or not self._unread.isdisjoint(_way(path)):
            return f"{self.of.name} could not read {file}"
        if self._targets and self._targets.isdisjoint(_way(path)):
            shown = f"{len(self._targets)} targets" if len(self._targets) > _SHOWN else ", ".join(self._targets)
            return f"{self.of.name} looked only at {shown}"
        return ""

    def status(self, finding: RecordedFinding) -> tuple[str, str]:
        """What this scan says of a finding that it does not have, and why it did not look if it did not."""
        skipped = self._skipped(finding)
        if skipped:
            return skipped
        files = self._failed.get((finding.identity, finding.control), set())
        if self.has(finding):
            return (FAILED if finding.file in files else PASSED), ""
        missed = self._missed(finding.file)
        if not missed:
            # It may stand in a file that the other scan does not know.
            known = self._others.get(finding.identity, frozenset())
            if files - known:
                return FAILED, ""
            if self._judged.get(finding.identity, frozenset()) - known:
                return PASSED, ""
        return ABSENT, missed or self._unseen(finding)

    def _skipped(self, finding: RecordedFinding) -> tuple[str, str] | None:
        """That the control was not asked for or not evaluated, if so."""
        name, number = self.of.name, finding.control
        told = self.of.controls.get(number)
        if told is None:
            return ABSENT, f"{number} is not among the controls of {name}"
        if told:
            return SKIPPED, f"{name} could not evaluate {number}: {told}"
        if number in self.of.gaps.get(finding.identity, ()):
            return SKIPPED, f"{name} could not evaluate {number} on this resource"
        return None

    def _unseen(self, finding: RecordedFinding) -> str:
        """Why this scan may not have seen the resource though it read the file; empty if it is not there."""
        name = self.of.name
        if self.of.unread and finding.file not in self._files and not self._silent:
            return f"{name} could not read everything"
        return f"{name} looked only at {self._choice}" if self._choice else ""


def placed_alike(base: ScanRecord, head: ScanRecord) -> ScanRecord:
    """`base` with its files named as `head` names those of its own target, where each scan has one.

    Two checkouts, or a folder by its name and by `.`, have the same files by different names then.
    """
    (old, *more), (new, *others) = _targets(base), _targets(head)
    if more or others or not (old and new) or old == new or _is_below(old, new) or _is_below(new, old):
        return base

    def renamed(file: str) -> str:
        if not file or not _is_below(file, old):
            return file
        within = posixpath.normpath(file)
        within = within if old == "." else within[len(old) :].lstrip("/")
        return posixpath.normpath(posixpath.join(new, within))

    resources = base.resources
    if resources is not None:
        resources = {identity: frozenset(map(renamed, files)) for identity, files in resources.items()}
    return msgspec.structs.replace(
        base,
        findings=tuple(msgspec.structs.replace(item, file=renamed(item.file)) for item in base.findings),
        resources=resources,
        unread=frozenset(map(renamed, base.unread)),
    )


def _judged(scan: ScanRecord) -> Mapping[Identity, AbstractSet[str]]:
    """The files of each resource, as far as is known."""
    if scan.resources is not None:
        return scan.resources
    found: dict[Identity, set[str]] = defaultdict(set)
    for item in scan.findings:
        found[item.identity].add(item.file)
    return found


def _part(of: ScanRecord, other: ScanRecord) -> tuple[str, ...]:
    """The targets of a scan if they may be another part of what the other looked at; empty if they are the same.

    Empty, too, where no target is within one of the other scan, as with two checkouts: there nothing can be inferred.
    """
    own, others = _targets(of), _targets(other)
    if own == others or not (own[0] and others[0]):
        return ()
    return own if any(_is_below(one, two) or _is_below(two, one) for one in own for two in others) else ()


def _targets(scan: ScanRecord) -> tuple[str, ...]:
    """One at least, which is empty where none is known."""
    return tuple(posixpath.normpath(target) if target else "" for target in scan.settings.get(TARGETS, "").split(", "))


def _way(path: str) -> Iterator[str]:
    """A path without needless steps, and the folders that it is in."""
    is_relative = not path.startswith(("/", ".."))
    while path not in {"", ".", "/"}:
        yield path
        path = posixpath.dirname(path)
    if is_relative:
        yield "."


def _is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or in it, by their names alone."""
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    if folder == ".":
        return not path.startswith(("/", ".."))
    return f"{path}/".startswith(f"{folder}/")
