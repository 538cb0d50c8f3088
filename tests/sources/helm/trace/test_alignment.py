"""Splitting documents as Helm does, and matching them with another rendering."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.alignment import Alignment, match_documents, split_pieces

_PARTS = st.lists(st.sampled_from(["a: 1\n", "---\n", "\n", "  ", "--- # x\n", "b: |\n  ---\n", "# c\n", "----\n"]))


@given(_PARTS)
def test_positions_of_pieces(parts: list[str]) -> None:
    text = "".join(parts)
    for piece in split_pieces(text):
        assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert piece.text == piece.text.strip() != ""


def test_documents_match_in_any_order_and_with_other_values() -> None:
    text = "kind: A\nvalue: old\n---\nkind: B\n---\nkind: B\n"
    first, second, third, unmatched = match_documents(
        ["kind: B\n", "kind: A\nvalue: new\n", "kind: B", "kind: C\nx: 1"], split_pieces(text)
    )
    assert first is not None
    assert third is not None
    assert sorted([first[0].start, third[0].start]) == [23, 35]
    assert second is not None
    piece, alignment = second
    assert piece.start == 0
    assert alignment is not None
    assert alignment.map_index(8) == 8
    assert unmatched is None


def test_new_line_has_no_counterpart() -> None:
    alignment = Alignment("a: 1\nnew: 2\nb: 3\n", "a: 1\nb: 4\n")
    assert [alignment.map_index(index) for index in (0, 5, 12, 15)] == [0, None, 5, 8]


def test_many_empty_lines_are_split_quickly() -> None:
    assert [piece.text for piece in split_pieces("a: 1" + "\n" * 500_000 + " b: 1")] == [
        "a: 1" + "\n" * 500_000 + " b: 1"
    ]
