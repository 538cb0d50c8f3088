"""Image policies in files, and the conditions of a policy on predicates. Never verifies a signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.config.file import Configuration, ConfigurationDocument, read_configuration, read_documents
from kubekeep.engine.cel.program import CelEnvironment, CelProgram, CompileError
from kubekeep.engine.cel.types import BOOL, DYN
from kubekeep.engine.cel.values import BudgetError, CelError
from kubekeep.engine.isolation.limits import RuleStoppedError
from kubekeep.engine.isolation.queries import IsolatedQueries
from kubekeep.engine.isolation.rules import check_modules
from kubekeep.engine.rego import RegoError
from kubekeep.imagepolicy.imported.convert import convert_policies
from kubekeep.imagepolicy.imported.documents import is_imported
from kubekeep.imagepolicy.policy import ImagePolicy, InvalidPolicyError, PredicateCondition, parse_policy
from kubekeep.model.errors import KubekeepError
from kubekeep.model.location import Path as DocumentPath
from kubekeep.model.paths import error_reason
from kubekeep.model.text import visible
from kubekeep.signatures.verification import VerifiedSignature
from kubekeep.sources.files import open_file

_PACKAGE: Final = re.compile(r"^\s*package\s+([A-Za-z_][\w.]*)", re.MULTILINE)
_LARGEST_FILE: Final = 1 << 20
_LARGEST_PREDICATE: Final = 32 << 20
_SECONDS: Final = 5.0


class ConditionError(KubekeepError):
    """A condition has no result on a predicate; the message names the condition and the cause."""


class ImagePolicyFile(msgspec.Struct, frozen=True):
    """A policy with the file that contains it. notes: parts of an imported policy that do not affect images."""

    policy: ImagePolicy
    configuration: Configuration
    notes: tuple[str, ...] = ()

    def read_file(self, name: str, at: DocumentPath, limit: int = _LARGEST_FILE) -> bytes:
        """Return the content of a file that the policy names, relative to its folder. Raises ConfigurationError."""
        try:
            with open_file(str(self.resolve_path(name, at))) as stream:
                content = stream.read(limit + 1)
        except OSError as error:
            raise self.configuration.create_error(at, f"{name}: {error_reason(error)}") from error
        if len(content) > limit:
            raise self.configuration.create_error(at, f"{name}: larger than {limit:,} bytes")
        return content

    def resolve_path(self, name: str, at: DocumentPath) -> Path:
        """Return the path of a file or folder that the policy names. Raises ConfigurationError."""
        return Path(self.configuration.resolve_path(str(Path(name).expanduser()), at))


def load_image_policy(path: str) -> ImagePolicyFile:
    """Return the policy in a file: an image policy, or policies of the policy-controller or Kyverno, by their kind.

    Raises ConfigurationError with file, line and column.
    """
    documents = read_documents(path)
    if any(is_imported(document.content) for document in documents):
        return _convert(documents)
    configuration = read_configuration(path, is_explicit=True)
    try:
        policy = parse_policy(configuration.values)
    except InvalidPolicyError as error:
        raise configuration.create_error(error.path, str(error)) from error
    return ImagePolicyFile(policy, configuration)


def _convert(documents: Sequence[ConfigurationDocument]) -> ImagePolicyFile:
    """Return the image policy for imported policies. Raises ConfigurationError."""

    def locate(number: int, at: DocumentPath) -> str:
        return documents[number].format_location(at)

    try:
        imported = convert_policies(((number, each.content) for number, each in enumerate(documents)), locate)
    except InvalidPolicyError as error:
        raise documents[error.number].create_error(error.path, str(error)) from error
    return ImagePolicyFile(imported.policy, Configuration(documents[0].path, True, {}), imported.notes)


class PolicyConditions:
    """The compiled conditions of a policy, evaluated on predicates. Rego runs in a child process with limits."""

    def __init__(self, file: ImagePolicyFile) -> None:
        """Compile all conditions. Raises ConfigurationError with the location of an invalid one."""
        self._expressions: dict[str, CelProgram] = {}
        self._modules: dict[str, tuple[str, str]] = {}
        self._queries = IsolatedQueries()
        environment = CelEnvironment({"predicate": DYN, "predicateType": DYN, "signer": DYN, "annotations": DYN}, {})
        for number, rule in enumerate(file.policy.rules):
            for position, attestation in enumerate(rule.attestations):
                condition = attestation.condition
                if condition is None:
                    continue
                at: DocumentPath = ("rules", number, "attestations", position, "condition")
                if condition.cel:
                    try:
                        self._expressions[condition.cel] = environment.compile(condition.cel, None)
                    except CompileError as error:
                        raise file.configuration.create_error((*at, "cel"), str(error)) from error
                    if self._expressions[condition.cel].type not in (BOOL, DYN):
                        raise file.configuration.create_error((*at, "cel"), "the expression is not true or false")
                else:
                    self._modules[condition.rego] = _read_module(file, condition.rego, (*at, "rego"))

    def explain_failure(self, condition: PredicateCondition, signature: VerifiedSignature) -> str:
        """Return the reason why the condition does not hold, or "". Raises ConditionError if a limit is reached."""
        names = _build_input(signature)
        if not condition.cel:
            holds = self._evaluate_rego(condition.rego, names)
            return "" if holds else f"the condition {visible(condition.rego)} does not hold"
        try:
            holds = self._expressions[condition.cel].run(names) is True
        except BudgetError as error:
            raise ConditionError(f"condition {visible(condition.cel)}: {visible(str(error))}") from error
        except CelError as error:
            # A missing field is an error of the expression, as in Kubernetes: has() tests for it.
            return f"the condition {visible(condition.cel)} has no result: {visible(str(error))}"
        return "" if holds else f"the condition {visible(condition.cel)} does not hold"

    def _evaluate_rego(self, file: str, names: dict[str, Any]) -> bool:
        text, package = self._modules[file]
        try:
            rows = self._queries.evaluate(
                file,
                {file: text},
                f"data.{package}.allow = allow",
                data="{}",
                input=msgspec.json.encode(names).decode(),
                documents=1,
                rego_version="v1",
                time_limit=_SECONDS,
            )
        except (RegoError, RuleStoppedError) as error:
            raise ConditionError(f"condition {visible(file)}: {visible(str(error))}") from error
        return any(row.get("allow") is True for row in rows)


def check_size(predicate: bytes) -> None:
    """Raise ConditionError for a predicate above the limit."""
    if len(predicate) > _LARGEST_PREDICATE:
        raise ConditionError(f"a predicate has {len(predicate):,} bytes; the limit is {_LARGEST_PREDICATE:,}")


def _build_input(signature: VerifiedSignature) -> dict[str, Any]:
    """Return the values that conditions read: the predicate and the facts of the signature. Raises ConditionError."""
    check_size(signature.predicate)
    try:
        predicate = msgspec.json.decode(signature.predicate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConditionError("a predicate is not valid JSON") from error
    return {
        "predicate": predicate,
        "predicateType": signature.predicate_type,
        "signer": msgspec.to_builtins(signature.signer),
        "annotations": dict(signature.annotations),
    }


def _read_module(file: ImagePolicyFile, name: str, at: DocumentPath) -> tuple[str, str]:
    """Return the text and the package of a module. Raises ConfigurationError."""
    try:
        text = file.read_file(name, at).decode()
    except UnicodeDecodeError as error:
        raise file.configuration.create_error(at, f"{name}: not UTF-8 text") from error
    match = _PACKAGE.search(text)
    if match is None:
        raise file.configuration.create_error(at, f"{name}: no package; a condition is a module in Rego")
    try:
        check_modules({name: {name: text}})
    except ValueError as error:
        raise file.configuration.create_error(at, str(error)) from error
    return text, match[1]
