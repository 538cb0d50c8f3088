"""Policies of the policy-controller on signed images in a real registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imagepolicy.imported import (
    FAILED,
    PASSED,
    SPDX,
    UNKNOWN,
    Case,
    attested,
    check_case,
    configuration,
    controller,
    key,
    keyless,
    rego,
    remote_root,
    secret,
)
from tests.imagepolicy.signed_images import CUSTOM, SignedImages

CUE = {"type": "cue", "data": 'predicateType: "x"'}
COMPLIANT = 'isCompliant { input.predicate.name == "shop"; input._type == "https://in-toto.io/Statement/v1" }'
OTHER = 'isCompliant { input.predicate.name == "other" }'
LIST = 'isCompliant[response] { response := {"result": input.predicate.name == "shop", "warning": "", "error": ""} }'
WARNING = 'isCompliant[response] { response := {"result": true, "warning": "old", "error": ""} }'

CASES: list[Case] = [
    ("key", lambda i: [controller(key(i))], "signed", PASSED, "signed by policy/authority-0"),
    ("v1alpha1", lambda i: [controller(key(i)) | {"apiVersion": "policy.sigstore.dev/v1alpha1"}], "signed", PASSED, ""),
    ("wrong key", lambda i: [controller(key(i))], "strange", FAILED, "signed with another key"),
    ("unsigned", lambda i: [controller(key(i))], "unsigned", FAILED, "no signature by"),
    ("tampered", lambda i: [controller(key(i))], "tampered", FAILED, "about another digest"),
    (
        "bundle for legacy",
        lambda i: [controller(key(i))],
        "bundled",
        FAILED,
        "the policy accepts the format legacy-tag",
    ),
    ("authorities are alternatives", lambda i: [controller(key(i, "second"), key(i))], "signed", PASSED, ""),
    ("only the first PEM counts", lambda i: [controller(key(i, data=i.pem("second") + i.pem()))], "signed", FAILED, ""),
    (
        "policies hold together",
        lambda i: [controller(key(i)), controller(key(i, "second"), name="other")],
        *("signed", FAILED, "no signature by other/authority-0"),
    ),
    (
        "both policies hold",
        lambda i: [controller(key(i)), controller(key(i, "second"), name="other")],
        *("both", PASSED, ""),
    ),
    ("glob of a repository", lambda i: [controller(key(i), glob=f"{i.address}/team/*")], "signed", PASSED, ""),
    ("no policy", lambda i: [controller(key(i), glob="ghcr.io/**")], "signed", FAILED, "unmatched images are denied"),
    (
        *("no policy, allowed", lambda i: [controller(key(i), glob="ghcr.io/**"), configuration("allow")]),
        *("signed", PASSED, "unmatched images are allowed"),
    ),
    (
        *("no policy, warning", lambda i: [controller(key(i), glob="ghcr.io/**"), configuration("warn")]),
        *("signed", PASSED, "unmatched"),
    ),
    ("tag glob", lambda i: [controller(key(i), glob=f"{i.address}/**:1")], "unsigned", UNKNOWN, "it is not known"),
    ("digest glob", lambda i: [controller(key(i), glob=f"{i.address}/**@sha256:*")], "signed", UNKNOWN, "not known"),
    ("static pass", lambda _: [controller({"static": {"action": "pass"}})], "unsigned", PASSED, "static: pass"),
    (
        *("static fail", lambda _: [controller({"static": {"action": "fail", "message": "stop"}})]),
        *("signed", FAILED, "static: fail stop"),
    ),
    ("mode warn", lambda i: [controller(key(i), mode="warn")], "unsigned", PASSED, "warning, the policy allows"),
    (
        *("warn is not passed", lambda _: [controller({"key": {"kms": "gcpkms://k"}}, mode="warn")]),
        *("signed", UNKNOWN, "keys of a KMS are not fetched"),
    ),
    ("kms", lambda _: [controller({"key": {"kms": "awskms:///k"}})], "signed", UNKNOWN, r"policies\.yaml:10:7: spec"),
    ("kms beside a valid key", lambda i: [controller({"key": {"kms": "gcpkms://k"}}, key(i))], "signed", PASSED, ""),
    (
        *("kms beside an invalid key", lambda i: [controller({"key": {"kms": "gcpkms://k"}}, key(i, "second"))]),
        *("signed", UNKNOWN, r"authorities\[0\]\.key\.kms"),
    ),
    (
        *("secret", lambda i: [controller({"key": {"secretRef": {"name": "k"}}}), secret(i, "k")]),
        *("signed", PASSED, ""),
    ),
    (
        *("secret, wrong key", lambda i: [controller({"key": {"secretRef": {"name": "k"}}}), secret(i, "k")]),
        *("strange", FAILED, ""),
    ),
    (
        *("missing secret", lambda _: [controller({"key": {"secretRef": {"name": "k"}}})]),
        *("signed", UNKNOWN, "the Secret k is not in the file; add it"),
    ),
    ("hash algorithm", lambda i: [controller(key(i, hashAlgorithm="sha512"))], "sha512", PASSED, ""),
    ("other hash algorithm", lambda i: [controller(key(i))], "sha512", FAILED, ""),
    ("sha224", lambda i: [controller(key(i, hashAlgorithm="sha224"))], "signed", UNKNOWN, "sign with sha256"),
    (
        "log required",
        lambda i: [controller(key(i) | {"ctlog": {"url": "https://rekor"}})],
        "signed",
        FAILED,
        "no entry",
    ),
    (
        *("source", lambda i: [controller(key(i) | {"source": [{"oci": f"{i.address}/team/signatures"}]})]),
        *("moved", PASSED, ""),
    ),
    ("without source", lambda i: [controller(key(i))], "moved", FAILED, "no signature"),
    (
        *("tag prefix", lambda i: [controller(key(i) | {"source": [{"tagPrefix": "x"}]})]),
        *("signed", UNKNOWN, "prefix of their tags"),
    ),
    ("keyless", lambda i: [controller(keyless()), i.trust_root()], "keyless", PASSED, ""),
    (
        *("wrong identity", lambda i: [controller(keyless("other")), i.trust_root()]),
        *("keyless", FAILED, "trusted is the identity other"),
    ),
    (
        "identity by a part",
        lambda i: [
            controller(keyless(identities=[{"issuerRegExp": "issuer", "subjectRegExp": "^https://ci.*"}])),
            i.trust_root(),
        ],
        *("keyless", PASSED, ""),
    ),
    (
        "wrong issuer",
        lambda i: [
            controller(keyless(identities=[{"issuerRegExp": "^issuer", "subjectRegExp": ".*"}])),
            i.trust_root(),
        ],
        *("keyless", FAILED, ""),
    ),
    ("missing trust root", lambda _: [controller(keyless())], "keyless", UNKNOWN, "the TrustRoot private is not"),
    (
        *("no certificate log", lambda i: [controller(keyless()), i.trust_root(has_certificate_log=False)]),
        *("keyless", UNKNOWN, "no ctLogs"),
    ),
    (
        "certificate log ignored",
        lambda i: [controller(keyless(insecureIgnoreSCT=True)), i.trust_root(has_certificate_log=False)],
        *("keyless", PASSED, ""),
    ),
    (
        *("remote trust root", lambda _: [controller(keyless()), remote_root()]),
        *("keyless", UNKNOWN, "TUF repositories are not read"),
    ),
    (
        *("public root", lambda _: [controller({"keyless": keyless()["keyless"] | {"trustRootRef": ""}})]),
        *("keyless", FAILED, ""),
    ),
    (
        *("no proof of time", lambda i: [controller({"keyless": keyless()["keyless"]}), i.trust_root()]),
        *("keyless", UNKNOWN, "nothing proves the time"),
    ),
    (
        *(
            "bundle",
            lambda i: [controller(keyless() | attested(SPDX) | {"signatureFormat": "bundle"}), i.trust_root()],
        ),
        *("keyless-bundle", UNKNOWN, "does not find the log of a TrustRoot"),
    ),
    (
        *("bundle by key", lambda i: [controller(key(i) | {"signatureFormat": "bundle"})]),
        *("bundled", FAILED, "only for keyless"),
    ),
    ("attestation", lambda i: [controller(key(i) | attested("spdxjson"))], "attested", PASSED, SPDX),
    ("attestation by URI", lambda i: [controller(key(i) | attested(SPDX))], "attested", PASSED, SPDX),
    ("custom attestation", lambda i: [controller(key(i) | attested("custom"))], "attested", PASSED, CUSTOM),
    ("no attestation", lambda i: [controller(key(i) | attested("vuln"))], "attested", FAILED, "no attestation of type"),
    ("attestation of another key", lambda i: [controller(key(i, "second") | attested(SPDX))], "attested", FAILED, ""),
    ("forged attestation", lambda i: [controller(key(i) | attested(SPDX))], "forged", FAILED, ""),
    ("rego holds", lambda i: [controller(key(i) | attested(SPDX, **rego(COMPLIANT)))], "attested", PASSED, ""),
    ("rego fails", lambda i: [controller(key(i) | attested(SPDX, **rego(OTHER)))], "attested", FAILED, "rego policy"),
    ("rego with a list", lambda i: [controller(key(i) | attested(SPDX, **rego(LIST)))], "attested", PASSED, ""),
    ("rego warning", lambda i: [controller(key(i) | attested(SPDX, **rego(WARNING)))], "attested", FAILED, ""),
    ("invalid rego", lambda i: [controller(key(i) | attested(SPDX, **rego("x {")))], "attested", UNKNOWN, "no result"),
    ("cue", lambda i: [controller(key(i) | attested(SPDX, **CUE))], "attested", UNKNOWN, "CUE are not evaluated"),
    ("cue, unsigned", lambda i: [controller(key(i) | attested(SPDX, **CUE))], "unsigned", FAILED, "no attestation"),
    (
        *("reduced type", lambda i: [controller(key(i) | attested("vuln", **rego(OTHER)))]),
        *("attested", FAILED, "no attestation of type"),
    ),
    ("policy on all authorities", lambda i: [controller(key(i), policy=CUE)], "signed", UNKNOWN, r"spec\.policy"),
    ("policy and no signature", lambda i: [controller(key(i), policy=CUE)], "unsigned", FAILED, ""),
    (
        *(
            "match by labels",
            lambda i: [controller(key(i), match=[{"version": "v1", "resource": "pods", "selector": {}}])],
        ),
        *("unsigned", FAILED, ""),
    ),
    (
        "match by other labels",
        lambda i: [
            controller(key(i), match=[{"version": "v1", "resource": "pods", "selector": {"matchLabels": {"app": "x"}}}])
        ],
        *("unsigned", UNKNOWN, "applies only to some resources"),
    ),
    (
        "list",
        lambda i: [{"apiVersion": "v1", "kind": "List", "items": [controller(key(i)), configuration("allow")]}],
        *("signed", PASSED, ""),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_verdicts(case: Case, images: SignedImages, tmp_path: Path) -> None:
    check_case(case, images, tmp_path)
