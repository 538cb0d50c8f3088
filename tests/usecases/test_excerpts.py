"""Excerpts around findings for the formats that request them, for every kind of source."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Evidence, Excerpt
from kubekeep.reports import Extra
from kubekeep.sources.options import Access, ReadOptions
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
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
    env: [{name: A, value: hunter2}]
    securityContext:
      privileged: true
"""
SHOWN = Excerpt(8, ("    env: XXXXXX", "    securityContext:", "      privileged: true", ""))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scanned(*paths: str, stdin: bytes = b"") -> Assessment:
    read = ReadOptions(access=Access(environment=dict(os.environ)))
    request = ScanRequest(
        ScanInput(paths=paths, read=read),
        rules=RuleOptions(controls=("C-0057",)),
        needs=ReportNeeds(extras=frozenset({Extra.EXCERPTS})),
    )
    return scan(request, stdin=io.BytesIO(stdin))


def evidence(assessment: Assessment) -> list[Evidence]:
    return [entry for rows in assessment.group_findings().values() for finding in rows for entry in finding.evidence]


def test_excerpts_are_optional(folder: Path) -> None:
    (folder / "pod.yaml").write_text(POD)
    (plain,) = evidence(scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",)))))
    assert plain.excerpt is None
    (excerpted,) = evidence(scanned("pod.yaml"))
    assert excerpted.excerpt == SHOWN


def test_standard_input_and_archives_have_excerpts(folder: Path) -> None:
    assert [entry.excerpt for entry in evidence(scanned("-", stdin=POD.encode()))] == [SHOWN]
    assert [entry.excerpt for entry in evidence(scanned("-", stdin=POD.encode("utf-16")))] == [SHOWN]
    with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
        archive.writestr("deploy/pod.yaml", POD)
    assert [entry.excerpt for entry in evidence(scanned("bundle.zip"))] == [SHOWN]


def test_charts_and_overlays_show_source_lines(folder: Path) -> None:
    shutil.copytree(EXAMPLES / "storefront-chart", folder / "chart")
    shutil.copytree(EXAMPLES / "overlays", folder / "overlays")
    for path in ("chart", "overlays"):
        for entry in evidence(scanned(path)):
            assert entry.location is not None
            assert entry.location.region is not None
            assert entry.excerpt is not None
            lines = Path(entry.location.file).read_text().splitlines()
            line = entry.location.region.start.line
            assert entry.excerpt.lines[line - entry.excerpt.first] == lines[line - 1]


def test_long_lines_and_regions_are_cut(folder: Path) -> None:
    long_entry = POD.replace("    securityContext:", f"    x: '{'a b ' * 500}'\n    securityContext:")
    (folder / "pod.yaml").write_text(long_entry)
    (entry,) = evidence(scanned("pod.yaml"))
    assert entry.excerpt is not None
    assert len(entry.excerpt.lines) <= 8
    assert max(map(len, entry.excerpt.lines)) == 301


def test_equal_locations_share_one_excerpt(folder: Path) -> None:
    (folder / "pod.yaml").write_text(POD)
    request = ScanRequest(ScanInput(paths=("pod.yaml",)), needs=ReportNeeds(extras=frozenset({Extra.EXCERPTS})))
    excerpts_by_location: dict[str, set[int]] = {}
    for entry in evidence(scan(request)):
        if entry.location is not None:
            excerpts_by_location.setdefault(repr(entry.location), set()).add(id(entry.excerpt))
    assert len(excerpts_by_location) > 1
    assert {len(excerpts) for excerpts in excerpts_by_location.values()} == {1}


def test_equal_file_names_in_two_repositories_are_separate(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "pod.yaml").write_text(POD.replace("securityContext:", f"securityContext: # {name}"))
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run(
                ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=folder / name, check=True
            )
    entries = evidence(scanned(*(f"file://{folder}/{name}/.git" for name in ("one", "two"))))
    assert [entry.location.file for entry in entries if entry.location] == ["pod.yaml", "pod.yaml"]
    assert [entry.excerpt and entry.excerpt.lines[1] for entry in entries] == [
        "    securityContext: # one",
        "    securityContext: # two",
    ]
