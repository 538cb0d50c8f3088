"""User-supplied rules: bundles in Kubescape's JSON, bare Rego files, folders of controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.library.bundles import read_bundles
from kubekeep.library.extra import CUSTOM_RULES, load_rules
from kubekeep.library.load import LibraryError, builtin
from kubekeep.library.rego_files import list_rego_files, read_rego
from kubekeep.model.verdict import Cause

REGO = 'package armo_builtins\n\ndeny[r] {\n\tr := {"alertObject": {"k8sApiObjects": input}}\n}\n'


def rule(name: str = "r", **fields: Any) -> dict[str, Any]:
    match = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["Deployment"], "fieldSelector": ["a!=b"]}]
    return {"name": name, "rule": REGO, "match": match, "ruleLanguage": "rego", "dynamicMatch": None, **fields}


def control(number: str = "H-1", **fields: Any) -> dict[str, Any]:
    return {"controlID": number, "name": f"Control {number}", "baseScore": 7, "rules": [rule()], **fields}


def framework(name: str = "House", *controls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "controls": list(controls or (control(),)), **fields}


def write(file: Path, value: object) -> Path:
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_framework_is_read_with_its_sections(tmp_path: Path) -> None:
    sections = {"1": {"name": "One", "id": "1", "subSections": {"1.1": {"id": "1.1", "controlsIDs": ["H-1"]}}}}
    file = write(tmp_path / "house.json", framework(subSections=sections, description="d", guid=7))
    bundles = read_bundles([file])
    (house,) = bundles.frameworks
    (loaded,) = bundles.controls
    assert (house.name, [section.id for section in house.sections]) == ("House", ["1", "1.1"])
    assert house.has(loaded.control)
    assert loaded.control.satisfies == {house.slug: ("1.1",)}
    assert (loaded.control.id, loaded.control.severity, loaded.control.targets) == ("H-1", 7, ("Deployment",))
    (only,) = loaded.rules
    assert (only.source, only.matches[0].fields) == (REGO, (("a", False, "b"),))
    assert house.slug not in builtin().frameworks


def test_folder_of_artifacts(tmp_path: Path) -> None:
    write(tmp_path / "one.json", framework("One"))
    write(tmp_path / "two.json", [framework("Two", control(), control("H-2"))])
    write(tmp_path / "alone.json", control("H-3"))
    write(tmp_path / "exceptions.json", "[not even JSON")
    write(tmp_path / "attack-tracks.json", [])
    write(tmp_path / "other.json", {"name": "other"})
    inputs = {"settings": {"postureControlInputs": {"names": ["a"]}}}
    write(tmp_path / "controls-inputs.json", inputs)
    rules = load_rules([], [tmp_path])
    assert [framework.name for framework in rules.frameworks] == ["One", "Two"]
    assert [loaded.control.id for loaded in rules.controls] == ["H-3", "H-1", "H-2"]
    assert len(rules.controls[1].control.satisfies) == 2, "a control of two frameworks is one"
    assert rules.inputs == {"names": ("a",)}
    assert rules.exceptions == (str(tmp_path / "exceptions.json"),), "read with the exceptions of the scan"
    assert sorted(Path(note.partition(":")[0]).name for note in rules.notes) == ["attack-tracks.json", "other.json"]


def test_fields_of_controls_are_read(tmp_path: Path) -> None:
    inputs = [{"path": "settings.postureControlInputs.names", "name": "Names", "description": "d"}]
    odd = [
        rule("old", attributes={"useUntilKubescapeVersion": "v2.0.0"}),
        rule("new", attributes={"useFromKubescapeVersion": "v3.0.0"}, controlConfigInputs=inputs),
        rule("cel", ruleLanguage="CEL"),
        rule("joined", attributes={"resourcesAggregator": "somehow"}),
        rule("signed", rule=REGO.replace("r :=", 'cosign.has_signature("x")\n\tr :=')),
    ]
    configured = control(
        rules=odd,
        attributes={"actionRequired": "configuration"},
        fixedInput={"fixed": ["1"]},
        scanningScope={"matches": ["cluster"]},
    )
    manual = control("H-2", rules=None, attributes={"actionRequired": "manual review"}, manual_test="look at it")
    first, second = read_bundles([write(tmp_path / "a.json", [configured, manual])]).controls
    assert [rule.name for rule in first.rules] == ["new", "cel", "joined", "signed"]
    causes = [rule.obstacle and rule.obstacle.cause for rule in first.rules]
    assert causes == [None, Cause.RULE_ERROR, Cause.RULE_ERROR, Cause.NEEDS_NETWORK]
    assert (first.needs_parameters, first.fixed_params, first.control.scope) == (True, {"fixed": ("1",)}, "cluster")
    assert list(first.control.params) == ["names"]
    assert (second.control.is_manual, second.control.audit) == (True, "look at it")
    assert second.review_reason is not None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{", "malformed|truncated"),
        ("[" * 100_000, "a.json"),
        ("7", "neither a framework nor a control"),
        ({"name": "source", "activeControls": [{"controlID": "C-1"}]}, "use the released JSON"),
        ({"controlID": "C-1", "name": "c", "rulesNames": ["r"]}, "use the released JSON"),
        (framework("House", {"controlID": "H-1"}), "H-1: .*name"),
        (control(rules=[{"name": "r", "rule": 7}]), r"H-1: Expected `str`, got `int`.*rules\[0\]"),
        (control(rules=[rule(match=[{"fieldSelector": "x"}])]), "invalid field selector"),
        ([control(), control(rules=[rule(rule="package p")])], "control H-1 is defined twice"),
        ([framework("House"), framework("House", control("H-2"))], "framework House is defined twice"),
    ],
)
def test_error_names_the_invalid_bundle(tmp_path: Path, value: object, text: str) -> None:
    with pytest.raises(LibraryError, match=text) as error:
        read_bundles([write(tmp_path / "a.json", value)])
    assert str(error.value).startswith(str(tmp_path / "a.json"))


@pytest.mark.parametrize("name", ["", "no.json"])
def test_error_names_the_path_without_rules(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(LibraryError, match=str(path)):
        load_rules([path])
    with pytest.raises(LibraryError, match=str(path)):
        load_rules([], [path])


def test_bare_files_declare_name_and_score(tmp_path: Path) -> None:
    write(tmp_path / "plain.rego", REGO)
    write(tmp_path / "annotated.rego", f"# @name Annotated\n# @baseScore 8.5\n{REGO}# @baseScore 1\n")
    write(tmp_path / "meta.rego", f"# METADATA\n# title: From metadata\n# custom:\n#   x: 1\n{REGO}")
    write(tmp_path / "meta_test.rego", "package armo_builtins\n")
    controls = {loaded.control.id: loaded.control for loaded in read_rego(list_rego_files(tmp_path), "custom-rules")}
    assert {name: (control.title, control.severity) for name, control in controls.items()} == {
        "custom-meta": ("From metadata", 5.0),
        "custom-plain": ("plain", 5.0),
        "custom-annotated": ("Annotated", 8.5),
    }
    assert all(CUSTOM_RULES.has(control) for control in controls.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deny[r] { r := 1 }", "package is missing"),
        ("package p\nx := 1\n", "no rule returns a set of responses"),
        (f"# @baseScore high\n{REGO}", "@baseScore high"),
        (f"# @baseScore 11\n{REGO}", "@baseScore 11"),
        (f"# METADATA\n# title: [\n{REGO}", "METADATA"),
    ],
)
def test_invalid_bare_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LibraryError, match=rf"odd\.rego.*{message}"):
        read_rego([write(tmp_path / "odd.rego", text)], "custom-rules")


@pytest.mark.parametrize(
    "text",
    [
        "x := " + '\\"' * 400_000,
        "".join(f"import data.kubernetes.api.client as c{number}\n" for number in range(20_000)),
    ],
)
def test_work_grows_with_the_length_of_a_file_and_not_with_its_square(tmp_path: Path, text: str) -> None:
    file = tmp_path / "long.rego"
    file.write_text(f"package rules\ndeny contains 1\n{text}\n")
    assert [entry.control.slug for entry in read_rego([file], "custom-rules")] == ["custom-long"]


def test_bundle_that_is_a_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to("missing.json")
    (tmp_path / "b.json").write_text('{"name": "a", "controls": []}')
    with pytest.raises(LibraryError, match=r"a\.json: no such file"):
        read_bundles([tmp_path])


def test_links_duplicates_and_large_files_are_errors(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.rego", REGO)
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "link.rego").symlink_to(outside)
    with pytest.raises(LibraryError, match="link to a path outside"):
        list_rego_files(folder)
    with pytest.raises(LibraryError, match="rule custom-outside is defined twice"):
        read_rego([outside, outside], "custom-rules")
    large = write(tmp_path / "large.rego", "#" * (1 << 20) + "\n")
    with pytest.raises(LibraryError, match="larger than 1 MiB"):
        read_rego([large], "custom-rules")


def test_controls_and_bare_files_in_one_folder(tmp_path: Path) -> None:
    own = tmp_path / "workload" / "house-rule"
    own.mkdir(parents=True)
    write(own / "control.yaml", "title: House rule\nseverity: 5\nasks: x\nwhy: x\nfix: x\ntargets: [workload]\n")
    write(own / "control.rego", "package kubekeep.controls.house_rule\n")
    (tmp_path / "lib").mkdir()
    write(tmp_path / "lib" / "shared.rego", "package kubekeep.lib.shared\n")
    write(tmp_path / "bare.rego", REGO)
    rules = load_rules([tmp_path])
    assert [loaded.control.id for loaded in rules.controls] == ["custom-bare"]
    assert [control.slug for control in rules.library.select_members(CUSTOM_RULES)] == ["house-rule"]
    assert "privileged-container" in rules.library.controls
    assert rules.has_custom_rules
    assert not rules.has_bundles
