"""Exceptions in files and ready-made sets, described for people and checked. Never scans."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kubekeep.exceptions.load import ExceptionOptions, read_all, read_set
from kubekeep.exceptions.policy_exception import Designator, PackageSelector, PolicyException
from kubekeep.exceptions.sets import list_sets, read_set_title
from kubekeep.images.package_url import format_package_url
from kubekeep.model.exception import AppliedException, ExceptionUse
from kubekeep.model.label_selector import LabelSelector
from kubekeep.usecases.exceptions import check_exceptions

_FORMS = {
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
}
"""Requirements of a selector in the syntax of kubectl."""


class ExceptionSet(msgspec.Struct, frozen=True):
    """A ready-made set and the number of its exceptions."""

    name: str
    exceptions: int
    title: str


class ExceptionScope(msgspec.Struct, frozen=True):
    """An exception, and what it covers in words. resources and packages: alternatives of conditions by attribute."""

    exception: AppliedException
    controls: list[str]
    resources: list[dict[str, str]]
    objects: list[str]
    namespaces: list[str]
    packages: list[dict[str, str]]


def describe_sets() -> list[ExceptionSet]:
    """Return the ready-made sets."""
    return [ExceptionSet(name, len(read_set(name)), read_set_title(name)) for name in list_sets()]


def describe_exceptions(files: Sequence[str], sets: Sequence[str]) -> list[ExceptionScope]:
    """Return the exceptions in files and sets. Raises KubekeepError for a file that cannot be used."""
    return [_describe(exception) for exception in _read(files, sets)]


def check_files(files: Sequence[str], sets: Sequence[str]) -> tuple[ExceptionUse, ...]:
    """Return each exception's use without a scan. Raises KubekeepError for a file that cannot be used."""
    return check_exceptions(_read(files, sets))


def _read(files: Sequence[str], sets: Sequence[str]) -> tuple[PolicyException, ...]:
    return read_all(ExceptionOptions(files=tuple(files), sets=tuple(sets)))


def _describe(policy_exception: PolicyException) -> ExceptionScope:
    return ExceptionScope(
        policy_exception.exception,
        controls=[_format_policy(policy.framework, policy.names) for policy in policy_exception.policies],
        resources=[_list_attributes(designator) for designator in policy_exception.designators],
        objects=_format_selector(policy_exception.objects),
        namespaces=_format_selector(policy_exception.namespaces),
        packages=[_describe_selector(selector) for selector in policy_exception.packages],
    )


def _format_policy(framework: str, names: Sequence[str]) -> str:
    return " ".join(filter(None, (f"{framework}:" if framework else "", *names))) or "all"


def _format_selector(selector: LabelSelector | None) -> list[str]:
    if selector is None:
        return []
    return [
        _FORMS[requirement.operator].format(key=requirement.key, values=",".join(requirement.values))
        for requirement in selector.requirements
    ]


def _describe_selector(selector: PackageSelector) -> dict[str, str]:
    purl = {} if selector.purl is None else {"purl": format_package_url(selector.purl)}
    return {**purl, **dict(selector.patterns)}


def _list_attributes(designator: Designator) -> dict[str, str]:
    group = {"apiGroup": designator.group} if designator.group else {}
    return {**dict(designator.attributes), **group}
