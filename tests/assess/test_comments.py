"""What comments that waive ask for, which lines they cover, and what is no comment."""

from __future__ import annotations

import datetime as dt

import pytest

from kubekeep.assess.comments import Comment, Syntax, comments
from kubekeep.model.location import line_starts
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

YAML = """\
# kubekeep:ignore C-0001 reason=the whole document
apiVersion: v1
kind: Pod
spec:
  # kubekeep:ignore C-0002
  containers:
  - name: a
    image: x # kubekeep:ignore C-0003
    command: | # kubekeep:ignore C-0004
      echo # kubekeep:ignore C-0404
    args: ["# kubekeep:ignore C-0404", 'it''s # kubekeep:ignore C-0404']
  - name: it's # kubekeep:ignore C-0005

    # a remark
    securityContext: &shared # kubekeep:ignore C-0006
      privileged: true
  hostPID: true
--- # kubekeep:ignore C-0007
kind: Pod
...
# kubekeep:ignore C-0008
---
kind: Pod
# kubekeep:ignore C-0009
"""
COVERED = {
    "C-0001": (1, 17),
    "C-0002": (6, 16),
    "C-0003": (8, 8),
    "C-0004": (9, 10),
    "C-0005": (12, 16),
    "C-0006": (15, 16),
    "C-0007": (18, 19),
    "C-0008": (20, 25),
    "C-0009": (24, 24),
}

TEMPLATE = """\
{{- /*
A long
remark
*/}}
{{- if .Values.enabled }}
{{/* kubekeep:ignore C-0001 reason=all of it */}}
kind: Deployment
spec:
  template:
    spec:
      containers:
      {{- range .Values.items }}
        # kubekeep:ignore C-0002
        - name: {{ .name | default "#no" }} # kubekeep:ignore C-0003
{{- with .securityContext }}
          securityContext: # kubekeep:ignore C-0004
{{ toYaml . | nindent 12 }}
{{- end }}
          args: ["{{ .x }}", "# kubekeep:ignore C-0404"]
      {{- end }}
          script: |-
            # kubekeep:ignore C-0404
{{- end }}
"""

TERRAFORM = """\
# kubekeep:ignore C-0001
resource "kubernetes_pod" "a" {
  spec {
    host_pid = true // kubekeep:ignore C-0002
    text = "# kubekeep:ignore C-0404"
    container { # kubekeep:ignore C-0003
      image = "x"
    }
    script = <<-EOT
      # kubekeep:ignore C-0404
    EOT
  }
}
resource "kubernetes_pod" "b" {}
"""


def read(text: str, syntax: Syntax = Syntax.YAML) -> tuple[Comment, ...]:
    documents = yaml_text.documents(text, line_starts(text), DEFAULT_LIMITS) if syntax is Syntax.YAML else ()
    scalars = [span for item in documents if isinstance(item, Document) for span in item.marks.scalars()]
    return comments(text, syntax, sorted(scalars))


def covered(text: str, syntax: Syntax) -> dict[str, tuple[int, int]]:
    return {item.names[0]: (item.first, item.last) for item in read(text, syntax)}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_of_yaml(newline: str) -> None:
    assert covered(YAML.replace("\n", newline), Syntax.YAML) == COVERED


def test_yaml_by_its_lines_alone() -> None:
    assert covered(YAML, Syntax.TEMPLATE) == COVERED


def test_lines_of_a_template() -> None:
    assert covered(TEMPLATE, Syntax.TEMPLATE) == {
        "C-0001": (1, 24),
        "C-0002": (14, 21),
        "C-0003": (14, 21),
        "C-0004": (16, 17),
    }


def test_lines_of_terraform() -> None:
    assert covered(TERRAFORM, Syntax.TERRAFORM) == {"C-0001": (2, 12), "C-0002": (4, 4), "C-0003": (6, 7)}


def test_text_in_a_scalar_of_several_lines_is_no_comment() -> None:
    text = 'a: "x\n  # kubekeep:ignore C-0001\n  y"\nb: >\n  # kubekeep:ignore C-0001\nc: x#kubekeep:ignore C-0001\n'
    assert read(text) == ()


@pytest.mark.parametrize(
    ("said", "names", "until", "reason"),
    [
        ("C-0057", ("C-0057",), None, ""),
        ("C-0057,C-0016 privileged-container, C-0057", ("C-0057", "C-0016", "privileged-container"), None, ""),
        (
            "C-0057 until=2027-01-31 reason=needs, a=b # more",
            ("C-0057",),
            "2027-01-31T23:59:59+00:00",
            "needs, a=b # more",
        ),
        ("reason='it is' C-0057 until=2027-01-31T12:00:00Z", ("C-0057",), "2027-01-31T12:00:00+00:00", "it is"),
        ("", (), None, ""),
    ],
)
def test_what_a_comment_says(said: str, names: tuple[str, ...], until: str | None, reason: str) -> None:
    (found,) = read(f"a: b # kubekeep:ignore {said}\n")
    wanted = dt.datetime.fromisoformat(until) if until else None
    assert (found.names, found.until, found.reason, found.problem) == (names, wanted, reason, "")
    assert (found.place.start.line, found.place.start.column) == (1, 6)
    assert found.place.end.column == len(f"a: b # kubekeep:ignore {said}".rstrip()) + 1


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("C-0057 until=soon", "until=soon is no day, as in until=2027-01-31"),
        ("C-0057 unitl=2027-01-31", "unitl= is not known: until= and reason= are"),
        ('C-0057 reason="open', "the quote of its reason is not closed"),
        ("C-0057 reason=x until=2027-01-31", "until= has to stand before reason=, or the reason in quotes"),
    ],
)
def test_what_cannot_be_read_covers_nothing(said: str, problem: str) -> None:
    (found,) = read(f"a: b # kubekeep:ignore {said}\n")
    assert found.problem == problem
    assert not found.covers(1)


@pytest.mark.parametrize("text", ["# kubekeep:ignored C-1", "# see kubekeep:ignore C-1", "kubekeep:ignore: C-1"])
def test_words_that_only_look_like_it(text: str) -> None:
    assert read(f"a: b\n{text}\n") == ()
