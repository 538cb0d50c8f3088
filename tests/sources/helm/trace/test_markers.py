"""Markers: written into a text, read back, and mapped to the origin of each character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.helm.trace.markers import CharacterOrigin, MarkerAlphabet, MarkerKind


def marked(alphabet: MarkerAlphabet, *parts: str | tuple[MarkerKind, int] | tuple[MarkerKind, int, str]) -> str:
    """Build a text of literal parts and markers."""
    whole = ""
    for part in parts:
        if isinstance(part, str):
            whole += part
        else:
            kind, number, *key = part
            whole += alphabet.create_marker(kind, alphabet.encode_number(number))
            whole += f"{key[0]}{alphabet.key_end}" if key else ""
    return whole


@given(st.lists(st.one_of(st.text(max_size=5), st.integers(0, 99_999)), max_size=20))
def test_markers_are_removed_from_text(parts: list[str | int]) -> None:
    texts = [part for part in parts if isinstance(part, str)]
    alphabet = MarkerAlphabet(texts, 100_000)
    read = alphabet.read(
        marked(alphabet, *(part if isinstance(part, str) else (MarkerKind.TEXT, part) for part in parts)), 100_000
    )
    assert read.plain == "".join(texts)
    assert list(read.events.numbers) == [part for part in parts if isinstance(part, int)]


def test_characters_of_chart_are_not_markers() -> None:
    assert MarkerAlphabet(["\u2840 braille"], 10).first != MarkerAlphabet(["é"], 10).first


def test_markers_are_printable_and_not_space() -> None:
    for texts in ([], ["\u2840"], ["\u2840", "\ua040"], ["\u2840", "\ua040", "\u1440"]):
        alphabet = MarkerAlphabet(texts, 60_000)
        text = marked(
            alphabet,
            (MarkerKind.BEGIN, 59_999),
            (MarkerKind.END, 0),
            (MarkerKind.CASE, 240),
            (MarkerKind.ITERATION, 1, "k"),
        )
        assert text.isprintable()
        assert not any(character.isspace() for character in text)


def test_origin_of_each_character() -> None:
    alphabet = MarkerAlphabet([], 100)
    text = alphabet.read(
        marked(
            alphabet,
            (MarkerKind.TEXT, 1),
            "a: ",
            (MarkerKind.BEGIN, 2),
            "xy",
            (MarkerKind.END, 2),
            "\n  ",
            (MarkerKind.BEGIN, 3),
            (MarkerKind.CASE, 4),
            (MarkerKind.ITERATION, 5, "key"),
            (MarkerKind.TEXT, 6),
            "b: ",
            (MarkerKind.BEGIN, 7),
            (MarkerKind.END, 7),
            (MarkerKind.END, 3),
            "\n",
        ),
        100,
    )
    assert text.plain == "a: xy\n  b: \n"
    assert text.find_origin(0) == CharacterOrigin(1, 0, -1)
    assert text.find_origin(1) == CharacterOrigin(1, 1, -1)
    assert text.find_origin(4) == CharacterOrigin(2, -1, 1)
    assert text.find_origin(5) == CharacterOrigin(-1, -1, -1)
    assert text.find_origin(9) == CharacterOrigin(6, 1, 3)
    assert text.events.keys == {5: "key"}
    assert text.list_actions(3, 5) == [1]
    assert text.list_actions(11, 11) == [7]
    assert text.get_outer(7) == 3
    assert text.get_outer(3) == -1


def test_caller_with_same_output() -> None:
    alphabet = MarkerAlphabet([], 100)
    parts: list[str | tuple[MarkerKind, int]] = [
        (MarkerKind.BEGIN, 1),
        "\n",
        (MarkerKind.BEGIN, 2),
        "x",
        (MarkerKind.END, 2),
        " ",
        (MarkerKind.END, 1),
    ]
    whole = alphabet.read(marked(alphabet, *parts), 100)
    assert whole.find_caller(1) == 0
    partly = alphabet.read(marked(alphabet, *parts[:-1], "y", (MarkerKind.END, 1)), 100)
    assert partly.find_caller(1) == 1


def test_marker_with_unknown_number_is_text() -> None:
    alphabet = MarkerAlphabet([], 100)
    text = marked(alphabet, "a", (MarkerKind.BEGIN, 99), (MarkerKind.END, 5))
    read = alphabet.read(text, 50)
    assert read.plain == text[:-2]
    assert list(read.events.numbers) == [5]
