"""Accuracy of lines and settings on random charts, compared with their unique words."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from kubekeep.model.location import format_path
from kubekeep.sources.helm.trace.alignment import split_pieces
from kubekeep.sources.helm.trace.instrumented import OUTPUT_LINE, InstrumentedTemplates
from kubekeep.sources.helm.trace.template import TemplateSet
from tests.sources.helm.trace import generated
from tests.sources.helm.trace.charts import get_reference_documents, load_texts, render_instrumented, trace_chart
from tests.sources.helm.trace.expectations import Words, compare_location

_SEEDS = range(8)


def test_lines_settings_and_files_are_correct(tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in _SEEDS:
        folder = tmp_path / str(seed) / "chart"
        folder.mkdir(parents=True)
        over = generated.write(folder, seed)
        words = Words(folder, over)
        for document in trace_chart(folder, folder.with_name("copy"), values=[over]):
            for path, expectation in words.list_expectations(document):
                location = document.locate(*path)
                line, setting, wrong_file = compare_location(expectation, location)
                kind = "key" if expectation.settings else "no key"
                counted.update({f"line {line}": 1, f"{kind} {setting}": 1, f"file {not wrong_file}": 1})
                if line is False or setting is False or wrong_file:
                    wrong.append(f"{seed} {document.template} {format_path(path)}: {location}, not {expectation}")
    assert counted["file False"] == 0, wrong[:5]
    assert counted["line True"] > 2000
    assert counted["key True"] > 1000
    assert counted["no key True"] > 200
    assert counted["line False"] <= 0.01 * counted["line True"], wrong[:5]
    assert counted["key False"] + counted["no key False"] <= 0.01 * counted["key True"], wrong[:5]


@pytest.mark.parametrize("seed", range(100, 104))
def test_instrumented_copy_prints_same_text(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "chart"
    folder.mkdir()
    over = generated.write(folder, seed)
    instrumentation, outputs = render_instrumented(folder, tmp_path / "copy", values=[over])
    assert instrumentation.files
    plain = get_reference_documents(folder, over)
    assert {name: texts for name, texts in outputs.items() if name not in instrumentation.files} == plain
    template_set = TemplateSet(load_texts(folder).templates)
    copies = InstrumentedTemplates(template_set)
    (added,) = instrumentation.files
    lines = [text.partition(OUTPUT_LINE)[2] for text in outputs[added] if OUTPUT_LINE in text]
    printed = {int(number): json.loads(text) for number, _, text in (line.partition(" ") for line in lines)}
    for number, file in enumerate(template_set.files):
        if number not in printed:
            continue
        texts = plain.get(file.name, [])
        own = sorted(piece.text for piece in split_pieces(copies.read(printed[number]).plain))
        assert own == sorted(text.strip() for text in texts if text.strip())
