"""Documents are cut as Helm cuts them, and found again in another rendering."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.documents import Alignment, matched, pieces

_PARTS = st.lists(st.sampled_from(["a: 1\n", "---\n", "\n", "  ", "--- # x\n", "b: |\n  ---\n", "# c\n", "----\n"]))


@given(_PARTS)
def test_pieces_stand_where_they_say(parts: list[str]) -> None:
    text = "".join(parts)
    for piece in pieces(text):
        assert text[piece.at : piece.at + len(piece.text)] == piece.text
        assert piece.text == piece.text.strip() != ""


def test_documents_are_found_in_any_order_and_when_a_value_differs() -> None:
    text = "kind: A\nvalue: old\n---\nkind: B\n---\nkind: B\n"
    first, second, third, lost = matched(
        ["kind: B\n", "kind: A\nvalue: new\n", "kind: B", "kind: C\nx: 1"], pieces(text)
    )
    assert first is not None
    assert third is not None
    assert sorted([first[0].at, third[0].at]) == [23, 35]
    assert second is not None
    piece, alignment = second
    assert piece.at == 0
    assert alignment is not None
    assert alignment.index(8) == 8
    assert lost is None


def test_lines_that_are_new_have_no_partner() -> None:
    alignment = Alignment("a: 1\nnew: 2\nb: 3\n", "a: 1\nb: 4\n")
    assert [alignment.index(index) for index in (0, 5, 12, 15)] == [0, None, 5, 8]


def test_a_long_run_of_empty_lines_takes_no_time() -> None:
    assert [piece.text for piece in pieces("a: 1" + "\n" * 500_000 + " b: 1")] == ["a: 1" + "\n" * 500_000 + " b: 1"]
