"""Fixes of rendered and built resources: in the values file, the base or the patch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kubekeep.fixes.plan import write_files
from kubekeep.model.verdict import Status
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("storefront-chart", "overlays"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fix_folder(path: str, *controls: str) -> dict[str, list[str]]:
    """Fix the resources of a folder, and return the added lines of each changed file."""
    request = ScanRequest(ScanInput(paths=(path,)), rules=RuleOptions(controls=controls))
    fix_plan = plan(FixRequest(scan=request))
    texts_before = {change.name: change.before.decode().splitlines() for change in fix_plan.files}
    assert write_files(fix_plan) == []
    statuses = {verdict.status for result in scan(request).results for verdict in result.verdicts.values()}
    assert statuses == {Status.PASSED}
    assert plan(FixRequest(scan=request)).files == (), "fixing twice changes nothing"
    return {
        name: [line.strip() for line in Path(name).read_text().splitlines() if line not in lines]
        for name, lines in texts_before.items()
    }


def test_chart_value_is_fixed(folder: Path) -> None:
    template = (folder / "storefront-chart/templates/deployment.yaml").read_text()
    values = (folder / "storefront-chart/values.yaml").read_text()
    assert set(fix_folder("storefront-chart", "C-0057")) == {"storefront-chart/values.yaml"}
    changed = (folder / "storefront-chart/values.yaml").read_text()
    assert changed == values.replace("      privileged: true", "      privileged: false")
    assert (folder / "storefront-chart/templates/deployment.yaml").read_text() == template


def test_missing_key_is_added_to_values(folder: Path) -> None:
    assert folder.is_dir()
    assert fix_folder("storefront-chart", "C-0016") == {
        "storefront-chart/values.yaml": ["privileged: false", "allowPrivilegeEscalation: false"]
    }


def test_patch_and_base_of_an_overlay_are_fixed(folder: Path) -> None:
    assert folder.is_dir()
    assert fix_folder("overlays", "C-0057", "C-0041") == {"overlays/production/debug.yaml": ["privileged: false"]}
    assert "hostNetwork" not in (folder / "overlays/production/debug.yaml").read_text()
    assert fix_folder("overlays", "C-0017") == {"overlays/base/deployment.yaml": ["readOnlyRootFilesystem: true"]}


def test_literal_text_of_a_template_is_reported_as_unfixed(folder: Path) -> None:
    assert folder.is_dir()
    fix_plan = plan(
        FixRequest(scan=ScanRequest(ScanInput(paths=("storefront-chart",)), rules=RuleOptions(controls=("C-0034",))))
    )
    assert fix_plan.files == ()
    (unfixed,) = fix_plan.unfixed
    assert "template" in str(unfixed)


def test_field_of_an_empty_value_is_added(folder: Path) -> None:
    chart = folder / "web"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (chart / "values.yaml").write_text("securityContext: {}  # of the container\n")
    (chart / "templates" / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n    - name: web\n"
        "      image: web:1\n      {{- with .Values.securityContext }}\n      securityContext:\n"
        "        {{- toYaml . | nindent 8 }}\n      {{- end }}\n"
    )
    assert fix_folder("web", "C-0017") == {
        "web/values.yaml": ["securityContext:  # of the container", "readOnlyRootFilesystem: true"]
    }
