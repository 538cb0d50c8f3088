"""The share of right answers on charts made at random, against what the unique words in them tell."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from kubekeep.model.location import format_path
from kubekeep.sources.helm.trace.documents import pieces
from kubekeep.sources.helm.trace.twin import TWIN, Twins
from kubekeep.sources.helm.trace.units import Units
from tests.sources.helm.trace import generated
from tests.sources.helm.trace.charts import helm_template, load, needs_helm, rendered, traced
from tests.sources.helm.trace.truth import Words, verdict

pytestmark = needs_helm
_SEEDS = range(8)


def test_lines_and_keys_are_right_and_no_file_is_wrong(tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in _SEEDS:
        folder = tmp_path / str(seed) / "chart"
        folder.mkdir(parents=True)
        over = generated.write(folder, seed)
        words = Words(folder, over)
        for document in traced(folder, folder.with_name("copy"), values=[over]):
            for path, truth in words.truths(document):
                found = document.locate(*path)
                line, setting, wrong_file = verdict(truth, found)
                borne = "key" if truth.settings else "no key"
                counted.update({f"line {line}": 1, f"{borne} {setting}": 1, f"file {not wrong_file}": 1})
                if line is False or setting is False or wrong_file:
                    wrong.append(f"{seed} {document.template} {format_path(path)}: {found}, not {truth}")
    assert counted["file False"] == 0, wrong[:5]
    assert counted["line True"] > 2000
    assert counted["key True"] > 1000
    assert counted["no key True"] > 200
    assert counted["line False"] <= 0.01 * counted["line True"], wrong[:5]
    assert counted["key False"] + counted["no key False"] <= 0.01 * counted["key True"], wrong[:5]


@pytest.mark.parametrize("seed", range(100, 104))
def test_a_twin_prints_what_its_template_prints(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "chart"
    folder.mkdir()
    over = generated.write(folder, seed)
    instrumentation, outputs = rendered(folder, tmp_path / "copy", values=[over])
    assert instrumentation.files
    plain = helm_template(folder, "--values", str(over))
    assert {name: texts for name, texts in outputs.items() if name not in instrumentation.files} == plain
    units = Units(load(folder).templates)
    twins = Twins(units)
    (added,) = instrumentation.files
    lines = [text.partition(TWIN)[2] for text in outputs[added] if TWIN in text]
    printed = {int(number): json.loads(text) for number, _, text in (line.partition(" ") for line in lines)}
    for number, unit in enumerate(units.all):
        if number not in printed:
            continue
        texts = plain.get(unit.name, [])
        own = sorted(piece.text for piece in pieces(twins.read(printed[number]).plain))
        assert own == sorted(text.strip() for text in texts if text.strip())
