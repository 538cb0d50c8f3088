"""Suppression comments in real scans, in every syntax, and the reports on their use."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.exception import ExceptionSource, ExceptionStatus
from kubekeep.model.verdict import Status
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

EXAMPLES = Path(__file__).parents[2] / "examples"
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: a
    image: registry.example/a:1
    securityContext:
      privileged: true # kubekeep:ignore C-0057 reason=a test
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def statuses(assessment: Assessment) -> set[Status]:
    return set().union(*map(statuses_of, assessment.results))


def statuses_of(result: SubjectResult) -> set[Status]:
    return {verdict.status for verdict in result.verdicts.values()}


def test_finding_is_excepted_and_reported(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    request = ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057", "C-0016")))
    assessment = scan(request)
    assert assessment.group_findings().keys() == {"privilege-escalation"}
    (verdict,) = assessment.group_excepted_findings()["privileged-container"]
    exception = verdict.evidence[0].exception
    assert exception is not None
    assert (exception.source, exception.reason, exception.name) == (ExceptionSource.COMMENT, "a test", "pod.yaml:10")
    (use,) = assessment.exceptions
    assert (use.status, [evidence.name for evidence in use.findings]) == (ExceptionStatus.MATCHED, ["a"])
    summary = next(evidence for evidence in assessment.summaries if evidence.definition.slug == "privileged-container")
    assert (summary.counts.passed, summary.counts.excepted) == (1, 1)


def test_partly_covered_evidence_still_fails(here: Path) -> None:
    second = "  - name: b\n    image: registry.example/b:1\n    securityContext: {privileged: true}\n"
    (here / "pod.yaml").write_text(POD + second)
    assessment = scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))
    (verdict,) = assessment.group_findings()["privileged-container"]
    assert [use.path for use in verdict.evidence] == ["spec.containers[1].securityContext.privileged"]
    assert assessment.status is Status.FAILED


def test_excepted_findings_are_not_fixed(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    assert (
        plan(
            FixRequest(scan=ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))
        ).files
        == ()
    )


def test_comments_can_be_disabled(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    assessment = scan(
        ScanRequest(
            ScanInput(paths=("pod.yaml",)),
            rules=RuleOptions(controls=("C-0057",)),
            evaluation=EvaluationOptions(exceptions=ExceptionOptions(inline=False)),
        )
    )
    assert assessment.group_findings().keys() == {"privileged-container"}
    assert assessment.exceptions == ()


@pytest.mark.parametrize(
    ("comment", "status", "unknown"),
    [
        ("C-0057 until=2020-01-01", ExceptionStatus.EXPIRED, ()),
        ("C-0057 friday", ExceptionStatus.INVALID_CONTROL, ("friday",)),
        ("", ExceptionStatus.TOO_BROAD, ()),
        ("C-9999", ExceptionStatus.INVALID_CONTROL, ("C-9999",)),
        ("C-0057 until=tomorrow", ExceptionStatus.INVALID, ()),
        ("C-0016", ExceptionStatus.UNUSED, ()),
    ],
)
def test_comments_without_effect_are_reported(
    here: Path, comment: str, status: ExceptionStatus, unknown: tuple[str, ...]
) -> None:
    (here / "pod.yaml").write_text(POD.replace("C-0057 reason=a test", comment))
    assessment = scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))
    assert statuses(assessment) == {Status.FAILED}
    (use,) = assessment.exceptions
    assert (use.status, use.unknown_controls) == (status, unknown)
    assert use.exception.location is not None
    assert str(use.exception.location) == "pod.yaml:10"


OVER = (
    "# kubekeep:ignore C-0057 until=2020-01-01",
    "# kubekeep:ignore until=2020-01-01 C-0057",
    "# kubekeep:ignore C-0057 until 2020-01-01",
    "# kubekeep:ignore C-0057 until: 2020-01-01",
    "# kubekeep:ignore C-0057 until:2020-01-01",
    "# kubekeep:ignore C-0057 until = 2020-01-01",
    "# kubekeep:ignore C-0057 until =2020-01-01",
    "# kubekeep:ignore C-0057 until= 2020-01-01",
    "# kubekeep:ignore C-0057 until=",
    "# kubekeep:ignore C-0057 Until=2020-01-01",
    "# kubekeep:ignore C-0057 UNTIL=2020-01-01",
    '# kubekeep:ignore C-0057 until="2020-01-01"',
    "# kubekeep:ignore C-0057 until='2020-01-01'",
    '# kubekeep:ignore C-0057 until="2020-01-01',
    "# kubekeep:ignore C-0057 until=2020-01-01T00:00:00+02:00",
    "# kubekeep:ignore C-0057 until=2020-01-01T00:00:00",
    "# kubekeep:ignore C-0057 until=2020/01/01",
    "# kubekeep:ignore C-0057 until=2020-1-1",
    "# kubekeep:ignore C-0057 until=20200101",
    "# kubekeep:ignore C-0057 until=01.01.2020",
    "# kubekeep:ignore C-0057 until=2020\u201301\u201301",
    "# kubekeep:ignore C-0057\u00a0until=2020-01-01",
    "# kubekeep:ignore C-0057 until\u00a0=2020-01-01",
    "# kubekeep:ignore C-0057 until\uff1d2020-01-01",
    "# kubekeep:ignore C-0057 \u2014 until 2020-01-01",
    "# kubekeep:ignore C-0057\tuntil=2020-01-01\t",
    "# kubekeep:ignore C-0057,until=2020-01-01",
    "# kubekeep:ignore C-0057;until=2020-01-01",
    "# kubekeep:ignore C-0057 (until=2020-01-01)",
    "# kubekeep:ignore C-0057 (until 2020-01-01)",
    "# kubekeep:ignore C-0057 [until=2020-01-01]",
    "# kubekeep:ignore C-0057 --until=2020-01-01",
    "# kubekeep:ignore C-0057 @until=2020-01-01",
    "# kubekeep:ignore C-0057 unitl=2020-01-01",
    "# kubekeep:ignore C-0057 unitl 2020-01-01",
    "# kubekeep:ignore C-0057 till=2020-01-01",
    "# kubekeep:ignore C-0057 til 2020-01-01",
    "# kubekeep:ignore C-0057 expires=2020-01-01",
    "# kubekeep:ignore C-0057 expires: 2020-01-01",
    "# kubekeep:ignore C-0057 expiry 2020-01-01",
    "# kubekeep:ignore C-0057 2020-01-01",
    "# kubekeep:ignore 2020-01-01 C-0057",
    "# kubekeep:ignore C-0057 until=2999-01-01 until=2020-01-01",
    "# kubekeep:ignore C-0057 until=2020-01-01 until=2999-01-01",
    "# kubekeep:ignore C-0057 until=2020-01-01 reason=a test",
    "# kubekeep:ignore C-0057 reason=a until=2020-01-01",
    "# kubekeep:ignore C-0057 reason=a,until=2020-01-01",
    "# kubekeep:ignore C-0057 reason=a;until=2020-01-01",
    "# kubekeep:ignore C-0057 reason=a (until=2020-01-01)",
    "# kubekeep:ignore C-0057 reason=a test until: 2020-01-01",
    "# kubekeep:ignore C-0057 reason=a test until 2020-01-01",
    "# kubekeep:ignore C-0057 reason=a test, expires 2020-01-01",
    "# kubekeep:ignore C-0057 reason=a test unitl=2020-01-01",
    "# kubekeep:ignore C-0057 reason=a test until the end of 2020",
    "# kubekeep:ignore C-0057 reason=to be gone by 2020-01-01",
    "# kubekeep:ignore C-0057 reason=a UNTIL=2020-01-01",
    '# kubekeep:ignore C-0057 reason="a" until=2020-01-01',
    '# kubekeep:ignore C-0057 reason="a"until=2020-01-01',
    '# kubekeep:ignore C-0057 reason="a until=2020-01-01"',
    '# kubekeep:ignore C-0057 reason="a until=2020-01-01',
    "# kubekeep:ignore C-0057 reason='it's until=2020-01-01'",
    '# kubekeep:ignore C-0057 reason="a" reason="b" until=2020-01-01',
    "# kubekeep:ignore C-0057 reason: a until=2020-01-01",
    "# kubekeep:ignore C-0057 # until=2020-01-01",
    "# kubekeep:ignore C-0057 # kubekeep:ignore C-0057 until=2020-01-01",
    "# kubekeep:ignore C-0057\n      # until=2020-01-01",
    "# kubekeep:ignore C-0057\n      # reason: a test\n      #   Expires: 2020-01-01",
)
"""Ways to write an expiry that has passed."""
MEANT = (
    "# kubekeep:ignore C-0057",
    "# kubekeep:ignore  C-0057  ",
    "#kubekeep:ignore C-0057",
    "## kubekeep:ignore C-0057",
    "#\tkubekeep:ignore\tC-0057",
    "#\u00a0kubekeep:ignore\u00a0C-0057",
    "# kubekeep:ignore: C-0057",
    "# kubekeep:ignore:C-0057",
    "# kubekeep:ignore, C-0057",
    "# kubekeep: ignore C-0057",
    "# kubekeep : ignore : C-0057",
    "# Kubekeep:Ignore C-0057",
    "# KUBEKEEP:IGNORE c-0057",
    "# kubekeep:ignore privileged-container",
    "# a remark # kubekeep:ignore C-0057",
    "# kubekeep:ignore C-0057 until=2999-12-31",
    "# kubekeep:ignore C-0057 UNTIL='2999-12-31T12:00:00Z', reason=a test",
    "# kubekeep:ignore C-0057 until=2999-12-31 reason=they promised a mend until 2020-01-01",
    "# kubekeep:ignore C-0057 until=2999-12-31 reason='until=2020-01-01 it was another'",
    "# kubekeep:ignore C-0057 reason=agreed on 2020-01-01, a=b: c",
    "# kubekeep:ignore C-0057 reason=until OPS-2020 is done",
    "# kubekeep:ignore C-0057\n      # the front end: a remark",
)
TOLD = (
    "# kubekeep:ignore",
    "#kubekeep:ignore",
    "# kubekeep:ignored C-0057",
    "# kubekeep:ignores C-0057",
    "# kubekeep:ingore C-0057",
    "# kubekeep:ignor C-0057",
    "# kubekeep:skip C-0057",
    "# kubekeep:disable privileged-container",
    "# kubekeep:ignore-next-line C-0057",
    "# kubekeep:ignore=C-0057",
    "# kubekeep:ignore(C-0057)",
    "# kubekeep:ignore[C-0057]",
    "# kubekeep::ignore C-0057",
    "# kubekeep\uff1aignore C-0057",
    "# kubekeep:\u200bignore C-0057",
    "# kubekeep-ignore C-0057",
    "# kubekeep_ignore C-0057",
    "# kubekeep.ignore C-0057",
    "# kubekeep/ignore C-0057",
    "# kubekeep ignore C-0057",
    "# kubekeepignore C-0057",
    "# TODO kubekeep:ignore C-0057",
    "# - kubekeep:ignore C-0057",
    "# @kubekeep:ignore C-0057",
    "# {{/* kubekeep:ignore C-0057 */}}",
    "# kubekeep:ignore C\u20110057",
    "# kubekeep:ignore C-0057.",
    "# kubekeep:ignore C-0057 -- a test",
    "# kubekeep:ignore C-0057 because it has to be so",
    "# kubekeep:ignore C-0057 reason a test",
    "# kubekeep:ignore C-0057 reason =a test",
    "# kubekeep:ignore C-0057 resaon=a test",
    "# kubekeep:ignore C-0057 C-9999",
    "# kubekeep:ignore C-00*",
    "# kubekeep:ignore *",
    "# kubekeep:ignore all",
    f"# kubekeep:ignore C-0057 reason={'a' * 1000}",
)
"""Comments that are invalid or ambiguous."""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_comment_works_as_intended_or_is_reported(here: Path, newline: str) -> None:
    for number, comment in enumerate((*MEANT, *TOLD, *OVER)):
        text = POD.replace("# kubekeep:ignore C-0057 reason=a test", comment).replace("name: a", f"name: a{number}")
        (here / f"{number:03}.yaml").write_text(text, newline=newline)
    assessment = scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))
    passed = {
        resource.source.path
        for result in assessment.results
        if statuses_of(result) == {Status.PASSED}
        for resource in [result.subject]
        if resource.source is not None
    }
    use_by_name = {use.exception.name: use for use in assessment.exceptions}
    for number, comment in enumerate((*MEANT, *TOLD, *OVER)):
        file = f"{number:03}.yaml"
        is_meant = comment in MEANT
        assert (file in passed) == is_meant, comment
        assert (use_by_name[f"{file}:10"].status is ExceptionStatus.MATCHED) == is_meant, comment
        assert bool(use_by_name[f"{file}:10"].text) != is_meant, comment


def test_not_evaluated_is_never_excepted(here: Path) -> None:
    head, _, _ = POD.partition("  containers:")
    (here / "pod.yaml").write_text(f"# kubekeep:ignore C-0057\n{head}  containers: 7\n")
    assert statuses(scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))) == {
        Status.NOT_EVALUATED
    }


SHARED = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: a
    image: registry.example/a:1
    securityContext: &shared
      privileged: true # 1
  - name: b
    image: registry.example/b:1
    securityContext: *shared # 2
  - name: c
    image: registry.example/c:1
    securityContext: # 3
      runAsUser: 7 # 4
      <<: *shared # 5
  - &whole # 6
    name: d
    image: registry.example/d:1
    securityContext: {privileged: true}
  - <<: *whole # 7
    name: e # 8
"""


def excepted(assessment: Assessment) -> set[int]:
    """Return the indexes of the containers with an excepted finding."""
    evidence = [
        piece for result in assessment.results for verdict in result.verdicts.values() for piece in verdict.evidence
    ]
    assert len(evidence) == 5
    return {int(piece.path.removeprefix("spec.containers[")[0]) for piece in evidence if piece.exception}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("# 1", {0}),
        ("# 2", {1}),
        ("# 3", {2}),
        ("# 4", set()),
        ("# 5", {2}),
        ("# 6", {3}),
        ("# 7", {4}),
        ("# 8", set()),
    ],
)
def test_alias_is_suppressed_at_its_own_line(here: Path, place: str, expected: set[int]) -> None:
    (here / "pod.yaml").write_text(SHARED.replace(place, "# kubekeep:ignore C-0057"))
    assessment = scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))
    assert excepted(assessment) == expected
    (use,) = assessment.exceptions
    assert use.status is (ExceptionStatus.MATCHED if expected else ExceptionStatus.UNUSED)


def test_comment_covers_anchor_and_aliases(here: Path) -> None:
    (here / "pod.yaml").write_text("# kubekeep:ignore C-0057\n" + SHARED)
    assert excepted(scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))) == {
        0,
        1,
        2,
        3,
        4,
    }
    (here / "pod.yaml").write_text(SHARED.replace("spec:", "spec: # kubekeep:ignore C-0057"))
    assert excepted(scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))) == {
        0,
        1,
        2,
        3,
        4,
    }


@pytest.mark.parametrize(("place", "expected"), [("# 1", {0}), ("# 2", {1}), ("# 3", {2}), ("# 7", {4})])
def test_alias_in_the_base_of_an_overlay(here: Path, place: str, expected: set[int]) -> None:
    (here / "pod.yaml").write_text(SHARED.replace(place, "# kubekeep:ignore C-0057"))
    (here / "kustomization.yaml").write_text("resources: [pod.yaml]\n")
    assert excepted(scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))) == expected


CHART = "apiVersion: v2\nname: a\nversion: 1.0.0\n"


@pytest.mark.parametrize(("place", "expected"), [("# 1", {0}), ("# 2", {1}), ("# 3", {2}), ("# 7", {4})])
def test_alias_in_a_chart_template(here: Path, place: str, expected: set[int]) -> None:
    (here / "templates").mkdir()
    (here / "Chart.yaml").write_text(CHART)
    template = SHARED.replace(place, "# kubekeep:ignore C-0057").replace("name: a", "name: {{ .Release.Name }}", 1)
    (here / "templates" / "pod.yaml").write_text(template)
    assert excepted(scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))) == expected


def test_included_template_is_covered_in_its_file(here: Path) -> None:
    (here / "templates").mkdir()
    (here / "Chart.yaml").write_text(CHART)
    (here / "templates" / "pod.yaml").write_text(
        '{{- define "own" }}\nprivileged: true # kubekeep:ignore C-0057\n{{- end }}\n'
        + POD.partition("      privileged")[0]
        + '      {{- include "own" . | nindent 6 }}\n'
    )
    assert statuses(scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))) == {
        Status.PASSED
    }


@pytest.mark.parametrize(("place", "expected"), [("# 1", {"one"}), ("# 2", {"two"}), ("# 0", {"one", "two"})])
def test_alias_in_chart_values(here: Path, place: str, expected: set[str]) -> None:
    (here / "templates").mkdir()
    (here / "Chart.yaml").write_text(CHART)
    (here / "values.yaml").write_text(
        "all: # 0\n  one: &shared\n    privileged: true # 1\n  two: *shared # 2\n".replace(
            place, "# kubekeep:ignore C-0057"
        )
    )
    for name in ("one", "two"):
        (here / "templates" / f"{name}.yaml").write_text(
            POD.partition("      privileged")[0].replace("name: a", f"name: {name}")
            + f"      privileged: {{{{ .Values.all.{name}.privileged }}}}\n"
        )
    assessment = scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))
    assert len(assessment.results) == 2
    assert {use.subject.name for use in assessment.results if statuses_of(use) == {Status.PASSED}} == expected


@pytest.mark.parametrize("name", ["pod.json", "pod.yaml", "-"])
def test_json_has_no_comments(here: Path, name: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": []}}
    note = {"# kubekeep:ignore C-0057": "# kubekeep:ignore C-0057"}
    container = {"name": "a", "image": "a:1", "securityContext": {"privileged": True}, **note}
    text = json.dumps({**manifest, "spec": {"containers": [container]}}, indent=2)
    (here / name).write_text(text)
    assessment = scan(
        ScanRequest(ScanInput(paths=(name,)), rules=RuleOptions(controls=("C-0057",))), stdin=io.BytesIO(text.encode())
    )
    assert (statuses(assessment), assessment.exceptions) == ({Status.FAILED}, ())


def test_text_in_a_block_scalar_is_no_comment(here: Path) -> None:
    script = "    args:\n    - |\n      # kubekeep:ignore C-0057\n      run # kubekeep:ignore C-0057\n"
    (here / "pod.yaml").write_text(POD.partition(" # kubekeep")[0] + "\n" + script)
    assessment = scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",))))
    assert (statuses(assessment), assessment.exceptions) == ({Status.FAILED}, ())


def test_standard_input_and_archives(here: Path) -> None:
    assessment = scan(
        ScanRequest(ScanInput(paths=("-",)), rules=RuleOptions(controls=("C-0057",))),
        stdin=io.BytesIO(POD.encode("utf-16")),
    )
    assert statuses(assessment) == {Status.PASSED}
    (here / "pod.yaml").write_text(POD)
    with tarfile.open("bundle.tar.gz", "w:gz") as archive:
        archive.add("pod.yaml", "deploy/pod.yaml")
    (here / "pod.yaml").unlink()
    assessment = scan(ScanRequest(ScanInput(paths=("bundle.tar.gz",)), rules=RuleOptions(controls=("C-0057",))))
    assert statuses(assessment) == {Status.PASSED}
    assert [use.exception.name for use in assessment.exceptions] == ["bundle.tar.gz/deploy/pod.yaml:10"]


def test_chart_values_and_templates(here: Path) -> None:
    shutil.copytree(EXAMPLES / "storefront-chart", here / "chart")
    request = ScanRequest(ScanInput(paths=("chart",)), rules=RuleOptions(controls=("C-0057",)))
    assert scan(request).group_findings()
    values = here / "chart/values.yaml"
    written = values.read_text()
    values.write_text(written.replace("      privileged: true", "      privileged: true # kubekeep:ignore C-0057"))
    assessment = scan(request)
    assert not assessment.group_findings()
    assert [use.exception.location.file for use in assessment.exceptions if use.exception.location] == [
        "chart/values.yaml"
    ]
    values.write_text(written)
    for template in (here / "chart/templates").glob("*.yaml"):
        template.write_text("{{/* kubekeep:ignore C-0057 */}}\n" + template.read_text())
    assert not scan(request).group_findings()


def test_base_and_patch_of_an_overlay(here: Path) -> None:
    shutil.copytree(EXAMPLES / "overlays", here / "overlays")
    request = ScanRequest(ScanInput(paths=("overlays",)), rules=RuleOptions(controls=("C-0057", "C-0017")))
    assert scan(request).group_findings().keys() == {"privileged-container", "read-only-root-filesystem"}
    patch = here / "overlays/production/debug.yaml"
    patch.write_text(patch.read_text().replace("privileged: true", "privileged: true # kubekeep:ignore C-0057"))
    base = here / "overlays/base/deployment.yaml"
    base.write_text("# kubekeep:ignore C-0017\n" + base.read_text())
    assert not scan(request).group_findings()


def test_terraform(here: Path) -> None:
    (here / "main.tf").write_text(
        'resource "kubernetes_pod" "a" {\n'
        '  metadata { name = "a" }\n'
        "  spec {\n"
        '    container { # kubekeep:ignore C-0057 reason="a test"\n'
        '      name = "a"\n'
        '      image = "registry.example/a:1"\n'
        "      security_context {\n"
        "        privileged = true\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n"
    )
    assessment = scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))
    assert statuses(assessment) == {Status.PASSED}
    assert [use.status for use in assessment.exceptions] == [ExceptionStatus.MATCHED]


def test_terraform_variables(here: Path) -> None:
    (here / "main.tf").write_text(
        'variable "privileged" {}\n'
        'resource "kubernetes_pod" "a" {\n'
        '  metadata { name = "a" }\n'
        "  spec {\n"
        "    container {\n"
        '      name = "a"\n'
        '      image = "registry.example/a:1"\n'
        "      security_context {\n"
        "        privileged = var.privileged\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n"
    )
    (here / "terraform.tfvars").write_text(
        'note = "x # kubekeep:ignore C-0057"\nprivileged = true // kubekeep:ignore C-0057\n'
    )
    for paths in ((".",), ("terraform.tfvars",), ("terraform.tfvars", "main.tf")):
        assessment = scan(ScanRequest(ScanInput(paths=paths), rules=RuleOptions(controls=("C-0057",))))
        assert statuses(assessment) == {Status.PASSED}
        assert {use.exception.name: use.status for use in assessment.exceptions} == {
            "terraform.tfvars:2": ExceptionStatus.MATCHED
        }


def test_comment_in_a_file_without_findings_is_reported(here: Path) -> None:
    (here / "notes.yaml").write_text("# kubekeep:ignore C-0057\nnotes: [a, b]\n")
    (here / "pod.yaml").write_text(POD)
    assessment = scan(ScanRequest(ScanInput(paths=(".",)), rules=RuleOptions(controls=("C-0057",))))
    assert {use.exception.name: use.status for use in assessment.exceptions} == {
        "notes.yaml:1": ExceptionStatus.UNUSED,
        "pod.yaml:10": ExceptionStatus.MATCHED,
    }


def test_example_of_the_guide(here: Path) -> None:
    page = (EXAMPLES.parent / "docs/guides/ignore-comments.md").read_text()
    text = next(block for block in page.split("```") if "kind: DaemonSet" in block).removeprefix("yaml\n")
    (here / "agent.yaml").write_text(text)
    assessment = scan(
        ScanRequest(ScanInput(paths=("agent.yaml",)), rules=RuleOptions(controls=("C-0016", "C-0017", "C-0048")))
    )
    assert statuses(assessment) == {Status.PASSED}
    assert {use.status for use in assessment.exceptions} == {ExceptionStatus.MATCHED}
