"""Apply exceptions to the results of a scan: what each covers, and what became of each.

Only failures are covered: what was not evaluated stays so. Never silent: an exception that covers nothing is among
the uses with the reason why. Runs before sums are made, so that scores see it; never reads anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.exceptions.inline.annotations import annotated_exceptions
from kubekeep.exceptions.lint import is_for_everything, slips
from kubekeep.exceptions.match import Controls, Part, Reach, Resources
from kubekeep.exceptions.policy_exception import PolicyException
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.exception import ExceptedFinding, ExceptionStatus, ExceptionUse
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.label_selector import get_labels
from kubekeep.model.resource import Resource
from kubekeep.posture.select import Selection

_NAMED: Final = 3
"""Controls that a text names before the others are only counted."""
_TOO_BROAD: Final = "it would cover everything: name controls, or resources"
_NOT_NARROWED: Final = "; nothing known has what its selectors leave out"
_FEW: Final = 5
"""Resources of a scan that one exception may well be for, all of them."""
_ALL_HERE: Final = "it is for every resource of this scan and every control"


def apply_exceptions(
    results: Sequence[ResourceResult],
    policy_exceptions: Sequence[PolicyException],
    selection: Selection,
    now: dt.datetime,
    *,
    namespaces: Mapping[str, Mapping[str, str]],
    folder: str,
    inline: bool,
) -> tuple[list[ResourceResult], tuple[ExceptionUse, ...]]:
    """The results with a waiver in all evidence that one of `exemptions` covers, and the uses of all exceptions.

    A failed verdict all of whose evidence is covered has passed. The first exception that covers evidence is named
    there; every one that does counts it. With `inline`, annotations of resources are exceptions too. `namespaces` are
    the labels of the namespaces that are known; `folder` is the one that paths of files start from.
    """
    if not (policy_exceptions or inline):
        return list(results), ()
    scanned = _Scanned(
        results if any(item.objects or item.namespaces for item in policy_exceptions) else (), namespaces
    )
    register = _Register(policy_exceptions, selection, now, scanned, folder)
    register.doubt_what_is_for_all(results)
    found = [register.result(result, inline=inline) for result in results]
    return found, register.uses()


class _Scanned:
    """The labels that selectors can ask for."""

    def __init__(self, results: Sequence[ResourceResult], namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self.namespaces = namespaces
        self.objects = [get_labels(item.object) for result in results for item in _objects(result.resource)]
        """Those of the objects that were judged."""
        self.all_namespaces: dict[str, Mapping[str, str]] = {
            item.namespace: {} for result in results for item in _objects(result.resource) if item.namespace
        } | dict(namespaces)
        """Those of all namespaces, as far as they are known."""


def _objects(resource: Resource) -> tuple[Resource, ...]:
    """The objects that an exception may mean a resource by."""
    return (*resource.related, resource)


class _Account:
    """One exception with the controls that it is for and the findings that it covers."""

    __slots__ = ("doubts", "findings", "policy_exception", "reach", "status", "text")

    def __init__(self, policy_exception: PolicyException, reach: Reach, now: dt.datetime, *, everything: bool) -> None:
        """`everything`: it leaves out neither a control nor a resource."""
        self.policy_exception = policy_exception
        self.reach = reach
        self.doubts = (*policy_exception.doubts, *slips(policy_exception))
        self.findings: list[ExceptedFinding] = []
        self.status, self.text = ExceptionStatus.UNUSED, ""
        expires = policy_exception.exception.expires
        if policy_exception.flaw:
            self.status, self.text = ExceptionStatus.INVALID, policy_exception.flaw
        elif expires is not None and expires <= now:
            self.status = ExceptionStatus.EXPIRED
        elif everything:
            narrowed = policy_exception.objects or policy_exception.namespaces
            self.status, self.text = ExceptionStatus.TOO_BROAD, _TOO_BROAD + (_NOT_NARROWED if narrowed else "")

    @property
    def is_active(self) -> bool:
        """Whether it may cover anything."""
        return self.status is ExceptionStatus.UNUSED

    def use(self) -> ExceptionUse:
        """What became of it."""
        status, text, reach = self.status, self.text, self.reach
        doubts = self.doubts if self.is_active else ()
        if self.is_active:
            if reach.unknown:
                status, text = ExceptionStatus.INVALID_CONTROL, f"nobody knows {', '.join(reach.unknown)}{reach.hint}"
            elif self.findings:
                status, text = ExceptionStatus.MATCHED, _shared(reach.shared)
            elif reach.shared:
                text = _shared(reach.shared)
            elif not reach.slugs:
                text = "its controls are not in this scan"
        return ExceptionUse(
            exception=self.policy_exception.exception,
            status=status,
            text="; ".join(filter(None, (text, *doubts))),
            controls=_names(self.policy_exception),
            unknown=reach.unknown,
            findings=tuple(self.findings),
            doubts=doubts,
        )


def _shared(controls: Sequence[str]) -> str:
    """Which controls it is not for, as one verdict counts for all frameworks of a scan."""
    if not controls:
        return ""
    more = f" and {len(controls) - _NAMED} more" if len(controls) > _NAMED else ""
    return f"not for {', '.join(controls[:_NAMED])}{more}: another framework of the scan asks for that too"


def _names(policy_exception: PolicyException) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for policy in policy_exception.policies for name in policy.names))


class _Register:
    """All exceptions of a scan."""

    def __init__(
        self,
        policy_exceptions: Sequence[PolicyException],
        selection: Selection,
        now: dt.datetime,
        scanned: _Scanned,
        folder: str,
    ) -> None:
        self._now = now
        self._controls = Controls(selection)
        self._accounts = [self._account(item, scanned) for item in policy_exceptions]
        active = {number: item.policy_exception for number, item in enumerate(self._accounts) if item.is_active}
        self._resources = Resources(active, scanned.namespaces, folder)
        self._inline: dict[tuple[str, str], list[_Account]] = {}

    def _account(self, item: PolicyException, scanned: _Scanned) -> _Account:
        reach = self._controls.reach(item.policies)
        everything = reach.everything and is_for_everything(item, scanned.objects, scanned.all_namespaces)
        return _Account(item, reach, self._now, everything=everything)

    def doubt_what_is_for_all(self, results: Sequence[ResourceResult]) -> None:
        """Doubt each exception for every control that leaves out none of `results`, if these are more than a few."""
        if len(results) <= _FEW:
            return
        found = {number for number, item in enumerate(self._accounts) if item.is_active and item.reach.everything}
        for result in results:
            if not found:
                return
            covering = self._resources.covering(result.resource)
            found &= {number for number, part in covering.items() if part is None}
        for number in found:
            self._accounts[number].doubts += (_ALL_HERE,)

    def uses(self) -> tuple[ExceptionUse, ...]:
        """What became of each exception: those given first, then those beside resources in the order met."""
        inline = [account for accounts in self._inline.values() for account in accounts]
        return tuple(account.use() for account in (*self._accounts, *inline))

    def result(self, result: ResourceResult, *, inline: bool) -> ResourceResult:
        """`result` with waivers."""
        resource = result.resource
        beside = list(self._beside(resource)) if inline else []
        # What something else has waived already counts for the exceptions that cover it, too.
        failed = {
            slug: verdict
            for slug, verdict in result.verdicts.items()
            if verdict.status is Status.FAILED or verdict.is_excepted
        }
        if not failed:
            return result
        covering: list[tuple[_Account, Part]] = [
            (self._accounts[number], part) for number, part in sorted(self._resources.covering(resource).items())
        ]
        covering += [(account, None) for account in beside if account.is_active]
        if not covering:
            return result
        changed: dict[str, Verdict] = {}
        name = resource.id
        for slug, verdict in failed.items():
            mine = [(account, part) for account, part in covering if slug in account.reach.slugs]
            if mine:
                changed[slug] = self._excepted(
                    verdict,
                    mine,
                    resource,
                    ExceptedFinding(name, resource.kind, resource.namespace, resource.name, self._controls.id_of(slug)),
                )
        return msgspec.structs.replace(result, verdicts={**result.verdicts, **changed}) if changed else result

    def _beside(self, resource: Resource) -> Iterator[_Account]:
        """The exceptions that a resource carries, or the objects that it is made of."""
        for item in _objects(resource):
            carried = list(annotated_exceptions(item))
            if not carried:
                continue
            # A role is met by itself and with every subject that it is bound to.
            key = (item.id, str(item.locate(())))
            if key not in self._inline:
                self._inline[key] = [
                    _Account(found, self._controls.reach(found.policies), self._now, everything=False)
                    for found in carried
                ]
            yield from self._inline[key]

    def _excepted(
        self,
        verdict: Verdict,
        covering: Sequence[tuple[_Account, Part]],
        resource: Resource,
        finding: ExceptedFinding,
    ) -> Verdict:
        used: dict[int, _Account] = {}
        evidence = []
        # A verdict without evidence is about the whole resource, and that is where its waiver stands.
        for item in verdict.evidence or (Evidence("", exists=False, location=resource.locate(())),):
            accounts = [account for account, part in covering if _is_part(item, part)]
            used |= {id(account): account for account in accounts}
            first = accounts[0].policy_exception.exception if accounts and item.exception is None else item.exception
            evidence.append(msgspec.structs.replace(item, exception=first) if first is not item.exception else item)
        if not used:
            return verdict
        for account in used.values():
            account.findings.append(finding)
        status = Status.PASSED if all(item.exception is not None for item in evidence) else Status.FAILED
        return msgspec.structs.replace(verdict, status=status, evidence=tuple(evidence))


def _is_part(evidence: Evidence, part: Part) -> bool:
    """Whether evidence lies in the part of a resource that is meant."""
    return part is None or any(
        evidence.path == path or evidence.path.startswith((f"{path}.", f"{path}[")) for path in part
    )
