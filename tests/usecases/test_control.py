"""A new control passes its cases, and each property of a case is checked against the rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.library.load import ROOT, LibraryError
from kubekeep.usecases.control import find_problems, load_cases, write_control

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers: []\n"
OWNED = POD.replace("  name: a\n", "  name: a\n  labels: {owner: b}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with a new control and without its cases."""
    for file in write_control(tmp_path, "workload", "team-label"):
        if file.parent.name == "cases":
            file.unlink()
    return tmp_path


def check_case(folder: Path, name: str, text: str) -> list[str]:
    (folder / "workload" / "team-label" / "cases" / name).write_text(text)
    library, (case,) = load_cases(folder)
    return find_problems(case, library)


def test_a_new_control_passes_its_cases(tmp_path: Path) -> None:
    write_control(tmp_path, "workload", "team-label")
    library, cases = load_cases(tmp_path)
    assert [case.expected for case in cases] == ["fail", "fail", "pass"]
    assert [find_problems(case, library) for case in cases] == [[], [], []]


@pytest.mark.parametrize(
    ("area", "slug"), [("..", "x"), ("x", "../x"), ("x", ""), ("x", "Upper"), ("x", "a_b"), ("x", "2fa")]
)
def test_names_cannot_leave_the_folder(tmp_path: Path, area: str, slug: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name of a control"):
        write_control(tmp_path, area, slug)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    write_control(tmp_path, "workload", "team-label")
    with pytest.raises(FileExistsError):
        write_control(tmp_path, "workload", "team-label")
    with pytest.raises(ValueError, match="the library already has a control"):
        write_control(tmp_path, "workload", "privileged-container")


def test_failing_case_is_reported(folder: Path) -> None:
    assert check_case(folder, "fail.owned.yaml", OWNED) == ["nothing failed"]


def test_failing_pass_case_is_reported(folder: Path) -> None:
    messages = check_case(folder, "pass.pod.yaml", POD)
    assert messages == ["nothing passed", "unexpected: failed metadata.labels.owner"]


def test_evaluated_skip_case_is_reported(folder: Path) -> None:
    assert check_case(folder, "skip.pod.yaml", OWNED) == ["unexpected: passed"]


def test_skip_case_may_have_another_kind(folder: Path) -> None:
    assert check_case(folder, "skip.service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n") == []


def test_wrong_paths_are_reported(folder: Path) -> None:
    messages = check_case(folder, "fail.pod.yaml", f'# paths: ["spec"]\n{POD}')
    assert messages == ['paths are ["metadata.labels.owner"], not ["spec"]']


def test_ineffective_fix_is_reported(folder: Path) -> None:
    rule = folder / "workload" / "team-label" / "control.rego"
    rule.write_text(rule.read_text().replace('"fix": "YOUR_TEAM"', '"fix": ""'))
    assert check_case(folder, "fail.pod.yaml", POD) == [
        "the fix does not resolve the finding: failed metadata.labels.owner"
    ]
    rule.write_text(rule.read_text().replace('"metadata.labels.owner"', '"kind.owner"', 1))
    library, (case,) = load_cases(folder)
    (messages,) = find_problems(case, library)
    assert messages.startswith("the fix cannot be applied to the document")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("odd.pod.yaml", POD),
        ("fail.pod.yaml", f"# paths: [\n{POD}"),
        ("fail.pod.yaml", f"# params: 7\n{POD}"),
        ("fail.pod.yaml", f'# kubernetes: "two"\n{POD}'),
        ("fail.pod.yaml", "{"),
    ],
)
def test_unknown_files_are_reported(folder: Path, name: str, text: str) -> None:
    with pytest.raises(LibraryError, match=name.replace(".", r"\.")):
        check_case(folder, name, text)


def test_library_cases_are_selected_by_folder() -> None:
    _, cases = load_cases(ROOT / "controls" / "network")
    assert {case.control.area for case in cases} == {"network"}
