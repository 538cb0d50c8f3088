"""Loader of libraries: every built-in file matches its schema, and errors name the invalid file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from kubekeep.library.load import CONTROL_FILE, ROOT, RULE_FILE, Library, LibraryError, builtin
from kubekeep.library.scaffold import build_files
from kubekeep.model.control import Control
from tests.library.checks import check_schema, check_unique_names, load_schema

HOUSE_RULE = "title: House rule\nseverity: 5\nasks: x\nwhy: x\nfix: x\ntargets: [workload]\n"


@pytest.mark.parametrize("control", builtin().controls.values(), ids=lambda control: control.slug)
def test_control_matches_the_schema(control: Control) -> None:
    check_schema(control, builtin())
    assert builtin().get_folder(control) == ROOT / "controls" / control.area / control.slug


@pytest.mark.parametrize("slug", builtin().frameworks)
def test_framework_matches_the_schema(slug: str) -> None:
    document = yaml.safe_load((ROOT / "frameworks" / f"{slug}.yaml").read_text(encoding="utf-8"))
    load_schema("framework.schema.json").validate(document)
    assert builtin().select_members(builtin().frameworks[slug]) or slug == "yaml-scanning"


def test_numbers_and_titles_are_unique() -> None:
    check_unique_names(builtin())


def test_error_names_the_invalid_file(tmp_path: Path) -> None:
    folder = tmp_path / "controls" / "workload" / "odd"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text("title: Odd\nseverety: 3\n")
    with pytest.raises(LibraryError, match=r"odd.control\.yaml.*severety"):
        _ = Library(tmp_path).controls


@pytest.mark.parametrize("name", [RULE_FILE, CONTROL_FILE])
def test_pipe_is_no_file_of_a_library(tmp_path: Path, name: str) -> None:
    for path, text in build_files("workload", "owner").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    pipe = tmp_path / "workload" / "owner" / name
    pipe.unlink()
    os.mkfifo(pipe)
    library = Library(tmp_path, parent=builtin())
    with pytest.raises(LibraryError, match=f"{name}: not a file"):
        library.get_rule(library.controls["owner"])


def test_library_extends_its_parent(tmp_path: Path) -> None:
    folder = tmp_path / "workload" / "house-rule"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    (folder / "control.rego").write_text("package kubekeep.controls.house_rule\n\nimport data.kubekeep.lib.identity\n")
    library = Library(tmp_path, parent=builtin())
    assert set(library.controls) == {*builtin().controls, "house-rule"}
    assert library.get_rule(library.controls["house-rule"]).libraries == {"identity"}
    assert library.get_rule(library.controls["privileged-container"]).source
    (folder.parent / "privileged-container").mkdir()
    (folder.parent / "privileged-container" / "control.yaml").write_text(HOUSE_RULE)
    with pytest.raises(LibraryError, match="control privileged-container is defined twice"):
        _ = Library(tmp_path, parent=builtin()).controls


@pytest.mark.parametrize("name", ["lib/identity.rego", "frameworks/nsa.yaml"])
def test_library_cannot_replace_modules_and_frameworks_of_its_parent(tmp_path: Path, name: str) -> None:
    (tmp_path / "workload" / "house-rule").mkdir(parents=True)
    (tmp_path / "workload" / "house-rule" / "control.yaml").write_text(HOUSE_RULE)
    (tmp_path / "workload" / "house-rule" / "control.rego").write_text(
        "package kubekeep.controls.house_rule\n\nimport data.kubekeep.lib.identity\n"
    )
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("name: x\ntitle: x\ndescription: x\n")
    library = Library(tmp_path, parent=builtin())
    with pytest.raises(LibraryError, match=rf"{name}: the name is used by the built-in library"):
        _ = library.frameworks, library.get_rule(library.controls["house-rule"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_rule", "does not exist"),
        ("house_rule", "imports other rules"),
        ("enforced_pod_security_level", "imports other rules"),
    ],
)
def test_rule_imports_do_not_nest(tmp_path: Path, name: str, message: str) -> None:
    folder = tmp_path / "workload" / "house-rule"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    file = folder / "control.rego"
    file.write_text("package kubekeep.controls.house_rule\n\nimport data.kubekeep.controls.pss_privileged\n")
    library = Library(tmp_path, parent=builtin())
    rule = library.get_rule(library.controls["house-rule"])
    assert [imported.path for imported in rule.rules] == ["controls/pod-security/pss-privileged/control.rego"]
    assert rule.libraries == {"workload"}
    assert {str(file), rule.rules[0].path, "lib/workload.rego"} == set(
        library.collect_modules([library.controls["house-rule"]])
    )
    file.write_text(f"package kubekeep.controls.house_rule\n\nimport data.kubekeep.controls.{name}\n")
    library = Library(tmp_path, parent=builtin())
    with pytest.raises(LibraryError, match=rf"control\.rego: the imported rule {name} {message}"):
        library.get_rule(library.controls["house-rule"])


def test_shared_module_imports_rules_of_controls(tmp_path: Path) -> None:
    folder = tmp_path / "workload" / "house-rule"
    (tmp_path / "lib").mkdir()
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    (folder / "control.rego").write_text("package kubekeep.controls.house_rule\n\nimport data.kubekeep.lib.house\n")
    shared = tmp_path / "lib" / "house.rego"
    shared.write_text("package kubekeep.lib.house\n\nimport data.kubekeep.controls.pss_privileged\n")
    library = Library(tmp_path, parent=builtin())
    rule = library.get_rule(library.controls["house-rule"])
    assert [imported.path for imported in rule.rules] == ["controls/pod-security/pss-privileged/control.rego"]
    assert rule.libraries == {"house", "workload"}
    assert rule.rules[0].path in library.collect_modules([library.controls["house-rule"]])
    shared.write_text("package kubekeep.lib.house\n\nimport data.kubekeep.controls.house_rule\n")
    library = Library(tmp_path, parent=builtin())
    with pytest.raises(LibraryError, match="the imported rule house_rule imports other rules; this is not supported"):
        library.get_rule(library.controls["house-rule"])


def test_repeated_key_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "house-rule").mkdir()
    (tmp_path / "house-rule" / "control.yaml").write_text(f"{HOUSE_RULE}title: Again\n")
    with pytest.raises(LibraryError, match=r"control\.yaml: duplicate keys"):
        _ = Library(tmp_path).controls
