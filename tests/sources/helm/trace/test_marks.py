"""Marks go into a text and come out of it, and tell what stands where."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.marks import Alphabet, Kind, Printed


def marked(alphabet: Alphabet, *parts: str | tuple[Kind, int] | tuple[Kind, int, str]) -> str:
    """A text of pieces and marks."""
    whole = ""
    for part in parts:
        if isinstance(part, str):
            whole += part
        else:
            kind, number, *key = part
            whole += alphabet.mark(kind, alphabet.digits(number))
            whole += f"{key[0]}{alphabet.key_end}" if key else ""
    return whole


@given(st.lists(st.one_of(st.text(max_size=5), st.integers(0, 99_999)), max_size=20))
def test_a_text_is_read_back_without_its_marks(parts: list[str | int]) -> None:
    texts = [part for part in parts if isinstance(part, str)]
    alphabet = Alphabet(texts, 100_000)
    read = alphabet.read(
        marked(alphabet, *(part if isinstance(part, str) else (Kind.TEXT, part) for part in parts)), 100_000
    )
    assert read.plain == "".join(texts)
    assert list(read.events.numbers) == [part for part in parts if isinstance(part, int)]


def test_characters_that_the_chart_uses_are_not_marks() -> None:
    assert Alphabet(["\u2840 braille"], 10).first != Alphabet(["é"], 10).first


def test_marks_are_printable_and_no_space() -> None:
    for texts in ([], ["\u2840"], ["\u2840", "\ua040"], ["\u2840", "\ua040", "\u1440"]):
        alphabet = Alphabet(texts, 60_000)
        text = marked(alphabet, (Kind.BEGIN, 59_999), (Kind.END, 0), (Kind.CASE, 240), (Kind.TURN, 1, "k"))
        assert text.isprintable()
        assert not any(character.isspace() for character in text)


def test_what_stands_where() -> None:
    alphabet = Alphabet([], 100)
    text = alphabet.read(
        marked(
            alphabet, (Kind.TEXT, 1), "a: ", (Kind.BEGIN, 2), "xy", (Kind.END, 2), "\n  ", (Kind.BEGIN, 3), (Kind.CASE, 4),
            (Kind.TURN, 5, "key"), (Kind.TEXT, 6), "b: ", (Kind.BEGIN, 7), (Kind.END, 7), (Kind.END, 3), "\n",
        ),
        100,
    )  # fmt: skip
    assert text.plain == "a: xy\n  b: \n"
    assert text.at(0) == Printed(1, 0, -1)
    assert text.at(1) == Printed(1, 1, -1)
    assert text.at(4) == Printed(2, -1, 1)
    assert text.at(5) == Printed(-1, -1, -1)
    assert text.at(9) == Printed(6, 1, 3)
    assert text.events.keys == {5: "key"}
    assert text.actions(3, 5) == [1]
    assert text.actions(11, 11) == [7]
    assert text.outer(7) == 3
    assert text.outer(3) == -1


def test_the_caller_of_what_prints_all() -> None:
    alphabet = Alphabet([], 100)
    parts: list[str | tuple[Kind, int]] = [
        (Kind.BEGIN, 1),
        "\n",
        (Kind.BEGIN, 2),
        "x",
        (Kind.END, 2),
        " ",
        (Kind.END, 1),
    ]
    whole = alphabet.read(marked(alphabet, *parts), 100)
    assert whole.caller(1) == 0
    partly = alphabet.read(marked(alphabet, *parts[:-1], "y", (Kind.END, 1)), 100)
    assert partly.caller(1) == 1


def test_what_only_looks_like_a_mark_is_text() -> None:
    alphabet = Alphabet([], 100)
    text = marked(alphabet, "a", (Kind.BEGIN, 99), (Kind.END, 5))
    read = alphabet.read(text, 50)
    assert read.plain == text[:-2]
    assert list(read.events.numbers) == [5]
