"""Dependencies of test files: each way in which a change reaches a test, in this repository."""

from __future__ import annotations

import pytest

from tests.selection.graph import FARTHEST, DependencyGraph
from tests.selection.plugin import ROOT


@pytest.fixture(scope="module")
def graph() -> DependencyGraph:
    return DependencyGraph(ROOT)


@pytest.mark.parametrize(
    ("changed", "test", "most"),
    [
        ("tests/sources/helm/test_charts.py", "tests/sources/helm/test_charts.py", 0),
        ("src/kubekeep/sources/helm/reader.py", "tests/sources/helm/test_charts.py", 1),
        # A command that the program loads by name, and a subcommand of a group.
        ("src/kubekeep/cli/fix.py", "tests/cli/test_fix.py", 1),
        ("src/kubekeep/cli/image/verify.py", "tests/signatures/test_cosign.py", 4),
        # A format of reports, which a registry loads by the name of its module.
        ("src/kubekeep/reports/junit.py", "tests/reports/test_junit.py", 1),
        ("src/kubekeep/reports/junit.py", "tests/reports/test_same_figures.py", 3),
        ("server/src/kubekeep_server/store/decisions.py", "tests/server/test_decisions_api.py", 1),
        # A server that runs as a process.
        ("server/src/kubekeep_server/process/command.py", "tests/server/test_backup.py", 2),
        ("rust/native/src/problems.rs", "tests/server/test_images.py", 1),
        ("rust/yaml/src/tree.rs", "tests/sources/test_go_yaml.py", 3),
        ("src/kubekeep/library/controls/workload/privileged/control.yaml", "tests/library/test_cases.py", 3),
        ("docs/guides/server.md", "tests/server/test_guides.py", 2),
        ("examples/storefront-chart/Chart.yaml", "tests/cli/test_fix.py", 2),
        ("tests/sources/helm/charts/new/Chart.yaml", "tests/sources/helm/test_charts.py", 2),
        ("web/src/pages/images/images.tsx", "tests/server/test_pages.py", 1),
        # A fixture that the test requests by its name.
        ("tests/server/conftest.py", "tests/server/test_decisions.py", 1),
        # A module that was deleted.
        ("src/kubekeep/sources/helm/deleted.py", "tests/sources/helm/test_charts.py", 2),
    ],
)
def test_change_reaches_a_test(graph: DependencyGraph, changed: str, test: str, most: int) -> None:
    assert graph.measure_distances([changed])[test] <= most


@pytest.mark.parametrize(
    ("changed", "test"),
    [
        ("server/src/kubekeep_server/store/decisions.py", "tests/model/test_text.py"),
        ("docs/guides/server.md", "tests/model/test_text.py"),
        ("tests/server/conftest.py", "tests/sources/helm/test_charts.py"),
        ("src/kubekeep/cli/fix.py", "tests/model/test_text.py"),
    ],
)
def test_change_does_not_reach_a_test(graph: DependencyGraph, changed: str, test: str) -> None:
    assert test not in graph.measure_distances([changed])


def test_nearest_change_counts(graph: DependencyGraph) -> None:
    changed = ["src/kubekeep/sources/yaml_text.py", "tests/sources/helm/test_charts.py"]
    assert graph.measure_distances(changed)["tests/sources/helm/test_charts.py"] == 0


def test_locked_packages_reach_all_tests_last(graph: DependencyGraph) -> None:
    distances = graph.measure_distances(["requirements.lock", "server/src/kubekeep_server/store/decisions.py"])
    assert distances.keys() == set(graph.tests)
    assert distances["tests/server/test_decisions.py"] == 1
    assert distances["tests/model/test_text.py"] == FARTHEST
