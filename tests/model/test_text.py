"""Text output is harmless for terminals and valid for JSON and XML."""

from __future__ import annotations

import datetime as dt
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.model.text import escape_message, json_text, utc_text, visible, xml_safe

ANY = st.text(st.characters())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("数据库 é ok", "数据库 é ok"),
        ("a\x1b[31m\x07\x7f\x9b", r"a\x1b[31m\x07\x7f\x9b"),
        ("two\nlines\ttab\r", r"two\x0alines\x09tab\x0d"),
        ("\u202eexe.\u2066x\u2069\ufeff\ud800", r"\u202eexe.\u2066x\u2069\ufeff\ud800"),
        ("soft\xadhyphen\u200b\U000e0041", r"soft\xadhyphen\u200b\U000e0041"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_visible_covers_every_control_character() -> None:
    unchanged = [char for char in map(chr, range(sys.maxunicode + 1)) if visible(char) == char]
    assert not [
        char for char in unchanged if ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or "\ud800" <= char <= "\udfff"
    ]


@given(ANY)
def test_result_is_valid_unicode(text: str) -> None:
    visible(text).encode()
    xml_safe(text).encode()
    assert json.loads(json_text({text: [text]})) == {
        text.encode("utf-8", "replace").decode(): [text.encode("utf-8", "replace").decode()]
    }


def test_keys_that_are_not_strings_become_text() -> None:
    assert json.loads(json_text({True: 1, None: {("a",): dt.date(2026, 1, 2)}})) == {
        "True": 1,
        "None": {"('a',)": "2026-01-02"},
    }


def test_timestamps_are_in_utc() -> None:
    naive = dt.datetime(2026, 11, 24, 10, 0, 1, 250_999)  # noqa: DTZ001 - the subject of the test
    assert utc_text(naive) == "2026-11-24T10:00:01Z"
    east = naive.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert utc_text(east, "milliseconds") == "2026-11-24T09:00:01.250Z"


def test_messages_keep_their_lines_but_run_no_command() -> None:
    text = "a\x1b[31m\n\tb\u202e\n::error::c\n  ##[error]d\r\n::e"
    assert escape_message(text) == "a\\x1b[31m\n  b\\u202e\\x0a::error::c\\x0a  ##[error]d\\x0d\\x0a::e"


def test_json_has_escapes_for_characters_that_control_a_terminal() -> None:
    value = {"a\u202e": ["\x9b31m\x7f\u2028\ufeff", "\U000e0041", "\u00e9\U0001f600"]}
    text = json_text(value)
    assert text == r'{"a\u202e":["\u009b31m\u007f\u2028\ufeff","\udb40\udc41","' + '\u00e9\U0001f600"]}'
    assert json.loads(text) == value
