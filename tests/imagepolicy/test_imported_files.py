"""Files with imported policies that are not valid: the messages, with file, line and column; and hostile files."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.config.file import ConfigurationError
from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.text import list_unevaluated
from tests.hostile.samples import mutate
from tests.signatures.authority import to_pem

PEM = to_pem(ec.generate_private_key(ec.SECP256R1())).decode()
KEY = {"key": {"data": PEM}}
Json = dict[str, Any]


def controller(*authorities: Json, **spec: Any) -> Json:
    images = spec.pop("images", [{"glob": "**"}])
    return {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "policy"},
        "spec": {"images": images, "authorities": list(authorities), **spec},
    }


def kyverno(verification: Json, **rule: Any) -> Json:
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "policy"},
        "spec": {"rules": [{"name": "rule", "verifyImages": [{"imageReferences": ["*"], **verification}], **rule}]},
    }


def attestors(*entries: Json, **fields: Any) -> Json:
    return {"attestors": [{"entries": list(entries), **fields}]}


def validating(**spec: Any) -> Json:
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ImageValidatingPolicy",
        "metadata": {"name": "policy"},
        "spec": {"validations": [{"expression": "true"}], **spec},
    }


TRUST_ROOT = {"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": {"name": "root"}}
IDENTITY = {"issuer": "https://issuer.example", "subject": "dev@example.com"}
INVALID: tuple[tuple[str, list[Any]], ...] = (
    (
        r"policy\.yaml:1:1: ClusterImagePolicy has the apiVersion",
        [controller(KEY) | {"apiVersion": "policy.sigstore.dev/v2"}],
    ),
    (
        r"policy\.yaml:\d+:\d+: unknown kind Deployment",
        [controller(KEY), {"apiVersion": "apps/v1", "kind": "Deployment"}],
    ),
    (r"unknown kind ImagePolicy", [controller(KEY), {"apiVersion": "image.kubekeep.io/v1", "kind": "ImagePolicy"}]),
    (
        r"cannot be in one file: use one file for each",
        [controller(KEY), kyverno(attestors({"keys": {"publicKeys": PEM}}))],
    ),
    (r"two objects of kind ClusterImagePolicy have the name policy", [controller(KEY), controller(KEY)]),
    (r"only objects that policies refer to", [TRUST_ROOT | {"spec": {"sigstoreKeys": {}}}]),
    (r"a mapping with apiVersion and kind expected", [controller(KEY), ["text"]]),
    (r"unknown field `authoritys`", [controller(KEY, authoritys=[])]),
    (r"unknown field `keyRef`", [controller({"keyRef": {}})]),
    (r"Expected `str`, got `int`", [controller(KEY, images=[{"glob": 1}])]),
    (r"Expected `array`, got `object`", [controller(KEY, images={"glob": "**"})]),
    (r"Invalid enum value 'block'", [controller(KEY, mode="block")]),
    (r"at least one image", [controller(KEY, images=[])]),
    (r"at least one authority", [controller()]),
    (r"policy\.yaml:7:5: invalid glob '\[a-z\]'", [controller(KEY, images=[{"glob": "[a-z]"}])]),
    (r"the glob is longer than 1000", [controller(KEY, images=[{"glob": "a" * 1001}])]),
    (r"exactly one of key, keyless and static", [controller({})]),
    (r"exactly one of key, keyless and static", [controller(KEY | {"static": {"action": "pass"}})]),
    (r"static cannot be used with", [controller({"static": {"action": "pass"}, "source": [{"oci": "a"}]})]),
    (r"exactly one of data, kms and secretRef", [controller({"key": {"data": PEM, "kms": "a"}})]),
    (r"not a public key", [controller({"key": {"data": "text"}})]),
    (r"unknown algorithm md5", [controller({"key": {"data": PEM, "hashAlgorithm": "md5"}})]),
    (r"at least one identity", [controller({"keyless": {"url": "https://a"}})]),
    (r"an issuer and a subject", [controller({"keyless": {"identities": [{"subject": "a"}]}})]),
    (r"not both", [controller({"keyless": {"identities": [IDENTITY | {"issuerRegExp": "a"}]}})]),
    (r"not a regular expression", [controller({"keyless": {"identities": [{"issuerRegExp": "(", "subject": "a"}]}})]),
    (r"a name and a predicateType", [controller(KEY | {"attestations": [{"name": "", "predicateType": "a"}]})]),
    (
        r"exactly one of data, configMapRef and remote",
        [controller(KEY | {"attestations": [{"name": "a", "predicateType": "spdx", "policy": {"type": "rego"}}]})],
    ),
    (r"exactly one of remote, repository and sigstoreKeys", [controller(KEY), TRUST_ROOT | {"spec": {}}]),
    (
        r"PEM in Base64 expected",
        [controller(KEY), TRUST_ROOT | {"spec": {"sigstoreKeys": {"tLogs": [{"publicKey": "%"}]}}}],
    ),
    (
        r"no valid certificates",
        [controller(KEY), TRUST_ROOT | {"spec": {"sigstoreKeys": {"certificateAuthorities": [{"certChain": "YQ=="}]}}}],
    ),
    (
        r"data\.k|not text in Base64",
        [
            controller({"key": {"secretRef": {"name": "k"}}}),
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "k"}, "data": {"k": "%hidden%"}},
        ],
    ),
    (r"no rule of the policy has verifyImages", [kyverno({}, verifyImages=[], validate={"pattern": {}})]),
    (r"at least one entry in imageReferences", [kyverno({"imageReferences": []})]),
    (r"unknown field `keys`", [kyverno({"keys": PEM})]),
    (r"Invalid enum value 'Gpg'", [kyverno({"type": "Gpg"})]),
    (r"a set of attestors has at least one entry", [kyverno(attestors())]),
    (r"count is 2, and there are 1 entries", [kyverno(attestors({"keys": {"publicKeys": PEM}}, count=2))]),
    (r"count is -1", [kyverno(attestors({"keys": {"publicKeys": PEM}}, count=-1))]),
    (r"exactly one of keys, certificates, keyless and attestor", [kyverno(attestors({}))]),
    (r"keys has one of publicKeys, kms and secret", [kyverno(attestors({"keys": {}}))]),
    (r"not a public key", [kyverno(attestors({"keys": {"publicKeys": "-----BEGIN PUBLIC KEY-----\nx"}}))]),
    (r"type Notary have certificates", [kyverno({"type": "Notary", **attestors({"keys": {"publicKeys": PEM}})})]),
    (r"an attestation has a type", [kyverno({"attestations": [{"attestors": []}]})]),
    (r"unknown field `attestor`", [validating(attestor=[])]),
    (r"either glob or expression", [validating(matchImageReferences=[{}])]),
    (r"use \* and \? only", [validating(matchImageReferences=[{"glob": "{a,b}"}])]),
    (r"either cosign or notary", [validating(attestors=[{"name": "a"}])]),
    (r"exactly one of key, keyless and certificate", [validating(attestors=[{"name": "a", "cosign": {}}])]),
    (r"the policy has no validations", [validating(validations=[], validationConfigurations={"required": False})]),
)


def write(folder: Path, text: str) -> str:
    (folder / "policy.yaml").write_text(text)
    return str(folder / "policy.yaml")


@pytest.mark.parametrize(("message", "documents"), INVALID, ids=[message for message, _ in INVALID])
def test_errors_name_file_and_line(message: str, documents: list[Any], tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump_all(documents, sort_keys=False))
    with pytest.raises(ConfigurationError, match=message) as failure:
        load_image_policy(path)
    assert "policy.yaml:" in str(failure.value)
    assert "hidden" not in str(failure.value)


def nest(depth: int) -> Json:
    entry: Json = {"keys": {"publicKeys": PEM}}
    for _ in range(depth):
        entry = {"attestor": {"entries": [entry]}}
    return kyverno(attestors(entry))


HOSTILE = {
    "nested sets": yaml.safe_dump(nest(20)),
    "nested too deeply": yaml.safe_dump(kyverno({"validate": {}})) + "x: " + "[" * 1000,
    "many documents": "kind: Secret\n---\n" * 1200,
    "large file": yaml.safe_dump(controller(KEY)) + "#" * (2 << 20),
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"c{n}: &c{n} [{'*b, ' * 500}]\n" for n in range(40)),
    "duplicate key": yaml.safe_dump(controller(KEY)) + "kind: ClusterImagePolicy\n",
    "a list of lists": yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [{"kind": "List", "items": []}]}),
    "numbers": yaml.safe_dump({"apiVersion": 1, "kind": "ClusterImagePolicy", "metadata": 5, "spec": []}),
    "metadata": yaml.safe_dump(controller(KEY) | {"metadata": "text"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"policy\.yaml"):
        load_image_policy(write(tmp_path, HOSTILE[name]))


def test_wildcards_take_linear_time(tmp_path: Path) -> None:
    document = kyverno({"imageReferences": ["*a" * 400], **attestors({"keys": {"publicKeys": PEM}})})
    (rule,) = load_image_policy(write(tmp_path, yaml.safe_dump(document))).policy.combined_rules
    assert rule.images == ("*a" * 400,)


def test_other_rules_are_notes(tmp_path: Path) -> None:
    document = kyverno(attestors({"keys": {"publicKeys": PEM}}))
    document["spec"]["rules"].append({"name": "labels", "validate": {"pattern": {"metadata": {"labels": "?*"}}}})
    (note,) = load_image_policy(write(tmp_path, yaml.safe_dump(document, sort_keys=False))).notes
    assert note.endswith("spec.rules[1].validate: not a rule about images; not read")


def test_unevaluated_parts_are_listed(tmp_path: Path) -> None:
    document = controller(KEY, {"key": {"kms": "gcpkms://key"}}, policy={"type": "cue", "data": "x: 1"})
    policy = load_image_policy(write(tmp_path, yaml.safe_dump(document, sort_keys=False))).policy
    assert [reason.partition("yaml:")[2].partition(": ")[2] for reason in list_unevaluated(policy)] == [
        "spec.authorities[1].key.kms: keys of a KMS are not fetched; write the public key into data",
        "spec.policy: a policy in cue on all authorities is not evaluated; move it to attestations[].policy",
    ]


VALID = (
    controller(
        KEY
        | {"attestations": [{"name": "a", "predicateType": "spdx", "policy": {"type": "rego", "data": "package a"}}]},
        {
            "keyless": {"url": "https://a", "identities": [IDENTITY], "trustRootRef": "root"},
            "ctlog": {"url": "https://a"},
        },
        {"key": {"secretRef": {"name": "k"}}},
        match=[{"resource": "pods", "version": "v1", "selector": {"matchLabels": {"a": "b"}}}],
    ),
    kyverno(
        {
            **attestors(
                {"keys": {"publicKeys": PEM, "ctlog": {"pubkey": PEM}}}, {"attestor": {"entries": [{}]}}, count=1
            ),
            "attestations": [{"type": "a", "conditions": [{"all": []}]}],
        },
        match={"any": [{"resources": {"kinds": ["Pod"]}}]},
    ),
    validating(
        matchConstraints={"resourceRules": [{"apiGroups": [""], "resources": ["pods"]}]},
        matchImageReferences=[{"glob": "*"}],
        attestors=[{"name": "a", "cosign": {"key": {"data": PEM}}}],
        evaluation={"mode": "Kubernetes"},
    ),
    {**TRUST_ROOT, "spec": {"sigstoreKeys": {"tLogs": [{"publicKey": base64.b64encode(PEM.encode()).decode()}]}}},
)


@pytest.mark.parametrize("number", range(len(VALID)))
def test_values_of_other_types_are_refused_or_read(number: int, tmp_path: Path) -> None:
    source = random.Random(number)
    others = [] if number < 3 else [controller(KEY)]
    refusals: dict[str, str] = {}
    for name, document in mutate(VALID[number], source, 60):
        path = write(tmp_path, yaml.safe_dump_all([document, *others], sort_keys=False))
        try:
            load_image_policy(path)
        except ConfigurationError as error:
            refusals[name] = str(error)
    assert refusals
    assert [name for name, message in refusals.items() if "policy.yaml:" not in message] == []
