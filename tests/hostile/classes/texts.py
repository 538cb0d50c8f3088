"""Long texts of one pattern in all places where texts are searched for secrets, comments and names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from tests.hostile.member import SCAN, SCAN_ALL, Expected, Member, hostile_class
from tests.hostile.samples import dump

_LENGTH: Final = 40_000
_PATTERNS: Final = (
    " ",
    "\n",
    "\t",
    "a",
    "a:",
    " !a:",
    "-",
    "--a ",
    "--a=",
    "<<",
    "{",
    '"',
    "'",
    "\\",
    "# ",
    "=,",
    "://@",
    "a@",
    ".-",
    "eyJ.",
    "AKIA",
    "${",
    "%",
    "$(",
    "|",
    "- ",
    "&a ",
    "a=b ",
    "a: b\n",
    "key=",
    "password=",
    "http://a:b@",
    "-p",
    "Bearer ",
    "-----BEGIN ",
    "x-",
    "A1a",
    "/*",
    "{{",
    "`",
    "\n#",
    " #",
    ": ",
    "\r\n",
    "0",
    "é",
    "[",
    "a,",
)


@hostile_class("long texts in values")
def values(source: random.Random) -> Iterator[Member]:
    """Texts that take quadratic time if a search begins again at each character."""
    del source
    for pattern in _PATTERNS:
        text = pattern * (_LENGTH // len(pattern))
        container = {
            "name": "a",
            "image": text[:3_000],
            "command": ["sh", "-c", text],
            "args": [text, "--password", text],
            "env": [{"name": "A", "value": text}, {"name": text, "value": "b"}],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a", "annotations": {"a": text, "kubekeep.io/skip-controls": text}},
            "spec": {"containers": [container]},
        }
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a"},
            "data": {"a": text, text[:5_000]: "b"},
        }
        yield Member(
            f"values {pattern!r}", {"in/a.json": dump(pod), "in/b.json": dump(config)}, Expected.EITHER, SCAN_ALL
        )


_POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: a
    image: b
    securityContext:
      privileged: true"""
_HCL: Final = """\
resource "kubernetes_pod" "a" {
  metadata {
    name = "a"
  }
  spec {
    container {
      name = "a"
      image = "b"
    # kubekeep:ignore C-0057 @
    }
  }
}
# @"""


@hostile_class("long lines in files")
def lines(source: random.Random) -> Iterator[Member]:
    """Long lines and comments in files of YAML, HCL and templates."""
    del source
    for pattern in _PATTERNS:
        text = pattern.replace("\r", "") * (_LENGTH // len(pattern))
        files = {
            "in/a.yaml": f"{_POD} # kubekeep:ignore C-0057 {text}\n",
            "in/b.yaml": f"# {text}\n{_POD}\n",
            "in/c.yaml": f"{_POD}\n  x: {text} # kubekeep:ignore\n",
            "in/main.tf": _HCL.replace("@", text),
        }
        yield Member(f"lines {pattern!r}", files, Expected.EITHER, SCAN)
