"""The lines around a finding, as a scan gives them to formats that want them, wherever the file came from."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Evidence, Excerpt
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
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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


def evidence(found: Assessment) -> list[Evidence]:
    return [item for rows in found.failures().values() for finding in rows for item in finding.evidence]


def test_excerpts_are_optional(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    (plain,) = evidence(scan(ScanRequest(ScanInput(paths=("pod.yaml",)), rules=RuleOptions(controls=("C-0057",)))))
    assert plain.excerpt is None
    (found,) = evidence(scanned("pod.yaml"))
    assert found.excerpt == SHOWN


def test_files_that_are_gone_after_the_scan(here: Path) -> None:
    assert [item.excerpt for item in evidence(scanned("-", stdin=POD.encode()))] == [SHOWN]
    assert [item.excerpt for item in evidence(scanned("-", stdin=POD.encode("utf-16")))] == [SHOWN]
    with zipfile.ZipFile(here / "bundle.zip", "w") as archive:
        archive.writestr("deploy/pod.yaml", POD)
    assert [item.excerpt for item in evidence(scanned("bundle.zip"))] == [SHOWN]


def test_charts_and_overlays_show_what_a_person_wrote(here: Path) -> None:
    shutil.copytree(EXAMPLES / "storefront-chart", here / "chart")
    shutil.copytree(EXAMPLES / "overlays", here / "overlays")
    for path in ("chart", "overlays"):
        for item in evidence(scanned(path)):
            assert item.location is not None
            assert item.location.region is not None
            assert item.excerpt is not None
            lines = Path(item.location.file).read_text().splitlines()
            line = item.location.region.start.line
            assert item.excerpt.lines[line - item.excerpt.first] == lines[line - 1]


def test_long_lines_and_regions_are_cut(here: Path) -> None:
    long = POD.replace("    securityContext:", f"    x: '{'a b ' * 500}'\n    securityContext:")
    (here / "pod.yaml").write_text(long)
    (found,) = evidence(scanned("pod.yaml"))
    assert found.excerpt is not None
    assert len(found.excerpt.lines) <= 8
    assert max(map(len, found.excerpt.lines)) == 301


def test_equal_places_share_one_excerpt(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    request = ScanRequest(ScanInput(paths=("pod.yaml",)), needs=ReportNeeds(extras=frozenset({Extra.EXCERPTS})))
    by_place: dict[str, set[int]] = {}
    for item in evidence(scan(request)):
        if item.location is not None:
            by_place.setdefault(repr(item.location), set()).add(id(item.excerpt))
    assert len(by_place) > 1
    assert {len(found) for found in by_place.values()} == {1}


def test_files_of_one_name_in_two_repositories(here: Path) -> None:
    for name in ("one", "two"):
        (here / name).mkdir()
        (here / name / "pod.yaml").write_text(POD.replace("securityContext:", f"securityContext: # {name}"))
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=here / name, check=True)
    found = evidence(scanned(*(f"file://{here}/{name}/.git" for name in ("one", "two"))))
    assert [item.location.file for item in found if item.location] == ["pod.yaml", "pod.yaml"]
    assert [item.excerpt and item.excerpt.lines[1] for item in found] == [
        "    securityContext: # one",
        "    securityContext: # two",
    ]
