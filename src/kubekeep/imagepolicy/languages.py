"""Languages of imported policies: Rego of the policy-controller, CEL of ImageValidatingPolicy.

Modules run in a child process with limits. What is not known makes an expression fail to have a result, never true.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.program import KUBERNETES, CelEnvironment, CelProgram, CompileError
from kubekeep.engine.cel.types import BOOL, DYN, STRING, parse_type
from kubekeep.engine.cel.values import BudgetError, CelError, UnavailableError
from kubekeep.engine.isolation.limits import RuleStoppedError
from kubekeep.engine.isolation.queries import IsolatedQueries
from kubekeep.engine.rego import RegoError
from kubekeep.imagepolicy.combined import BUNDLE, Verify
from kubekeep.imagepolicy.conditions import ConditionError, check_size
from kubekeep.imagepolicy.requirements import ImageExpression, SigstoreRego
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.signatures.envelope import Statement
from kubekeep.signatures.verification import VerifiedSignature

_SECONDS: Final = 5.0
_QUERY: Final = "data.sigstore.isCompliant = result"
_ATTESTATION_TYPES: Final = "map(string, string)"


class ImportedLanguages:
    """The conditions of imported policies. Implements PolicyLanguages."""

    def __init__(self) -> None:
        self._queries = IsolatedQueries()

    def holds(self, rego: SigstoreRego, signature: VerifiedSignature) -> bool:
        """Return True if `sigstore.isCompliant` holds on the statement of an attestation. Raises ConditionError."""
        try:
            rows = self._queries.evaluate(
                "policy",
                {"sigstore.rego": rego.module},
                _QUERY,
                data="{}",
                input=_encode_statement(signature),
                documents=1,
                rego_version="v0",
                time_limit=_SECONDS,
            )
        except (RegoError, RuleStoppedError) as error:
            raise ConditionError(f"the rego policy has no result: {visible(str(error))}") from error
        return any(_is_compliant(row.get("result")) for row in rows)

    def matches(self, expression: str, image: str) -> bool:
        """Return the value of a condition on the name of an image. Raises ConditionError."""
        return _run(_compile_match(expression), {"ref": image}, expression)

    def explain_failure(self, expression: ImageExpression, image: str, verify: Verify) -> str:
        """Return the reason why an expression about one image does not hold, or "". Raises ConditionError."""
        functions = _ImageFunctions(expression, image, verify)
        environment = CelEnvironment(
            {
                "images": parse_type("map(string, list(string))"),
                "attestors": parse_type("map(string, dyn)"),
                "attestations": parse_type(_ATTESTATION_TYPES),
            },
            {},
            FunctionRegistry((KUBERNETES, functions.registry)),
        )
        names = {
            "images": {"containers": [image], "initContainers": [], "ephemeralContainers": []},
            "attestors": {name: name for name in expression.attestors},
            "attestations": {name: name for name in expression.attestations},
        }
        try:
            program = environment.compile(expression.cel, None)
        except CompileError as error:
            reason = "only images, attestors and attestations are known, and not all functions of Kyverno"
            raise ConditionError(f"the expression cannot be evaluated ({visible(str(error))}): {reason}") from error
        if not _run(program, names, expression.cel):
            return f"the expression is false: {visible(' '.join(expression.cel.split())[:200])}"
        if expression.must_verify and not functions.has_verified:
            return "no signature or attestation was verified, and required is true"
        return ""


class _ImageFunctions:
    """The functions of expressions that verify the image."""

    def __init__(self, expression: ImageExpression, image: str, verify: Verify) -> None:
        self._expression = expression
        self._image = image
        self._verify = verify
        self._payloads: dict[str, Any] = {}
        self.has_verified = False
        """True if a signature or an attestation by one of the attestors was verified."""
        self.registry = FunctionRegistry()
        declare = self.registry.function
        declare("verifyImageSignatures", "string, list(dyn) -> int")(self._count_signatures)
        declare("verifyAttestationSignatures", "string, string, list(dyn) -> int")(self._count_attestations)
        declare("extractPayload", "string, string -> dyn")(self._extract)

    def _count_signatures(self, image: str, attestors: list[Any]) -> int:
        self._check_image(image)

        def is_signature(signature: VerifiedSignature) -> bool:
            return not signature.predicate_type or signature.format == BUNDLE

        count = sum(any(map(is_signature, self._list_verified(attestor))) for attestor in attestors)
        self.has_verified |= count > 0
        return count

    def _count_attestations(self, image: str, attestation: str, attestors: list[Any]) -> int:
        self._check_image(image)
        expected = self._find_type(attestation)
        count = 0
        for attestor in attestors:
            matches = [each for each in self._list_verified(attestor) if each.predicate_type == expected]
            if matches:
                count += 1
                # Kyverno keeps the payload that it verified last.
                self._payloads[attestation] = msgspec.json.decode(_encode_statement(matches[-1]))
                if len(matches) > 1:
                    self._payloads[attestation] = None
        self.has_verified |= count > 0
        return count

    def _extract(self, image: str, attestation: str) -> Any:
        self._check_image(image)
        self._find_type(attestation)
        payload = self._payloads.get(attestation)
        if payload is None:
            raise UnavailableError(f"extractPayload({attestation}): there is not exactly one verified attestation")
        return payload

    def _list_verified(self, attestor: Any) -> tuple[VerifiedSignature, ...]:
        signer = self._expression.attestors.get(attestor) if isinstance(attestor, str) else None
        if not signer:
            reason = self._expression.not_evaluated.get(attestor) if isinstance(attestor, str) else None
            raise UnavailableError(reason or f"unknown attestor {str(attestor)[:100]}")
        try:
            return self._verify(signer).verified
        except (KubekeepError, RejectedArtifactError) as error:
            raise UnavailableError(str(error)) from error

    def _find_type(self, attestation: str) -> str:
        if attestation not in self._expression.attestations:
            raise UnavailableError(
                f"attestation {attestation[:100]}: not an attestation of the type intoto in the policy"
            )
        return self._expression.attestations[attestation]

    def _check_image(self, image: str) -> None:
        if image != self._image:
            raise UnavailableError("another image than the one of the container cannot be verified")


@functools.lru_cache(maxsize=256)
def _compile_match(expression: str) -> CelProgram:
    try:
        return CelEnvironment({"ref": STRING}, {}).compile(expression, BOOL)
    except CompileError as error:
        raise ConditionError(f"matchImageReferences {visible(expression[:200])}: {visible(str(error))}") from error


def _run(program: CelProgram, names: Mapping[str, Any], text: str) -> bool:
    shown = visible(" ".join(text.split())[:200])
    if program.type not in (BOOL, DYN):
        raise ConditionError(f"the expression {shown} is not true or false")
    try:
        value = program.run(names)
    except (BudgetError, CelError) as error:
        raise ConditionError(f"the expression {shown} has no result: {visible(str(error))}") from error
    if not isinstance(value, bool):
        raise ConditionError(f"the expression {shown} is not true or false")
    return value


def _encode_statement(signature: VerifiedSignature) -> str:
    """Return the statement of an attestation with the fields that policy engines know. Raises ConditionError."""
    check_size(signature.statement)
    try:
        statement = msgspec.json.decode(signature.statement, type=Statement)
        predicate = msgspec.json.decode(statement.predicate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConditionError("the statement of an attestation is not valid JSON") from error
    document = {
        "_type": statement.type,
        "predicateType": statement.predicate_type,
        "subject": [{"name": subject.name or "", "digest": subject.digest} for subject in statement.subject],
        "predicate": predicate,
    }
    return msgspec.json.encode(document).decode()


def _is_compliant(result: Any) -> bool:
    """Return True if a result of isCompliant holds. Raises ConditionError if the order of its parts decides.

    A list has objects with result, warning and error; the first one with a result that is true decides, and a warning
    counts as a failure.
    """
    if isinstance(result, bool):
        return result
    if not isinstance(result, list):
        return False
    if not all(isinstance(each, dict) for each in result):
        raise ConditionError("isCompliant is a list with other values than objects")
    decisions = {not each.get("warning") for each in result if each.get("result") is True}
    if len(decisions) > 1:
        raise ConditionError("isCompliant has results with and without a warning, and their order decides")
    return True in decisions
