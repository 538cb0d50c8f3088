"""The example shop as objects of a cluster. Never applies them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

SAMPLES: Final = Path(__file__).parents[2] / "examples" / "online-shop"


def samples() -> Iterator[dict[str, Any]]:
    """Yield the objects of the samples, after the namespaces they are in."""
    files = sorted(SAMPLES.rglob("*.yaml"))
    objects = [sample for file in files for sample in yaml.safe_load_all(file.read_text(encoding="utf-8")) if sample]
    declared_names = {sample["metadata"]["name"] for sample in objects if sample["kind"] == "Namespace"}
    namespaces = {sample["metadata"].get("namespace", "default") for sample in objects}
    for name in sorted(namespaces - declared_names):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    early_kinds = ("Namespace", "ServiceAccount")
    yield from sorted(
        objects,
        key=lambda sample: early_kinds.index(sample["kind"]) if sample["kind"] in early_kinds else len(early_kinds),
    )
