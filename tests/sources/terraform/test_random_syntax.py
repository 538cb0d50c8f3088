"""Random texts in HCL are read or refused with a position, in a number of calls that is linear in their length."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from kubekeep.sources.terraform.syntax import HclBody, HclSyntaxError, parse, split_template

FRAGMENTS: Final = (
    *("a", "1", '"s"', "x.", "x[", "f(", "null", "+", "-", "!", "*", "?", ":", "(", ")", "[", "]", "{", "}", "=", ","),
    *(".", "...", "=>", "==", "<", "&&", "[*]", ".*", "::", "\n", "\r", " ", '"', "\\", '"${', "${", "$${", '}"', "~"),
    *("%{if a}", "%{for x in a}", "%{else}", "%{endif}", "%{endfor}", "<<A\n", "<<-A\n", "\nA\n", "\nA", "[for x in "),
    *("{for x in ", "if ", "{a=", "b {\n", 'b "x" {\n', "/*", "*/", "//", "#", "1e9", "9" * 400, "\u00e9", "\ufeff"),
)
"""Tokens and beginnings of all productions."""
MAX_CALLS: Final = 30_000
"""Calls that reading a file or reporting an error takes for a short text."""
MAX_CALLS_PER_CHARACTER: Final = 60


def generate_repeated() -> Iterator[str]:
    """Yield texts that repeat random fragments, which nests them or makes long chains of them."""
    source = random.Random(1)
    for _ in range(300):
        start = source.choice(("a = ", "", "b {\na = ", "a = [\n", 'a = "', "a = <<B\n"))
        opening, middle, closing = ("".join(source.choices(FRAGMENTS, k=source.randint(0, most))) for most in (6, 2, 3))
        count = source.choice((1, 20, 100))
        yield f"{start}{opening * count}{middle}{closing * count}\n"


def generate_changed() -> Iterator[str]:
    """Yield blocks of a valid file with random changes."""
    source = random.Random(2)
    blocks = (Path(__file__).parent / "provider" / "main.tf").read_text().split("\n}\n")
    for _ in range(100):
        text = source.choice(blocks) + "\n}\n"
        for _ in range(source.randint(1, 3)):
            start = source.randint(0, len(text))
            text = text[:start] + source.choice(FRAGMENTS) + text[start + source.randint(0, 2) :]
        yield text


def count_calls(text: str) -> tuple[HclBody | HclSyntaxError, int]:
    """Parse a text. Return the result and the number of calls of Python and C functions."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    result: HclBody | HclSyntaxError
    sys.setprofile(count)
    try:
        result, _ = parse(text, "a.tf")
    except HclSyntaxError as error:
        result = error
    finally:
        sys.setprofile(None)
    return result, calls


@pytest.mark.parametrize(("generate", "least_valid"), [(generate_repeated, 3), (generate_changed, 5)])
def test_random_text_takes_linear_work(generate: Callable[[], Iterator[str]], least_valid: int) -> None:
    parse("a = 1\n", "a.tf")
    valid = 0
    for text in generate():
        result, calls = count_calls(text)
        assert calls < MAX_CALLS + MAX_CALLS_PER_CHARACTER * len(text), text
        if isinstance(result, HclSyntaxError):
            assert 1 <= result.position.line <= text.count("\n") + 1, text
            assert result.position.column >= 1, text
        else:
            valid += 1
    assert valid >= least_valid


def test_random_template_is_split_or_refused() -> None:
    for text in generate_repeated():
        try:
            template_parts = split_template(text)
        except HclSyntaxError:
            continue
        assert sum(len(part.text) for part in template_parts) <= len(text)
