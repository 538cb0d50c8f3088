"""The example shop as objects of a cluster. Never applies them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

SAMPLES: Final = Path(__file__).parents[2] / "examples" / "online-shop"


def samples() -> Iterator[dict[str, Any]]:
    """The objects of the samples, after the namespaces they are in."""
    files = sorted(SAMPLES.rglob("*.yaml"))
    objects = [found for file in files for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]
    named = {found["metadata"]["name"] for found in objects if found["kind"] == "Namespace"}
    wanted = {found["metadata"].get("namespace", "default") for found in objects}
    for name in sorted(wanted - named):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    first = ("Namespace", "ServiceAccount")
    yield from sorted(objects, key=lambda found: first.index(found["kind"]) if found["kind"] in first else len(first))
