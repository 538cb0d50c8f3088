"""YAML with the content of the JSON format of a comparison."""

from __future__ import annotations

import io
import json
from typing import TextIO

from kubekeep.model.comparison import Comparison
from kubekeep.reports.changes.json import render as render_json
from kubekeep.reports.format import ReportOptions


def render(comparison: Comparison, stream: TextIO, options: ReportOptions) -> None:
    """Write the comparison as one document, which is held in memory as a whole."""
    import yaml  # noqa: PLC0415 - loaded for this format only

    text = io.StringIO()
    render_json(comparison, text, options)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    yaml.dump(json.loads(text.getvalue()), stream, Dumper=dumper, sort_keys=False, allow_unicode=False)
