"""Commands of scripts: words, programs behind `sudo` and `env`, and the programs that read the output."""

from __future__ import annotations

import pytest

from kubekeep.sources.dockerfile.shell import WordBudget, split_script

Expected = list[tuple[str, list[str]]]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a && b || c; d & e\nf", [(name, []) for name in "abcdef"]),
        ("curl x | tee y | sh", [("curl", ["tee", "sh"]), ("tee", ["sh"]), ("sh", [])]),
        ("A=1 sudo -E -u root env B=2 make all", [("make", [])]),
        ("timeout 5 su-exec app exec /bin/run", [("run", [])]),
        ("(a | b) | c", [("a", ["b", "c"]), ("b", ["c"]), ("c", [])]),
        ("if a; then b; fi; for x in 1 2; do c; done", [("a", []), ("b", []), ("c", [])]),
        ('case "$x" in a) b;; *) c;; esac', [("b", []), ("*", []), ("c", [])]),
        ("f() { g; }", [("f", []), ("g", [])]),
        ("a 'b; c' \"d | e\" f\\;g # h; i", [("a", [])]),
        ("a > x 2>&1 < y >> z", [("a", [])]),
        ("sh <(curl x)", [("sh", []), ("curl", ["sh"])]),
        ('sh -c "curl x | bash"', [("sh", []), ("curl", ["bash"]), ("bash", [])]),
        ('bash -ec "$(curl x)"', [("bash", []), ("curl", ["bash"])]),
        ("eval `curl x`", [("eval", []), ("curl", ["eval"])]),
        ('X=$(curl x) && sh -c "$X"', [("", []), ("curl", [""]), ("sh", []), ("", [])]),
        ("a $((1 + 2)) ${B:-c d} e", [("a", [])]),
        ("a 'b", [("a", [])]),
        ('a "b $(c', [("a", []), ("c", ["a"])]),
        ("", []),
        ("# only; a comment", []),
    ],
)
def test_commands(script: str, expected: Expected) -> None:
    commands = split_script(script, WordBudget())
    assert [(command.program, command.readers) for command in commands] == expected


def test_words_are_without_quotes_and_redirections() -> None:
    (command,) = split_script("chmod  -R \"a b\"'c'\\ d 7\\\n77 > /dev/null 2>&1", WordBudget())
    assert [word.text for word in command.words] == ["chmod", "-R", "a bc d", "777"]


def test_words_have_their_place() -> None:
    script = "a \"b c\" && sh -c 'd e'"
    words = [script[word.start : word.end] for command in split_script(script, WordBudget()) for word in command.words]
    assert words == ["a", '"b c"', "sh", "-c", "'d e'", "'d e'", "'d e'"]
