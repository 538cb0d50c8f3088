"""The loader: every file is what its schema says, and a wrong one is named."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from kubekeep.library import load
from kubekeep.library.load import LibraryError
from kubekeep.library.params import ParamsError, read_params
from kubekeep.model.control import Control

SCHEMAS = load.ROOT / "schema"


@pytest.mark.parametrize("control", load.controls().values(), ids=lambda control: control.slug)
def test_control_matches_the_schema(control: Control) -> None:
    file = load.ROOT / "controls" / control.area / control.slug / "control.yaml"
    schema = json.loads((SCHEMAS / "control.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema)
    assert 0 <= control.severity <= 10
    assert all(text.strip() for text in (control.title, control.asks, control.why, control.fix))
    assert not control.title.endswith(".")


@pytest.mark.parametrize("slug", load.frameworks())
def test_framework_matches_the_schema(slug: str) -> None:
    schema = json.loads((SCHEMAS / "framework.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((load.ROOT / "frameworks" / f"{slug}.yaml").read_text(encoding="utf-8")), schema)
    assert load.members(load.frameworks()[slug])


def test_numbers_and_titles_are_unique() -> None:
    names = [name for control in load.controls().values() for name in (*control.ids, control.title, control.slug)]
    assert len(names) == len(set(names))


def test_a_wrong_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "controls" / "workload" / "odd"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text("title: Odd\nseverety: 3\n")
    monkeypatch.setattr(load, "ROOT", tmp_path)
    with pytest.raises(LibraryError, match=r"odd.control\.yaml.*severety"):
        load.controls.__wrapped__()


@pytest.mark.parametrize("text", ["[]", '{"a": "b"}', '{"a": [1]}', "{", '{"noSuchParameter": []}'])
def test_wrong_parameters_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"inputs\.json"):
        read_params(file)
    with pytest.raises(ParamsError, match="No such file"):
        read_params(tmp_path / "missing.json")
