"""A control written by `kubekeep control new` passes the checks of built-in controls without any edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from kubekeep.library.cases import list_cases, read_objects
from kubekeep.library.load import ROOT, Library
from kubekeep.usecases.control import evaluate_case, find_problems, list_verdicts, write_control
from tests.library.checks import check_cases, check_consistency, check_messages, check_schema, check_unique_names
from tests.library.test_fixes import edit_case, has_fix


@pytest.fixture
def library_copy(tmp_path: Path) -> Path:
    """Copy of the built-in library's folder."""
    return Path(shutil.copytree(ROOT, tmp_path / "library", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


@pytest.mark.parametrize(("area", "slug"), [("workload", "team-label"), ("pod-security", "owner2"), ("new-area", "a")])
def test_new_control_passes_all_checks(tmp_path: Path, library_copy: Path, area: str, slug: str) -> None:
    before = {file: file.read_bytes() for file in library_copy.rglob("*") if file.is_file()}
    files = write_control(library_copy / "controls", area, slug)
    assert all(file.is_relative_to(library_copy / "controls" / area / slug) for file in files)
    after = {file: file.read_bytes() for file in library_copy.rglob("*") if file.is_file()}
    assert {file: content for file, content in after.items() if file not in files} == before, "one folder is touched"

    library = Library(library_copy)
    control = library.controls[slug]
    cases = list_cases(library, [control])
    check_schema(control, library)
    check_unique_names(library)
    check_cases(control, cases)
    check_consistency(control, library)
    for case in cases:
        assert find_problems(case, library) == []
        check_messages(case, library)
        if has_fix(case, library):
            edited = msgspec.structs.replace(case, file=tmp_path / case.file.name)
            edited.file.write_text(edit_case(case, library) or "", encoding="utf-8")
            assert not has_fix(edited, library)
            assert list_verdicts(edited, evaluate_case(edited, read_objects(edited), library)), (
                "the edited case still has its resource"
            )
