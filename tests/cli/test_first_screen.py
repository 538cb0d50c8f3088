"""The first screen of a scan fits on one screen for any tree, and lists each place and control at most a few times.

The trees are generated: a few, hundreds and tens of thousands of resources with overlays and a chart. Public trees are scanned
too where they are present.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
import yaml
from tests.command_line import run_command_line

from kubekeep.reports.shared.terminal import count_rows

BOUNDS: Final = {80: 55, 100: 45, 200: 45}
"""Maximum rows by columns."""
LEVELS: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
CORPORA: Final = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"
_OVERLAYS: Final = 9
_PER_FILE: Final = 100


def create_workload(number: int) -> dict[str, object]:
    """Return a workload; some are privileged, mount the node, or contain a credential."""
    container: dict[str, object] = {"name": "web", "image": "registry.example.com/shop/web:1.4"}
    if number % 3 == 0:
        container["securityContext"] = {"privileged": True}
    if number % 7 == 0:
        container["env"] = [{"name": "DB_PASSWORD", "value": f"fo0-Bar{number}-9x"}]
    spec: dict[str, object] = {"containers": [container], "hostNetwork": number % 5 == 0}
    labels = {"app": f"web-{number}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-{number}-of-the-department-for-very-long-names", "namespace": f"team-{number % 40}"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def write_tree(folder: Path, count: int) -> None:
    """Write `count` workloads, a base with overlays, and versions of a chart."""
    for start in range(0, count, _PER_FILE):
        file = folder / "teams" / f"department-{start}-with-a-long-name" / "kubernetes-manifests" / "workloads.yaml"
        file.parent.mkdir(parents=True)
        documents = [create_workload(number) for number in range(start, min(start + _PER_FILE, count))]
        file.write_text(yaml.dump_all(documents, Dumper=yaml.CSafeDumper))
    base = folder / "base"
    base.mkdir(parents=True)
    (base / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (base / "web.yaml").write_text(yaml.safe_dump(create_workload(21)))
    for number in range(_OVERLAYS):
        overlay = folder / "overlays" / f"stage-{number}"
        overlay.mkdir(parents=True)
        (overlay / "kustomization.yaml").write_text(f"resources: [../../base]\nnamespace: stage-{number}\n")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        chart = folder / "charts" / version
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: shop\nversion: {version}\n")
        (chart / "values.yaml").write_text("privileged: true\n")
        template = yaml.safe_dump(create_workload(1)).replace(
            "image:", "securityContext: {privileged: PLACE}\n        image:"
        )
        (chart / "templates" / "web.yaml").write_text(template.replace("PLACE", "{{ .Values.privileged }}"))


def read_entries(text: str) -> list[str]:
    """Return the lines of the list of what to fix first."""
    return text.partition("\nFix first\n")[2].partition("\n\n")[0].splitlines()


def check_screen(tree: str, columns: int, folder: Path) -> str:
    """Check the bounds of the first screen of a scan, and return its text."""
    result = run_command_line("scan", tree, folder=folder, variables={"COLUMNS": str(columns)})
    rows = [count_rows(line, columns) for line in (result.stdout + result.stderr).splitlines()]
    assert sum(rows) <= BOUNDS[columns], result.stdout + result.stderr
    entries = read_entries(result.stdout)
    levels = [line.split()[0] for line in entries if line.split()[0] in LEVELS]
    assert levels == sorted(levels, key=LEVELS.index)
    names = Counter(name for line in entries for name in re.findall(r"\bC-\d{4}\b", line))
    assert not names or max(names.values()) <= 2
    return result.stdout


@pytest.mark.parametrize("count", [3, 300, 30_000])
def test_first_screen_of_a_generated_tree(count: int, tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", count)
    for columns in BOUNDS if count <= 300 else (100,):
        text = check_screen("tree", columns, tmp_path)
        places = [line.strip() for line in read_entries(text) if re.search(r"\.yaml:\d+", line)]
        assert len(places) == len(set(places)) > 0


def test_overlays_share_one_entry(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", 1)
    entries = read_entries(check_screen("tree/overlays", 200, tmp_path))
    assert sum("web.yaml:" in line for line in entries) == 1
    assert any(f"in {_OVERLAYS} overlays" in line for line in entries)


def test_controls_that_fail_on_every_workload_are_one_line_each(tmp_path: Path) -> None:
    workloads = [create_workload(number) for number in range(8)]
    (tmp_path / "web.yaml").write_text(yaml.safe_dump_all(workloads))
    entries = read_entries(check_screen("web.yaml", 100, tmp_path))
    lines = [line for line in entries if "all 8 workloads, such as: " in line]
    assert 0 < len(lines) <= 3
    names = list(itertools.chain.from_iterable(re.findall(r"C-\d{4}", line) for line in lines))
    assert all(sum(name in line for line in entries) == 1 for name in names)


def test_new_findings_and_gates_fit_too(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", 30)
    (tmp_path / "tree" / "broken.yaml").write_text("a: [\n")
    variables = {"COLUMNS": "100"}
    result = run_command_line("scan", "tree", "--fail-on", "high", folder=tmp_path, variables=variables)
    assert "gate FAILED" in result.stderr
    assert sum(count_rows(line, 100) for line in (result.stdout + result.stderr).splitlines()) <= BOUNDS[100]


@pytest.mark.parametrize("columns", [80, 100])
def test_most_urgent_problem_is_shown_beside_many_gaps(columns: int, tmp_path: Path) -> None:
    tree = tmp_path / "a-folder-with-a-long-name" / "another-folder-with-a-long-name" / "manifests-of-the-department"
    write_tree(tree, 8)
    for number in range(9):
        (tree / f"broken-{number}-with-a-long-name.yaml").write_text("a: [\n")
        resource = {**create_workload(100 + number), "unknownField": True}
        (tree / f"unknown-{number}-with-a-long-name.yaml").write_text(yaml.safe_dump(resource))
    text = check_screen(str(tree), columns, tmp_path)
    counts = re.search(r"findings?: .*", text)
    assert counts is not None
    assert "critical" in counts[0]
    first = next(line for line in read_entries(text) if line.strip())
    assert first.split()[0] == "CRITICAL"


@pytest.mark.parametrize("tree", sorted(CORPORA.glob("*/")), ids=lambda tree: str(tree.name))
@pytest.mark.parametrize("columns", BOUNDS)
def test_first_screen_of_a_public_tree(tree: Path, columns: int) -> None:
    check_screen(tree.name, columns, tree.parent)
