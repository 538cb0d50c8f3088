"""The loader: every file is what its schema says, and a wrong one is named."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from kubekeep.library.load import ROOT, Library, LibraryError, builtin
from kubekeep.model.control import Control

HOUSE_RULE = "title: House rule\nseverity: 5\nasks: x\nwhy: x\nfix: x\ntargets: [workload]\n"
SCHEMAS = ROOT / "schema"


@pytest.mark.parametrize("control", builtin().controls.values(), ids=lambda control: control.slug)
def test_control_matches_the_schema(control: Control) -> None:
    file = ROOT / "controls" / control.area / control.slug / "control.yaml"
    schema = json.loads((SCHEMAS / "control.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema)
    assert 0 <= control.severity <= 10
    assert all(text.strip() for text in (control.title, control.asks, control.why, control.fix))
    assert not control.title.endswith(".")


@pytest.mark.parametrize("slug", builtin().frameworks)
def test_framework_matches_the_schema(slug: str) -> None:
    schema = json.loads((SCHEMAS / "framework.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((ROOT / "frameworks" / f"{slug}.yaml").read_text(encoding="utf-8")), schema)
    assert builtin().members(builtin().frameworks[slug]) or slug == "yaml-scanning"


def test_numbers_and_titles_are_unique() -> None:
    names = [name for control in builtin().controls.values() for name in (*control.ids, control.title, control.slug)]
    assert len(names) == len(set(names))


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "controls" / "workload" / "odd"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text("title: Odd\nseverety: 3\n")
    with pytest.raises(LibraryError, match=r"odd.control\.yaml.*severety"):
        _ = Library(tmp_path).controls


def test_a_library_lies_on_top_of_another(tmp_path: Path) -> None:
    folder = tmp_path / "workload" / "house-rule"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    (folder / "control.rego").write_text("package kubekeep.controls.house_rule\n\nimport data.kubekeep.lib.place\n")
    library = Library(tmp_path, beneath=builtin())
    assert set(library.controls) == {*builtin().controls, "house-rule"}
    assert library.rule(library.controls["house-rule"]).libraries == {"place"}
    assert library.rule(library.controls["privileged-container"]).source
    (folder.parent / "privileged-container").mkdir()
    (folder.parent / "privileged-container" / "control.yaml").write_text(HOUSE_RULE)
    with pytest.raises(LibraryError, match="there is another control privileged-container"):
        _ = Library(tmp_path, beneath=builtin()).controls


@pytest.mark.parametrize("name", ["lib/place.rego", "frameworks/nsa.yaml"])
def test_a_library_changes_nothing_beneath_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "workload" / "house-rule").mkdir(parents=True)
    (tmp_path / "workload" / "house-rule" / "control.yaml").write_text(HOUSE_RULE)
    (tmp_path / "workload" / "house-rule" / "control.rego").write_text(
        "package kubekeep.controls.house_rule\n\nimport data.kubekeep.lib.place\n"
    )
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("name: x\ntitle: x\ndescription: x\n")
    library = Library(tmp_path, beneath=builtin())
    with pytest.raises(LibraryError, match=rf"{name}: it has the name of one that comes with Kubekeep"):
        _ = library.frameworks, library.rule(library.controls["house-rule"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_rule", "which no control has"),
        ("house_rule", "which imports others itself"),
        ("enforced_pod_security_level", "which imports others itself"),
    ],
)
def test_a_rule_evaluates_those_of_other_controls_one_step_deep(tmp_path: Path, name: str, said: str) -> None:
    folder = tmp_path / "workload" / "house-rule"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    file = folder / "control.rego"
    file.write_text("package kubekeep.controls.house_rule\n\nimport data.kubekeep.controls.pss_privileged\n")
    library = Library(tmp_path, beneath=builtin())
    rule = library.rule(library.controls["house-rule"])
    assert [item.path for item in rule.rules] == ["controls/pod-security/pss-privileged/control.rego"]
    assert rule.libraries == {"workload"}
    assert {str(file), rule.rules[0].path, "lib/workload.rego"} == set(
        library.modules([library.controls["house-rule"]])
    )
    file.write_text(f"package kubekeep.controls.house_rule\n\nimport data.kubekeep.controls.{name}\n")
    library = Library(tmp_path, beneath=builtin())
    with pytest.raises(LibraryError, match=rf"control\.rego: it imports the rule {name}, {said}"):
        library.rule(library.controls["house-rule"])


def test_a_shared_module_evaluates_rules_of_controls(tmp_path: Path) -> None:
    folder = tmp_path / "workload" / "house-rule"
    (tmp_path / "lib").mkdir()
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text(HOUSE_RULE)
    (folder / "control.rego").write_text("package kubekeep.controls.house_rule\n\nimport data.kubekeep.lib.house\n")
    shared = tmp_path / "lib" / "house.rego"
    shared.write_text("package kubekeep.lib.house\n\nimport data.kubekeep.controls.pss_privileged\n")
    library = Library(tmp_path, beneath=builtin())
    rule = library.rule(library.controls["house-rule"])
    assert [item.path for item in rule.rules] == ["controls/pod-security/pss-privileged/control.rego"]
    assert rule.libraries == {"house", "workload"}
    assert rule.rules[0].path in library.modules([library.controls["house-rule"]])
    shared.write_text("package kubekeep.lib.house\n\nimport data.kubekeep.controls.house_rule\n")
    library = Library(tmp_path, beneath=builtin())
    with pytest.raises(LibraryError, match="it imports the rule house_rule, which imports others itself"):
        library.rule(library.controls["house-rule"])


def test_keys_are_said_once(tmp_path: Path) -> None:
    (tmp_path / "house-rule").mkdir()
    (tmp_path / "house-rule" / "control.yaml").write_text(f"{HOUSE_RULE}title: Again\n")
    with pytest.raises(LibraryError, match=r"control\.yaml: keys are said twice"):
        _ = Library(tmp_path).controls
