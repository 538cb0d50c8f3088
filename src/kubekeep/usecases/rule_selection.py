"""Resolution of requested rules: names to controls and frameworks, with third-party rules. Never evaluates."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.admission.policy import AdmissionError, AdmissionPolicies, collect_bound_policies, collect_policies
from kubekeep.library.extra import CUSTOM_RULES, load_rules
from kubekeep.library.kubescape_rules import KubescapeControl
from kubekeep.library.params import ParamsError, find_params, read_params
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.control import Provider
from kubekeep.model.errors import RequestError
from kubekeep.model.framework import Framework
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import mask_message
from kubekeep.posture.select import Selection, UnknownNameError, find_controls, find_frameworks, select
from kubekeep.posture.third_party import ThirdPartyEvaluator
from kubekeep.sources.inputs import read
from kubekeep.usecases.request import RuleOptions

DEFAULT_FRAMEWORKS: Final = ("recommended",)
IMAGE_FRAMEWORK: Final = "images"
"""The framework that scans of images use without names."""


class RuleFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files with rules: custom ones, bundles that replace the library, and parameters of controls."""

    custom: tuple[Path, ...] = ()
    bundles: tuple[Path, ...] = ()
    params: Path | None = None


class RuleSetting(enum.Enum):
    """Settings of the rules of a request that an error can be about."""

    NAMES = enum.auto()
    EXCLUDED = enum.auto()
    PARAMS = enum.auto()


def create_rule_options(
    files: RuleFiles,
    *,
    frameworks: tuple[str, ...],
    controls: tuple[str, ...] = (),
    excluded: tuple[str, ...],
    provider: Provider | None,
    policies: tuple[str, ...],
    cluster_policies: bool = False,
) -> RuleOptions:
    """Return the options of rules. Raises KubekeepError for a file that cannot be read."""
    rules = load_rules(files.custom, files.bundles)
    return RuleOptions(
        frameworks=frameworks,
        controls=controls,
        excluded=excluded,
        params={} if files.params is None else read_params(files.params, rules.all_controls),
        extra=rules,
        policies=policies,
        cluster_policies=cluster_policies,
        provider=provider,
    )


def find_invalid_setting(error: Exception, excluded: Sequence[str]) -> RuleSetting | None:
    """Return the setting that an error of a request is about; None for another one."""
    if isinstance(error, ParamsError):
        return RuleSetting.PARAMS
    if not isinstance(error, UnknownNameError):
        return None
    return RuleSetting.EXCLUDED if any(repr(name) in str(error) for name in excluded) else RuleSetting.NAMES


class RuleSelector:
    """Resolver of the requested rules. Names are resolved once; `select` adds the settings of a cluster."""

    def __init__(self, options: RuleOptions, *, whole_cluster: bool) -> None:
        """Raises UnknownNameError, RequestError, LibraryError and AdmissionError for rules that cannot be used."""
        self._options = options
        self._whole_cluster = whole_cluster
        self._extra = extra = options.extra or load_rules()
        third_party = tuple(entry.control for entry in extra.controls)
        self._excluded = frozenset(
            control.slug for control in find_controls(options.excluded, extra.library, third_party)
        )
        self._named = tuple(
            control
            for control in find_controls(options.controls, extra.library, third_party)
            if control.slug not in self._excluded
        )
        custom = (CUSTOM_RULES,) if extra.has_custom_rules else ()
        requested = find_frameworks(options.frameworks, extra.library, (*extra.frameworks, *custom))
        self._is_default = not (options.controls or requested)
        frameworks = requested or (self._default_frameworks() if self._is_default else ())
        self._frameworks = tuple({framework.slug: framework for framework in (*frameworks, *custom)}.values())
        self._third_party = [
            entry for entry in self._requested_third_party() if entry.control.slug not in self._excluded
        ]
        self._policies = read_policies(options.policies) if options.policies else None
        self.selection = self._select(())
        """The selection for an input without settings."""

    @property
    def exception_files(self) -> tuple[str, ...]:
        """Files of exceptions that belong to bundles."""
        return self._extra.exceptions

    def select(self, settings: Sequence[Resource]) -> Selection:
        """Return the selection with parameters and policies from `settings`, objects of a cluster.

        Parameters of the request take precedence over those of the cluster, and these over those of bundles. Raises
        ParamsError for malformed settings.
        """
        return self._select(settings) if settings else self.selection

    def _select(self, settings: Sequence[Resource]) -> Selection:
        extra, options = self._extra, self._options
        params = {**extra.inputs, **find_params(settings), **options.params}
        selection = select(
            self._frameworks,
            self._named,
            excluded=self._excluded,
            params=params,
            whole_cluster=self._whole_cluster,
            provider=options.provider,
            library=extra.library,
            evaluators=self._evaluators(params, settings),
        )
        if self._excluded and not selection.controls:
            raise RequestError("every control is excluded: no control remains")
        return msgspec.structs.replace(selection, requested_params=frozenset(options.params))

    def _default_frameworks(self) -> tuple[Framework, ...]:
        """Return the frameworks of the bundles, or those of the library by default."""
        if self._extra.has_bundles:
            return self._extra.frameworks
        return find_frameworks(DEFAULT_FRAMEWORKS, self._extra.library)

    def _requested_third_party(self) -> Iterator[KubescapeControl]:
        """Yield the requested controls of bundles and Rego files.

        A control is yielded without its numbers if a library control of this scan has one of them.
        """
        frameworks = {framework.slug for framework in self._frameworks}
        slugs = {control.slug for control in self._named}
        library_numbers = self._library_numbers() if self._extra.controls else set()
        for entry in self._extra.controls:
            control = entry.control
            is_default = self._is_default and not control.satisfies
            if is_default or control.slug in slugs or not frameworks.isdisjoint(control.satisfies):
                unnumbered = msgspec.structs.replace(entry, control=msgspec.structs.replace(control, ids=()))
                yield entry if library_numbers.isdisjoint(control.ids) else unnumbered

    def _library_numbers(self) -> set[str]:
        """Return the numbers of the library controls in this scan."""
        library = self._extra.library
        members = (control for framework in self._frameworks for control in library.select_members(framework))
        controls = itertools.chain(members, self._named)
        return {number for control in controls if control.slug in library.controls for number in control.ids}

    def _evaluators(
        self, params: dict[str, tuple[str, ...]], settings: Sequence[Resource]
    ) -> list[ThirdPartyEvaluator]:
        """Return the evaluators of Kubescape rules and of admission policies."""
        evaluators: list[ThirdPartyEvaluator] = []
        if self._third_party:
            from kubekeep.posture.kubescape_rules import KubescapeEvaluator  # noqa: PLC0415 - only with such rules

            values = {**self._extra.default_params, **params}
            evaluators.append(KubescapeEvaluator(self._third_party, params=values, provider=self._options.provider))
        policies = [self._policies] if self._policies is not None else []
        if self._options.cluster_policies:
            policies.append(collect_bound_policies(settings))
        if policies:
            # Only a scan with policies pays for loading CEL.
            from kubekeep.admission.evaluate import PolicyEvaluator  # noqa: PLC0415

            slugs = {*self._extra.library.controls, *(entry.control.slug for entry in self._extra.controls)}
            for group in policies:
                evaluator = PolicyEvaluator(group, slugs)
                slugs |= {control.slug for control in evaluator.controls}
                evaluators.append(evaluator)
        return evaluators


def read_policies(paths: Sequence[str]) -> AdmissionPolicies:
    """Return the admission policies at `paths`. Raises AdmissionError for any file that cannot be read."""
    resources: list[Resource] = []
    with read(paths) as source:
        for resource in source:
            if isinstance(resource, UnreadInput):
                raise AdmissionError(f"{resource.location}: {mask_message(resource.message)}")
            if isinstance(resource, Resource):
                resources.append(resource)
    return collect_policies(resources)
