"""Evaluation of image policies: the result of each requirement, with the reason."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from kubekeep.imagepolicy.evaluate import ImagePolicyEvaluator, ImagePolicyResult, RequirementResult
from kubekeep.imagepolicy.languages import ImportedLanguages
from kubekeep.imagepolicy.policy import InvalidPolicyError, PredicateCondition, parse_policy
from kubekeep.model.verdict import Status
from kubekeep.registry.errors import UnreachableRegistryError
from kubekeep.registry.reference import parse_image_name
from kubekeep.signatures.verification import SignatureProblem, SignatureReport, Signer, VerifiedSignature

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
DIGEST = "sha256:" + "ab" * 32
APP = "registry.example/team/app:1.0"
SIGNERS = {
    "team": {"key": "team.pub"},
    "ci": {"identity": "https://example/workflow", "issuer": "https://issuer.example"},
    "vendor": {"trustStore": "notation", "stores": ["ca:vendor"]},
}
SLSA = "https://slsa.dev/provenance/v1"
SIGNATURE = VerifiedSignature("cosign", "referrers", DIGEST, Signer(key="cd" * 32))


def document(*rules: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    header = {"apiVersion": "image.kubekeep.io/v1", "kind": "ImagePolicy", "unmatched": "deny", "signers": SIGNERS}
    return header | fields | {"rules": list(rules)}


def report(*signatures: VerifiedSignature, problems: tuple[str, ...] = ()) -> SignatureReport:
    return SignatureReport(APP, DIGEST, signatures, tuple(SignatureProblem("tag", reason) for reason in problems))


def attest(predicate: Any, predicate_type: str = SLSA, time: str = "") -> VerifiedSignature:
    signer = Signer(identity="https://example/workflow", issuer="https://issuer.example", time=time)
    return VerifiedSignature("cosign", "referrers", DIGEST, signer, predicate_type, json.dumps(predicate).encode())


def evaluate(
    policy: Any, name: str = APP, *, created: str = "", reports: Mapping[str, SignatureReport | Exception] | None = None
) -> ImagePolicyResult:
    """Evaluate a policy; a condition holds if its text is the predicate's field `ok`."""

    def verify(signer: str) -> SignatureReport:
        result = (reports or {}).get(signer, report())
        if isinstance(result, Exception):
            raise result
        return result

    def explain(condition: PredicateCondition, signature: VerifiedSignature) -> str:
        return (
            "" if msgspec.json.decode(signature.predicate).get("ok") == condition.cel else "the condition does not hold"
        )

    return ImagePolicyEvaluator(parse_policy(policy), explain, NOW, ImportedLanguages()).evaluate(
        parse_image_name(name), verify, lambda: created
    )


def only(result: ImagePolicyResult) -> RequirementResult:
    (requirement,) = result.requirements
    return requirement


@pytest.mark.parametrize(("unmatched", "status"), [("allow", Status.PASSED), ("deny", Status.FAILED)])
def test_images_without_a_rule(unmatched: str, status: Status) -> None:
    result = evaluate(document(unmatched=unmatched), "nginx")
    assert (result.status, result.rule) == (status, "")
    assert "no rule covers the image" in only(result).reason


def test_most_specific_rule_decides() -> None:
    rules = (
        {"images": ["*"], "action": "deny"},
        {"images": ["registry.example/team"], "action": "allow"},
        {"images": ["registry.example/team/app"], "signedBy": ["team"]},
        {"images": ["registry.example/team/app:0.*", "registry.example/old"], "action": "deny"},
    )
    decisions = {
        "nginx": ("*", Status.FAILED),
        "registry.example/team/other": ("registry.example/team", Status.PASSED),
        APP: ("registry.example/team/app", Status.FAILED),
        "registry.example/team/app:0.9": ("registry.example/team/app:0.*", Status.FAILED),
    }
    for name, decision in decisions.items():
        result = evaluate(document(*rules), name)
        assert (result.rule, result.status) == decision, name


def test_registries_come_before_rules() -> None:
    allow = {"images": ["*"], "action": "allow"}
    allowed = document(allow, allowedRegistries=["registry.example"])
    assert evaluate(allowed).status == Status.PASSED
    assert evaluate(allowed, "nginx").status == Status.FAILED
    forbidden = document(allow, forbiddenRegistries=["registry.example/team"])
    assert evaluate(forbidden).status == Status.FAILED
    assert evaluate(forbidden, "registry.example/other").status == Status.PASSED


def test_pinned_digests() -> None:
    policy = document({"images": ["*"], "pinned": True})
    assert evaluate(policy).status == Status.FAILED
    assert evaluate(policy, f"{APP}@{DIGEST}").status == Status.PASSED


@pytest.mark.parametrize(
    ("created", "status"),
    [
        ("2026-11-20T00:00:00Z", Status.PASSED),
        ("2026-11-20T00:00:00.123456789Z", Status.PASSED),
        ("2026-10-30T00:00:01Z", Status.PASSED),
        ("2026-10-30T00:00:00Z", Status.FAILED),
        ("2020-01-01T00:00:00+02:00", Status.FAILED),
        ("", Status.NOT_EVALUATED),
        ("1970-01-01T00:00:00Z", Status.NOT_EVALUATED),
        ("2027-01-01T00:00:00Z", Status.NOT_EVALUATED),
        ("yesterday", Status.NOT_EVALUATED),
    ],
)
def test_age(created: str, status: Status) -> None:
    assert evaluate(document({"images": ["*"], "maximumAgeDays": 30}), created=created).status == status


def test_signatures() -> None:
    policy = document({"images": ["*"], "signedBy": ["team", "ci"]})
    unreachable = UnreachableRegistryError("registry.example is unreachable")
    cases: tuple[tuple[Mapping[str, SignatureReport | Exception], Status, str], ...] = (
        ({"team": report(SIGNATURE)}, Status.PASSED, "by team"),
        ({"ci": report(SIGNATURE)}, Status.PASSED, "by ci"),
        ({}, Status.FAILED, "no signature by team or ci"),
        ({"team": report(problems=("wrong key",))}, Status.FAILED, "wrong key"),
        ({"team": unreachable, "ci": report(SIGNATURE)}, Status.PASSED, "by ci"),
        ({"team": unreachable}, Status.NOT_EVALUATED, "registry.example is unreachable"),
        # An attestation by the same signer is no signature of the image.
        ({"ci": report(attest({}))}, Status.FAILED, "no signature by team or ci"),
    )
    for reports, status, reason in cases:
        requirement = only(evaluate(policy, reports=reports))
        assert (requirement.status, reason in requirement.reason) == (status, True), requirement


def test_every_requirement_is_evaluated() -> None:
    policy = document({"images": ["*"], "signedBy": ["team"], "pinned": True, "maximumAgeDays": 30})
    result = evaluate(policy, reports={"team": report(SIGNATURE)})
    assert {entry.requirement: entry.status for entry in result.requirements} == {
        "pinned": Status.FAILED,
        "age": Status.NOT_EVALUATED,
        "signature": Status.PASSED,
    }
    assert result.status == Status.FAILED


V1 = {
    "buildDefinition": {
        "externalParameters": {"workflow": {"repository": "https://github.com/example/app", "ref": "refs/heads/main"}}
    },
    "runDetails": {"builder": {"id": "https://builder.example/v1"}, "metadata": {"finishedOn": "2026-11-28T00:00:00Z"}},
}
V02 = {
    "builder": {"id": "https://builder.example/v1"},
    "invocation": {"configSource": {"uri": "git+https://github.com/example/app.git@refs/heads/main"}},
    "metadata": {"buildFinishedOn": "2026-11-28T00:00:00Z"},
}
OLD = {**V1, "runDetails": {"metadata": {"finishedOn": "2025-11-28T00:00:00Z"}}}


@pytest.mark.parametrize("predicate", [attest(V1), attest(V02, "https://slsa.dev/provenance/v0.2")])
@pytest.mark.parametrize(
    ("requirement", "status"),
    [
        ({}, Status.PASSED),
        ({"builder": "https://builder.example/v1"}, Status.PASSED),
        ({"builder": "https://builder.example/*"}, Status.PASSED),
        ({"builder": "https://builder.example"}, Status.FAILED),
        ({"builder": "https://*"}, Status.FAILED),
        ({"source": "https://github.com/example/app"}, Status.PASSED),
        ({"source": "https://github.com/example/*"}, Status.PASSED),
        ({"source": "https://github.com/*"}, Status.FAILED),
        ({"source": "https://github.com/example/apps"}, Status.FAILED),
        ({"maximumAgeDays": 2}, Status.PASSED),
        ({"maximumAgeDays": 1}, Status.FAILED),
        ({"condition": {"cel": "other"}}, Status.FAILED),
        ({"signedBy": ["team"]}, Status.FAILED),
    ],
)
def test_provenance(predicate: VerifiedSignature, requirement: Mapping[str, Any], status: Status) -> None:
    rule = {"images": ["*"], "attestations": [{"type": "slsaprovenance", "signedBy": ["ci"], **requirement}]}
    result = evaluate(document(rule), reports={"ci": report(predicate)})
    assert result.status == status, result


def test_one_attestation_meets_all_conditions() -> None:
    rule = {
        "images": ["*"],
        "attestations": [
            {
                "type": "slsaprovenance",
                "signedBy": ["ci"],
                "maximumAgeDays": 30,
                "condition": {"cel": "yes"},
            }
        ],
    }
    old_but_right, new_but_wrong = attest({**OLD, "ok": "yes"}), attest({**V1, "ok": "no"})
    result = evaluate(document(rule), reports={"ci": report(old_but_right, new_but_wrong)})
    assert result.status == Status.FAILED
    assert "days old" in only(result).reason
    assert "condition" in only(result).reason
    result = evaluate(document(rule), reports={"ci": report(old_but_right, attest({**V1, "ok": "yes"}))})
    assert result.status == Status.PASSED


@pytest.mark.parametrize(
    ("required", "predicate_type", "status"),
    [
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1", Status.PASSED),
        ("spdx", "https://spdx.dev/Document/v2.3", Status.PASSED),
        ("openvex", "https://openvex.dev/ns/v0.2.0", Status.PASSED),
        ("https://example.org/test", "https://example.org/test", Status.PASSED),
        ("https://example.org/test", "https://example.org/test2", Status.FAILED),
        ("vuln", SLSA, Status.FAILED),
    ],
)
def test_types_of_predicates(required: str, predicate_type: str, status: Status) -> None:
    rule = {"images": ["*"], "attestations": [{"type": required, "signedBy": ["ci"]}]}
    assert evaluate(document(rule), reports={"ci": report(attest({}, predicate_type))}).status == status


def test_unreadable_predicates_and_unreachable_registries_are_not_evaluated() -> None:
    rule = {"images": ["*"], "attestations": [{"type": "slsaprovenance", "signedBy": ["ci"], "builder": "b"}]}
    broken = msgspec.structs.replace(attest({}), predicate=b"[1")
    reports: tuple[SignatureReport | Exception, ...] = (report(broken), UnreachableRegistryError("down"))
    for result in reports:
        assert evaluate(document(rule), reports={"ci": result}).status == Status.NOT_EVALUATED


INVALID: tuple[tuple[Any, tuple[str | int, ...], str], ...] = (
    ({"kind": "ImagePolicy"}, (), "missing required field"),
    (document(unmatched="maybe"), ("unmatched",), "Invalid enum value 'maybe'"),
    (document(example=1), (), "unknown field `example`"),
    (document({"images": []}), ("rules", 0, "images"), "length >= 1"),
    (document({"images": ["*"]}), ("rules", 0), "the rule requires nothing"),
    (document({"images": ["*"], "action": "allow", "pinned": True}), ("rules", 0, "action"), "cannot be used with"),
    (document({"images": ["*"], "signedBy": ["x"]}), ("rules", 0, "signedBy", 0), "unknown signer x"),
    (document({"images": ["a b"], "pinned": True}), ("rules", 0, "images", 0), "is not a pattern"),
    (document({"images": ["*", "*"], "pinned": True}), ("rules", 0, "images", 1), "two rules have the pattern"),
    (
        document({"images": ["nginx", "Registry-1.Docker.io:443/nginx"], "pinned": True}),
        ("rules", 0, "images", 1),
        "two rules have the pattern Registry-1.Docker.io:443/nginx, which is also nginx",
    ),
    (document(allowedRegistries=["a b"]), ("allowedRegistries", 0), "is not a pattern"),
    (document(signers={"a": {}}), ("signers", "a"), "use either key"),
    (document(signers={"a": {"key": "a", "identity": "b"}}), ("signers", "a"), "use either key"),
    (document(signers={"a": {"identity": "b"}}), ("signers", "a"), "exactly one of issuer"),
    (
        document(signers={"a": {"identity": "b", "identityRegexp": "b", "issuer": "c"}}),
        ("signers", "a"),
        "exactly one of identity",
    ),
    (document(signers={"a": {"trustStore": "b"}}), ("signers", "a"), "a signer of notation has"),
    (document(signers={"a": {"key": 1}}), ("signers",), "Expected `str`"),
    (
        document({"images": ["*"], "attestations": [{"type": "spdx", "signedBy": ["ci"], "builder": "b"}]}),
        ("rules", 0, "attestations", 0),
        "need the type slsaprovenance",
    ),
    (
        document({"images": ["*"], "attestations": [{"type": "spdx", "signedBy": ["vendor"]}]}),
        ("rules", 0, "attestations", 0, "signedBy", 0),
        "not attestations",
    ),
    (
        document({"images": ["*"], "attestations": [{"type": "spdx", "signedBy": ["ci"], "condition": {}}]}),
        ("rules", 0, "attestations", 0, "condition"),
        "either cel or rego",
    ),
    (document({"images": ["*"], "maximumAgeDays": 0}), ("rules", 0, "maximumAgeDays"), ">= 1"),
    ([], (), "Expected `object`"),
)


@pytest.mark.parametrize(("policy", "path", "reason"), INVALID, ids=[reason for _, _, reason in INVALID])
def test_invalid_policies(policy: Any, path: tuple[str | int, ...], reason: str) -> None:
    with pytest.raises(InvalidPolicyError) as failure:
        parse_policy(policy)
    assert reason in str(failure.value)
    assert failure.value.path == path
