"""Reports of a hidden assessment tell what failed and where in the object, and nothing that anybody named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.baseline import assessment_findings
from kubekeep.baseline.compare import compare, mark_changes
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.model.assessment import Assessment
from kubekeep.model.fingerprint import Identity
from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource
from kubekeep.posture.gate import EVERY, Gates, judge
from kubekeep.privacy.encryption import (
    MasterKey,
    PrivacyError,
    decrypt,
    encrypt,
    parse_master_key,
    pseudonymise,
)
from kubekeep.privacy.pseudonymise import replace_names
from kubekeep.reports import Extra, ReportOptions, names
from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.reports import rendering

KEY = MasterKey(words="a sentence that is long enough")
OURS = re.compile(r"q9z\w*", re.IGNORECASE)
"""Every name in MANIFESTS begins so, and nothing else does."""
MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: q9zweb
  namespace: q9zshop
  labels: {q9zkey: q9zvalue, app.q9zcorp.example/tier: q9zfront}
  annotations:
    q9zcorp.example/owner: q9zann@q9zcorp.example
    kubescape.io/skip-controls: C-0016, q9zcontrol
    kubescape.io/skip-reason: q9zreason
spec:
  replicas: 3
  selector: {matchLabels: {q9zkey: q9zvalue}}
  template:
    metadata: {labels: {q9zkey: q9zvalue}}
    spec:
      serviceAccountName: q9zaccount
      nodeSelector: {q9zpool: q9zfast}
      containers:
        - name: q9zmain
          image: registry.q9zcorp.example/q9zteam/web:q9zlatest
          command: [/q9zbin/serve, --q9zflag=q9zsetting]
          env: [{name: Q9Z_PASSWORD, value: q9zpassword}, {name: Q9ZHOST, value: db.q9zcorp.example}]
          securityContext: {privileged: true, capabilities: {add: [SYS_ADMIN]}}
          volumeMounts: [{name: q9zvolume, mountPath: /q9zmount}]
      volumes: [{name: q9zvolume, hostPath: {path: /q9zhost}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: q9zbinding, namespace: q9zshop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: q9zrole}
subjects: [{kind: ServiceAccount, name: q9zaccount, namespace: q9zshop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: q9zrole, namespace: q9zshop}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"], resourceNames: [q9zsecret]}]
---
apiVersion: q9zcorp.example/v1
kind: Q9zThing
metadata: {name: q9zthing, namespace: q9zshop}
spec: {field: q9ztext, template: {spec: {containers: [{name: q9zmain, image: q9zimage}]}}}
---
apiVersion: v1
kind: Secret
metadata: {name: q9zsecret, namespace: q9zshop}
stringData: {q9zentry: q9zpayload}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: q9zpolicy, labels: {controlId: C-0057}}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]}
  validations: [{expression: "false"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: q9zbound}
spec: {policyName: q9zpolicy, validationActions: [Deny]}
"""


@pytest.fixture
def scanned(tmp_path: Path) -> Assessment:
    folder = tmp_path / "q9zfolder"
    folder.mkdir()
    (folder / "q9zfile.yaml").write_text(MANIFESTS)
    (folder / "q9zbroken.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: q9zbroken, : }\n")
    return scan(
        ScanRequest(
            ScanInput(paths=(str(folder),), snapshot=True),
            evaluation=EvaluationOptions(exceptions=ExceptionOptions(inline=True)),
        )
    )


def rendered(name: str, assessment: Assessment) -> str:
    return rendering.rendered(name, assessment, ReportOptions(verbose=True, audit=True))


@pytest.mark.parametrize("name", names())
def test_no_name_comes_out(name: str, scanned: Assessment) -> None:
    assert OURS.search(rendered(name, scanned)), "without hiding there are names to find"
    for whole in (pseudonymise(scanned, None), encrypt(scanned, KEY)):
        assert OURS.findall(rendered(name, whole)) == []


def test_policies_of_the_cluster_are_told_without_their_names(scanned: Assessment) -> None:
    for whole in (pseudonymise(scanned, None), encrypt(scanned, KEY)):
        (policy,) = [item for summary in whole.controls for item in summary.enforcement]
        assert (policy.denies, OURS.findall(policy.policy)) == (True, [])


EXPOSED = """
apiVersion: v1
kind: Service
metadata: {name: q9zdoor, namespace: q9zshop}
spec: {type: LoadBalancer, selector: {app: q9zweb}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: q9zopen, namespace: q9zshop, labels: {app: q9zweb}}
spec: {containers: [{name: q9zmain, image: q9zimage, securityContext: {privileged: true}}]}
"""


def test_what_became_of_findings_names_nothing(scanned: Assessment) -> None:
    live = assessment_findings.record_assessment(scanned)
    gone = msgspec.structs.replace(
        live.findings[0], identity=Identity("", "Pod", "q9zshop", "q9zgone"), control="C-0057"
    )
    away = msgspec.structs.replace(live.findings[0], control="C-9999")
    known = (*live.findings[1::2], *live.accepted, gone, away)
    base = msgspec.structs.replace(
        live, name="q9zfolder/q9zbase.json", findings=known, unread=frozenset(), settings={"targets": "q9zfolder"}
    )
    told = mark_changes(scanned, compare(base, live))
    for whole in (pseudonymise(told, None), encrypt(told, KEY)):
        found = whole.baseline
        assert found is not None
        assert all((found.new, found.resolved, found.unchanged, found.incomparable, found.accepted, found.warnings))
        assert OURS.findall(repr(found)) == []
        for name in ("json", "pretty", "sarif"):
            assert OURS.findall(rendered(name, whole)) == []


def test_attack_paths_are_left_out_and_priorities_stay(tmp_path: Path) -> None:
    (tmp_path / "q9zfile.yaml").write_text(EXPOSED)
    extras = frozenset({Extra.ATTACK_PATHS})
    plain = scan(ScanRequest(ScanInput(paths=(str(tmp_path),), snapshot=True), needs=ReportNeeds(extras=extras)))
    assert plain.attacks is not None
    assert plain.attacks.paths
    assert plain.attacks.prioritised
    for whole in (pseudonymise(plain, None), encrypt(plain, KEY)):
        assert whole.attacks is not None
        assert not whole.attacks.paths
        ids = {result.resource.id for result in whole.results}
        assert {item.resource.id for item in whole.attacks.prioritised} <= ids
        assert [item.score for item in whole.attacks.prioritised] == [item.score for item in plain.attacks.prioritised]
        for name in names():
            assert OURS.findall(rendered(name, whole)) == []


def test_verdicts_counts_and_scores_stay(scanned: Assessment) -> None:
    whole = pseudonymise(scanned, KEY)
    for field in ("counts", "score", "compliance", "coverage", "status", "frameworks", "files"):
        assert getattr(whole, field) == getattr(scanned, field)
    assert [item.status for item in whole.controls] == [item.status for item in scanned.controls]
    for before, after in zip(scanned.results, whole.results, strict=True):
        assert {slug: item.status for slug, item in before.verdicts.items()} == {
            slug: item.status for slug, item in after.verdicts.items()
        }
        for slug, verdict in before.verdicts.items():
            assert len(after.verdicts[slug].evidence) == len(verdict.evidence)
    gates = Gates(compliance={EVERY: 50}, coverage={EVERY: 50})
    assert judge(whole, gates) == judge(scanned, gates)


def test_the_same_name_is_the_same_pseudonym_everywhere(scanned: Assessment) -> None:
    document = json.loads(rendered("json", pseudonymise(scanned, KEY)))
    assert {item["resourceID"] for item in document["resources"]} == {
        item["resourceID"] for item in document["results"]
    }
    namespaces = {
        item["object"]["metadata"].get("namespace") for item in document["resources"] if "metadata" in item["object"]
    }
    assert len(namespaces) == 1


def test_pseudonyms_last_as_long_as_the_key(scanned: Assessment) -> None:
    def once(key: MasterKey | None) -> str:
        return rendered("sarif", pseudonymise(scanned, key))

    assert once(KEY) == once(KEY)
    assert once(KEY) != once(MasterKey(words="another sentence that is long"))
    assert once(None) != once(None)


def test_evidence_still_leads_into_the_object(scanned: Assessment) -> None:
    whole = pseudonymise(scanned, KEY)
    places = [
        evidence
        for result in whole.results
        for verdict in result.verdicts.values()
        for evidence in verdict.evidence
        if evidence.path == "spec.template.spec.containers[0].securityContext.privileged"
    ]
    assert places
    assert {item.fix for item in places} == {"false"}
    assert all(item.location is not None and item.location.region is not None for item in places)


def test_what_is_encrypted_comes_back(scanned: Assessment) -> None:
    plain = json.loads(rendered("json", scanned))
    sealed = rendered("json", encrypt(scanned, KEY))
    opened = json.loads(decrypt(sealed.encode(), KEY))
    assert "encryptionMetadata" not in opened["metadata"]
    assert opened["summaryDetails"] == plain["summaryDetails"]
    assert _kept(opened["results"]) == _kept(plain["results"])
    objects = {json.dumps(item["object"], sort_keys=True) for item in plain["resources"]}
    assert {json.dumps(item["object"], sort_keys=True) for item in opened["resources"]} == objects


def _kept(results: list[dict[str, Any]]) -> set[str]:
    """Paths, messages and places; ids hold a hash of the file and are others."""
    return {
        json.dumps(
            [
                control["controlID"],
                parse_path(path.get("failedPath") or ""),
                path.get("message"),
                path.get("location", {}).get("file"),
            ]
        )
        for result in results
        for control in result["controls"]
        for path in control["rules"][0].get("paths", ())
    }


def test_two_reports_have_nothing_in_common(scanned: Assessment) -> None:
    first, second = (set(re.findall(r"kk1e\d+z\w+", rendered("json", encrypt(scanned, KEY)))) for _ in range(2))
    assert first
    assert not first & second


def test_another_key_opens_nothing(scanned: Assessment) -> None:
    sealed = rendered("json", encrypt(scanned, KEY)).encode()
    with pytest.raises(PrivacyError, match="does not open"):
        decrypt(sealed, MasterKey(words="another sentence that is long"))
    token = re.search(rb"kk1e\d+z[a-z2-7]+", sealed)
    assert token
    middle = token.start() + len(token[0]) // 2
    changed = sealed[:middle] + (b"b" if sealed[middle : middle + 1] == b"a" else b"a") + sealed[middle + 1 :]
    with pytest.raises(PrivacyError, match="does not open"):
        decrypt(changed, KEY)


def test_a_key_of_bytes_opens_what_it_closed(scanned: Assessment) -> None:
    key = MasterKey(raw=bytes(range(32)))
    opened = json.loads(decrypt(rendered("json", encrypt(scanned, key)).encode(), key))
    assert OURS.search(json.dumps(opened["resources"]))


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (b"", "not a report in JSON"),
        (b"\xff{}", "not a report in JSON"),
        (b"[]", "not encrypted"),
        (b'{"metadata":{}}', "not encrypted"),
        (b'{"metadata":{"encryptionMetadata":{"encryptedDEK":"???"}}}', "not encrypted"),
        (b'{"metadata":{"encryptionMetadata":{"encryptedDEK":""}}}', "does not open|damaged"),
        (
            b'{"metadata":{"encryptionMetadata":{"encryptedDEK":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}}',
            "does not open",
        ),
    ],
)
def test_what_is_no_encrypted_report(report: bytes, message: str) -> None:
    with pytest.raises(PrivacyError, match=message):
        decrypt(report, KEY)


@pytest.mark.parametrize(
    ("words", "digits", "message"),
    [
        ("short", None, "16 characters"),
        (None, "abc", "64 digits"),
        ("a sentence that is long enough", "ab" * 32, "keep one"),
    ],
)
def test_keys_that_cannot_be_used(words: str | None, digits: str | None, message: str) -> None:
    with pytest.raises(PrivacyError, match=message):
        parse_master_key(words, digits)


def test_no_key_and_none_shown() -> None:
    assert parse_master_key(None, None) is None
    assert parse_master_key("", "") is None
    assert "sentence" not in repr(KEY)


class _Marked:
    """Shows what went through the cloak."""

    def word(self, text: str) -> str:
        return f"<{text}>"

    def text(self, text: str) -> str:
        return f"<<{text}>>"


def test_fields_numbers_and_words_of_the_api_stay(scanned: Assessment) -> None:
    results = {item.resource.kind: item.resource for item in replace_names(scanned, _Marked()).results}
    web: Resource = results["Deployment"]
    assert web.name == "<q9zweb>"
    assert web.namespace == "<q9zshop>"
    assert web.object["metadata"]["labels"] == {"<q9zkey>": "<q9zvalue>", "<app.q9zcorp.example/tier>": "<q9zfront>"}
    assert web.object["spec"]["replicas"] == 3
    container = web.object["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"] == {"privileged": True, "capabilities": {"add": ["<SYS_ADMIN>"]}}
    assert [item["value"] for item in container["env"]] == ["<XXXXXX>", "<XXXXXX>"]
    assert results["<Q9zThing>"].api_version == "<q9zcorp.example>/v1"
    assert web.source is not None
    assert re.fullmatch(r"(/?<[^>]*>)*/<q9zfolder>/<q9zfile>\.yaml", web.source.path)
