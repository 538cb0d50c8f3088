"""Suppression comments: their fields, the lines they cover, and text that is no comment."""

from __future__ import annotations

import datetime as dt

import pytest

from kubekeep.exceptions.inline.comment import SuppressionComment
from kubekeep.exceptions.inline.comments import find_comments
from kubekeep.model.location import line_starts
from kubekeep.model.source import CommentSyntax
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


def read(text: str, syntax: CommentSyntax = CommentSyntax.YAML) -> tuple[SuppressionComment, ...]:
    documents = (
        yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS) if syntax is CommentSyntax.YAML else ()
    )
    scalars = [
        span for comment in documents if isinstance(comment, Document) for span in comment.source_map.list_scalars()
    ]
    return find_comments(text, syntax, sorted(scalars))


def covered(text: str, syntax: CommentSyntax) -> dict[str, tuple[int, int]]:
    return {comment.names[0]: (comment.first, comment.last) for comment in read(text, syntax)}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_covered_lines_of_yaml(newline: str) -> None:
    assert covered(YAML.replace("\n", newline), CommentSyntax.YAML) == COVERED


def test_covered_lines_without_scalars() -> None:
    assert covered(YAML, CommentSyntax.TEMPLATE) == COVERED


def test_covered_lines_of_a_template() -> None:
    assert covered(TEMPLATE, CommentSyntax.TEMPLATE) == {
        "C-0001": (1, 24),
        "C-0002": (14, 21),
        "C-0003": (14, 21),
        "C-0004": (16, 17),
    }


def test_covered_lines_of_terraform() -> None:
    assert covered(TERRAFORM, CommentSyntax.TERRAFORM) == {"C-0001": (2, 12), "C-0002": (4, 4), "C-0003": (6, 7)}


def test_text_in_multiline_scalar_is_no_comment() -> None:
    text = 'a: "x\n  # kubekeep:ignore C-0001\n  y"\nb: >\n  # kubekeep:ignore C-0001\nc: &c !!str |\n  # kubekeep:ignore C-0001\n'
    assert read(text) == ()


@pytest.mark.parametrize(
    ("text", "names", "until", "reason"),
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
def test_fields_of_a_comment(text: str, names: tuple[str, ...], until: str | None, reason: str) -> None:
    (comment,) = read(f"a: b # kubekeep:ignore {text}\n")
    expected = dt.datetime.fromisoformat(until) if until else None
    assert (comment.names, comment.until, comment.reason, comment.problem) == (names, expected, reason, "")
    assert (comment.region.start.line, comment.region.start.column) == (1, 6)
    assert comment.region.end.column == len(f"a: b # kubekeep:ignore {text}".rstrip()) + 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("C-0057 until=soon", "until=soon is not a date, as in until=2027-01-31"),
        ("C-0057 unitl=2027-01-31", "unitl= is unknown; use until= and reason="),
        ('C-0057 reason="open', "the quote of its reason is not closed"),
        ("C-0057 reason=x until=2027-01-31", "write until= before reason=, or quote the reason"),
    ],
)
def test_unreadable_comment_covers_nothing(text: str, problem: str) -> None:
    (comment,) = read(f"a: b # kubekeep:ignore {text}\n")
    assert comment.problem == problem
    assert not comment.covers(1)


@pytest.mark.parametrize("syntax", CommentSyntax)
@pytest.mark.parametrize(
    "text",
    [
        "# see the guide on kubekeep:ignore",
        "# kubekeep is told what to ignore",
        "# kubekeep ignores this folder",
        "# kubekeep.io/skip-controls",
        "# kubekeeper:ignore",
        "# image: registry.example/kubekeep:1.2",
        "# kubekeep: a remark",
    ],
)
def test_mentions_are_no_comments(text: str, syntax: CommentSyntax) -> None:
    assert read(f"a: b\n{text}\n", syntax) == ()


@pytest.mark.parametrize("syntax", CommentSyntax)
@pytest.mark.parametrize(
    "text", ['a: "kubekeep:ignore C-0057"\n', 'a: "# kubekeep:ignore C-0057"\n', '{"a": "# kubekeep:ignore C-0057"}\n']
)
def test_quoted_text_is_no_comment(text: str, syntax: CommentSyntax) -> None:
    assert read(text, syntax) == ()


def test_comment_after_quoted_text_on_its_line() -> None:
    text = 'a: "# kubekeep:ignore C-0404" # kubekeep:ignore C-0001\n'
    # A Dockerfile has no comments at the end of a line.
    for syntax in {*CommentSyntax} - {CommentSyntax.DOCKERFILE}:
        assert covered(text, syntax) == {"C-0001": (1, 1)}


def problems(text: str, syntax: CommentSyntax) -> list[tuple[int, str]]:
    return [(comment.region.start.line, comment.problem) for comment in read(text, syntax)]


SPACE = "it is part of the value before it: add a space before the #"
CLOSE = "/* and */ must be on the line of their text"
FIRST = "kubekeep:ignore must be at the start of its comment"
TORN = "the end of the comment must be on the same line"


@pytest.mark.parametrize(
    ("text", "syntax", "problem"),
    [
        ("a: x#kubekeep:ignore C-0001\n", CommentSyntax.YAML, SPACE),
        ("a: true\u00a0# kubekeep:ignore C-0001\n", CommentSyntax.YAML, SPACE),
        ("- {a: x#kubekeep:ignore C-0001\n  }\n", CommentSyntax.YAML, SPACE),
        ("a: {{ .b }}# kubekeep:ignore C-0001\n", CommentSyntax.TEMPLATE, SPACE),
        ("{{/* kubekeep:ignore C-0001\n  until=2020-01-01 */}}\na: b\n", CommentSyntax.TEMPLATE, CLOSE),
        ("{{/* kubekeep:ignore C-0001\n*/}}\na: b\n", CommentSyntax.TEMPLATE, CLOSE),
        ("/* kubekeep:ignore C-0001\n   until=2020-01-01 */\na = 1\n", CommentSyntax.TERRAFORM, CLOSE),
        ("# see kubekeep:ignore C-0001\na: b\n", CommentSyntax.YAML, FIRST),
        ("# see kubekeep:ignore C-0001\na: b\n", CommentSyntax.TEMPLATE, FIRST),
        ("{{/* see kubekeep:ignore C-0001 */}}\na: b\n", CommentSyntax.TEMPLATE, FIRST),
        ("# {{/* kubekeep:ignore C-0001 */}}\na: b\n", CommentSyntax.YAML, FIRST),
        ("// see kubekeep:ignore C-0001\na = 1\n", CommentSyntax.TERRAFORM, FIRST),
        ("# kubekeep:ignore C-0001\n# until=2020-01-01\na: b\n", CommentSyntax.YAML, TORN),
        ("a: b # kubekeep:ignore C-0001\n# a remark\n  ## Expires: 2020-01-01\n", CommentSyntax.TEMPLATE, TORN),
        ("{{/* kubekeep:ignore C-0001 */}}\n{{- /* until=2020-01-01 */}}\na: b\n", CommentSyntax.TEMPLATE, TORN),
        ("// kubekeep:ignore C-0001\n// until=2020-01-01\na = 1\n", CommentSyntax.TERRAFORM, TORN),
        ("a = 1 # kubekeep:ignore C-0001\n/* until=2020-01-01 */\n", CommentSyntax.TERRAFORM, TORN),
    ],
)
def test_malformed_commentare_reported(text: str, syntax: CommentSyntax, problem: str) -> None:
    (comment,) = read(text, syntax)
    assert (comment.problem, comment.names) == (problem, ())
    assert not any(comment.covers(line) for line in range(10))


def test_multiline_comment_is_reported() -> None:
    text = "{{/*\n  kubekeep:ignore C-0001\n*/}}\na: b\n"
    assert problems(text, CommentSyntax.TEMPLATE) == [(2, CLOSE)]
    assert problems("/*\n * kubekeep:ignore C-0001\n */\na = 1\n", CommentSyntax.TERRAFORM) == [(2, CLOSE)]


END = "it is at the end of a nested block: move it before the field that it is for, or to the same line"


@pytest.mark.parametrize(
    ("indent", "expected"),
    [(8, (END, 6, 6)), (6, (END, 6, 6)), (4, ("", 6, 6)), (2, ("", 6, 6)), (0, ("", 6, 6))],
)
def test_comment_at_the_end_of_a_deeper_block(indent: int, expected: tuple[str, int, int]) -> None:
    """By indentation the comment belongs to the block before it, by position to the following line."""
    text = (
        f"spec:\n  containers:\n    - name: a\n      image: b\n{' ' * indent}# kubekeep:ignore C-0001\n    - name: c\n"
    )
    for syntax in (CommentSyntax.YAML, CommentSyntax.TEMPLATE):
        (comment,) = read(text, syntax)
        assert (comment.problem, comment.first, comment.last) == expected


def test_comment_deeper_than_list_items() -> None:
    text = "spec:\n  containers:\n    # kubekeep:ignore C-0001\n  - name: a\n    image: b\n  - name: c\n"
    for syntax in (CommentSyntax.YAML, CommentSyntax.TEMPLATE):
        assert covered(text, syntax) == {"C-0001": (4, 5)}


def test_tabs_and_spaces_are_not_comparable() -> None:
    """A line indented with spaces is never inside one indented with a tab, whatever an editor displays."""
    text = "spec {\n\tcontainer { # kubekeep:ignore C-0001\n\t\ta = 1\n    b = 2\n\t}\n    container {\n      a = 1\n    }\n}\n"
    assert covered(text, CommentSyntax.TERRAFORM) == {"C-0001": (2, 3)}
    assert covered(text.replace("\t", "    "), CommentSyntax.TERRAFORM) == {"C-0001": (2, 3)}


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("#   privileged: true # kubekeep:ignore C-0001\na: b\n", CommentSyntax.YAML),
        ("#   privileged: true # kubekeep:ignore C-0001\na: b\n", CommentSyntax.TEMPLATE),
        ("#   privileged = true # kubekeep:ignore C-0001\na = 1\n", CommentSyntax.TERRAFORM),
        ("//   privileged = true // kubekeep:ignore C-0001\na = 1\n", CommentSyntax.TERRAFORM),
        ("{{/*\n  # kubekeep:ignore C-0001\n*/}}\na: b\n", CommentSyntax.TEMPLATE),
        ("{{/*\n  privileged: true # kubekeep:ignore C-0001\n*/}}\na: b\n", CommentSyntax.TEMPLATE),
        ("/*\n  # kubekeep:ignore C-0001\n*/\n  a = 1\n", CommentSyntax.TERRAFORM),
        ("/*\n  privileged = true // kubekeep:ignore C-0001\n*/\n  a = 1\n", CommentSyntax.TERRAFORM),
    ],
)
def test_commented_out_line_covers_nothing(text: str, syntax: CommentSyntax) -> None:
    assert [problem for _, problem in problems(text, syntax)] == [FIRST]


def test_comment_start_inside_text_opens_none() -> None:
    text = 'path = "/*" # /*\n// /*\nx = <<EOT\n  /*\nEOT\na = 1 # kubekeep:ignore C-0001\ny = "*/"\n'
    assert covered(text, CommentSyntax.TERRAFORM) == {"C-0001": (6, 6)}


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("a: 1\nb: 2 {{/* kubekeep:ignore C-0001 */}}\nc: 3\n", CommentSyntax.TEMPLATE),
        ("a: 1\n{{- /* kubekeep:ignore C-0001 */ -}} b: 2\nc: 3\n", CommentSyntax.TEMPLATE),
        ("a: 1\n{{/*\n*/}} b: 2 # kubekeep:ignore C-0001\nc: 3\n", CommentSyntax.TEMPLATE),
        ("a = 1\nb = 2 /* kubekeep:ignore C-0001 */\nc = 3\n", CommentSyntax.TERRAFORM),
        ("a = 1\n/* kubekeep:ignore C-0001 */ b = 2\nc = 3\n", CommentSyntax.TERRAFORM),
    ],
)
def test_block_comment_beside_its_line(text: str, syntax: CommentSyntax) -> None:
    line = next(number for number, row in enumerate(text.split("\n"), 1) if "b" in row and "2" in row)
    assert covered(text, syntax) == {"C-0001": (line, line)}


FLOW = """\
kind: Pod
spec: {containers: [
  {name: a, # kubekeep:ignore C-0001
   image: b},
  {name: c, image: d}, # kubekeep:ignore C-0002
  {name: e}
]} # kubekeep:ignore C-0003
"""


def test_covered_lines_of_flow_collections() -> None:
    assert covered(FLOW, CommentSyntax.YAML) == {"C-0001": (3, 4), "C-0002": (5, 5), "C-0003": (7, 7)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [\n  {b: 1, # kubekeep:ignore C-0001\n    c: {d: 2}},\n    {e: 3}\n]\n", (2, 3)),
        ("a: [\n  {b: 1}, # kubekeep:ignore C-0001\n    {e: 3}\n]\n", (2, 2)),
        ("a: [\n  # kubekeep:ignore C-0001\n  {b: 1},\n    {e: 3}\n]\n", (3, 3)),
        ("a: [\n  {b: 1, # kubekeep:ignore C-0001\n    c: 2}, {e: 3,\n    f: 4}\n]\n", (2, 2)),
        (
            "a: [\n  {b: '}', # kubekeep:ignore C-0001\n    # }\n    c: '{]', d: [], e: 'x # }'\n    },\n    {e: 3}\n]\n",
            (2, 5),
        ),
        ("a: # kubekeep:ignore C-0001\n  b: {c: 1,\n    d: 2}\n  e: [3]\nf: 4\n", (1, 4)),
        ("a: {b: [ # kubekeep:ignore C-0001\n   1], c: 2,\n   d: 3}\n", (1, 2)),
    ],
)
def test_brackets_limit_covered_lines(text: str, expected: tuple[int, int]) -> None:
    (comment,) = read(text)
    assert (comment.first, comment.last, comment.problem) == (*expected, "")


def test_number_of_commenton_a_line_is_limited() -> None:
    text = "a: '" + "# kubekeep:ignore C-0001 " * 100_000 + "'\nb: c # kubekeep:ignore C-0002\n"
    for syntax in (CommentSyntax.YAML, CommentSyntax.TEMPLATE):
        assert covered(text, syntax) == {"C-0002": (2, 2)}
