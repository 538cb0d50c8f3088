"""Names of controls in Kubescape, which its command lines and exceptions use. Facts from its public library; no texts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

_FILE: Final = Path(__file__).with_name("kubescape-names.json")


@functools.cache
def load_kubescape_names() -> Mapping[str, str]:
    """Return the name in Kubescape by the number of the control. A few names belong to several controls."""
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, str])
