"""Pseudonymised reports contain the failures and their paths in the objects, and no user-defined names."""

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
from kubekeep.model.scanned_source import SourceRepository
from kubekeep.posture.gate import EVERY, Gates, evaluate_gates
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
from tests.requests import ALL_CONTROLS

KEY = MasterKey("a sentence that is long enough")
OURS = re.compile(r"q9z\w*", re.IGNORECASE)
"""Prefix of every name in MANIFESTS and of nothing else."""
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


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    # In a new folder each time: a worker may leave this module and set it up again.
    folder = tmp_path_factory.mktemp("scan") / "q9zfolder"
    folder.mkdir()
    (folder / "q9zfile.yaml").write_text(MANIFESTS)
    (folder / "q9zbroken.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: q9zbroken, : }\n")
    assessment = scan(
        ScanRequest(
            ScanInput(paths=(str(folder),), snapshot=True),
            evaluation=EvaluationOptions(exceptions=ExceptionOptions(inline=True)),
            rules=ALL_CONTROLS,
        )
    )
    return msgspec.structs.replace(
        assessment, source=SourceRepository("q9zhost.example/q9z/q9zweb", ("q9zfolder",), "q9z")
    )


def render_text(name: str, assessment: Assessment) -> str:
    return rendering.render_text(name, assessment, ReportOptions(verbose=True, audit=True))


@pytest.mark.parametrize("name", names())
def test_reports_contain_no_names(name: str, scanned: Assessment) -> None:
    assert OURS.search(render_text(name, scanned)), "without hiding there are names to find"
    for whole in (pseudonymise(scanned, None), encrypt(scanned, KEY)):
        assert OURS.findall(render_text(name, whole)) == []


def test_policies_of_the_cluster_have_pseudonyms(scanned: Assessment) -> None:
    for whole in (pseudonymise(scanned, None), encrypt(scanned, KEY)):
        (policy,) = [result for summary in whole.controls for result in summary.enforcement]
        assert (policy.denies, OURS.findall(policy.policy)) == (True, [])


def test_unknown_fields_and_api_versions_have_pseudonyms(tmp_path: Path) -> None:
    (tmp_path / "q9zold.yaml").write_text(
        "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: q9zold}\nspec: {schedul: 1}\n"
    )
    assessment = scan(ScanRequest(ScanInput(paths=(str(tmp_path),))))
    for whole in (pseudonymise(assessment, None), encrypt(assessment, KEY)):
        assert len(whole.unknown_fields) == 2
        for name in ("pretty", "json", "sarif"):
            assert not OURS.findall(render_text(name, whole))


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


def test_comparison_contains_no_names(scanned: Assessment) -> None:
    live = assessment_findings.record_assessment(scanned)
    gone = msgspec.structs.replace(
        live.findings[0], identity=Identity("", "Pod", "q9zshop", "q9zgone"), control="C-0057"
    )
    away = msgspec.structs.replace(live.findings[0], control="C-9999")
    known = (*live.findings[1::2], *live.excepted, gone, away)
    base = msgspec.structs.replace(
        live, name="q9zfolder/q9zbase.json", findings=known, unread=frozenset(), settings={"targets": "q9zfolder"}
    )
    marked_scan = mark_changes(scanned, compare(base, live))
    for whole in (pseudonymise(marked_scan, None), encrypt(marked_scan, KEY)):
        comparison = whole.baseline
        assert comparison is not None
        assert all(
            (
                comparison.new,
                comparison.resolved,
                comparison.unchanged,
                comparison.incomparable,
                comparison.excepted,
                comparison.warnings,
            )
        )
        assert OURS.findall(repr(comparison)) == []
        for name in ("json", "pretty", "sarif"):
            assert OURS.findall(render_text(name, whole)) == []


def test_attack_paths_are_dropped_and_priorities_stay(tmp_path: Path) -> None:
    (tmp_path / "q9zfile.yaml").write_text(EXPOSED)
    extras = frozenset({Extra.ATTACK_PATHS})
    plain = scan(
        ScanRequest(
            ScanInput(paths=(str(tmp_path),), snapshot=True), needs=ReportNeeds(extras=extras), rules=ALL_CONTROLS
        )
    )
    plain = msgspec.structs.replace(plain, source=SourceRepository("q9zhost.example/q9zweb"))
    assert plain.attacks is not None
    assert plain.attacks.paths
    assert plain.attacks.prioritised
    for whole in (pseudonymise(plain, None), encrypt(plain, KEY)):
        assert whole.attacks is not None
        assert not whole.attacks.paths
        ids = {result.subject.id for result in whole.results}
        assert {priority.resource.id for priority in whole.attacks.prioritised} <= ids
        assert [priority.score for priority in whole.attacks.prioritised] == [
            priority.score for priority in plain.attacks.prioritised
        ]
        for name in names():
            assert OURS.findall(render_text(name, whole)) == []


def test_verdicts_counts_and_scores_stay(scanned: Assessment) -> None:
    whole = pseudonymise(scanned, KEY)
    for field in ("counts", "score", "compliance", "coverage", "status", "frameworks", "files"):
        assert getattr(whole, field) == getattr(scanned, field)
    assert [result.status for result in whole.controls] == [result.status for result in scanned.controls]
    for before, after in zip(scanned.results, whole.results, strict=True):
        assert {slug: result.status for slug, result in before.verdicts.items()} == {
            slug: result.status for slug, result in after.verdicts.items()
        }
        for slug, verdict in before.verdicts.items():
            assert len(after.verdicts[slug].evidence) == len(verdict.evidence)
    gates = Gates(compliance={EVERY: 50}, coverage={EVERY: 50})
    assert evaluate_gates(whole, gates) == evaluate_gates(scanned, gates)


def test_name_has_one_pseudonym_per_report(scanned: Assessment) -> None:
    document = json.loads(render_text("json", pseudonymise(scanned, KEY)))
    assert {result["resourceID"] for result in document["resources"]} == {
        result["resourceID"] for result in document["results"]
    }
    namespaces = {
        result["object"]["metadata"].get("namespace")
        for result in document["resources"]
        if "metadata" in result["object"]
    }
    assert len(namespaces) == 1


def test_pseudonyms_depend_on_the_key(scanned: Assessment) -> None:
    def render_pseudonymised(key: MasterKey | None) -> str:
        return render_text("sarif", pseudonymise(scanned, key))

    assert render_pseudonymised(KEY) == render_pseudonymised(KEY)
    assert render_pseudonymised(KEY) != render_pseudonymised(MasterKey("another sentence that is long"))
    assert render_pseudonymised(None) != render_pseudonymised(None)


def test_evidence_paths_match_the_object(scanned: Assessment) -> None:
    whole = pseudonymise(scanned, KEY)
    places = [
        evidence
        for result in whole.results
        for verdict in result.verdicts.values()
        for evidence in verdict.evidence
        if evidence.path == "spec.template.spec.containers[0].securityContext.privileged"
    ]
    assert places
    assert {evidence.fix for evidence in places} == {"false"}
    assert all(evidence.location is not None and evidence.location.region is not None for evidence in places)


def test_encrypted_report_can_be_decrypted(scanned: Assessment) -> None:
    plain = json.loads(render_text("json", scanned))
    sealed = render_text("json", encrypt(scanned, KEY))
    opened = json.loads(decrypt(sealed.encode(), KEY))
    assert "encryptionMetadata" not in opened["metadata"]
    assert opened["summaryDetails"] == plain["summaryDetails"]
    assert _kept(opened["results"]) == _kept(plain["results"])
    objects = {json.dumps(result["object"], sort_keys=True) for result in plain["resources"]}
    assert {json.dumps(result["object"], sort_keys=True) for result in opened["resources"]} == objects


def _kept(results: list[dict[str, Any]]) -> set[str]:
    """Return paths, messages and places; ids contain a hash of the file and differ."""
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


def test_encrypted_reports_share_no_tokens(scanned: Assessment) -> None:
    first, second = (set(re.findall(r"kk1e\d+z\w+", render_text("json", encrypt(scanned, KEY)))) for _ in range(2))
    assert first
    assert not first & second


def test_wrong_key_is_an_error(scanned: Assessment) -> None:
    sealed = render_text("json", encrypt(scanned, KEY)).encode()
    with pytest.raises(PrivacyError, match="cannot be decrypted"):
        decrypt(sealed, MasterKey("another sentence that is long"))
    token = re.search(rb"kk1e\d+z[a-z2-7]+", sealed)
    assert token
    middle = token.start() + len(token[0]) // 2
    changed = sealed[:middle] + (b"b" if sealed[middle : middle + 1] == b"a" else b"a") + sealed[middle + 1 :]
    with pytest.raises(PrivacyError, match="cannot be decrypted"):
        decrypt(changed, KEY)


def test_key_of_bytes_decrypts_its_report(scanned: Assessment) -> None:
    key = MasterKey(raw=bytes(range(32)))
    opened = json.loads(decrypt(render_text("json", encrypt(scanned, key)).encode(), key))
    assert OURS.search(json.dumps(opened["resources"]))


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (b"", "not a report in JSON"),
        (b"\xff{}", "not a report in JSON"),
        (b"[]", "not encrypted"),
        (b'{"metadata":{}}', "not encrypted"),
        (b'{"metadata":{"encryptionMetadata":{"encryptedDEK":"???"}}}', "not encrypted"),
        (b'{"metadata":{"encryptionMetadata":{"encryptedDEK":""}}}', "cannot be decrypted|damaged"),
        (
            b'{"metadata":{"encryptionMetadata":{"encryptedDEK":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}}',
            "cannot be decrypted",
        ),
    ],
)
def test_malformed_encrypted_report_is_an_error(report: bytes, message: str) -> None:
    with pytest.raises(PrivacyError, match=message):
        decrypt(report, KEY)


@pytest.mark.parametrize(
    ("words", "digits", "message"),
    [
        ("short", None, "16 characters"),
        (None, "abc", "64 digits"),
        ("a sentence that is long enough", "ab" * 32, "set only one"),
    ],
)
def test_unusable_keys_are_errors(words: str | None, digits: str | None, message: str) -> None:
    with pytest.raises(PrivacyError, match=message):
        parse_master_key(words, digits)


def test_missing_key_and_repr_of_a_key() -> None:
    assert parse_master_key(None, None) is None
    assert parse_master_key("", "") is None
    assert "sentence" not in repr(KEY)


class _Marked:
    """A pseudonymiser that marks all names it replaces."""

    def replace_name(self, text: str) -> str:
        return f"<{text}>"

    def replace_text(self, text: str) -> str:
        return f"<<{text}>>"


def test_fields_numbers_and_api_values_stay(scanned: Assessment) -> None:
    results = {result.subject.kind: result.subject for result in replace_names(scanned, _Marked()).results}
    web = results["Deployment"]
    assert web.name == "<q9zweb>"
    assert web.namespace == "<q9zshop>"
    assert web.object["metadata"]["labels"] == {"<q9zkey>": "<q9zvalue>", "<app.q9zcorp.example/tier>": "<q9zfront>"}
    assert web.object["spec"]["replicas"] == 3
    container = web.object["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"] == {"privileged": True, "capabilities": {"add": ["<SYS_ADMIN>"]}}
    assert [result["value"] for result in container["env"]] == ["<XXXXXX>", "<XXXXXX>"]
    assert results["<Q9zThing>"].api_version == "<q9zcorp.example>/v1"
    assert web.source is not None
    assert re.fullmatch(r"(/?<[^>]*>)*/<q9zfolder>/<q9zfile>\.yaml", web.source.path)
