"""Results of our own built-ins: values from OPA's documentation, the RFCs and Go's packages."""

import hashlib
import hmac
from typing import Any

import pytest

from kubekeep.engine.rego import RegoError, evaluate


def call(expression: str, **options: Any) -> Any:
    """Return the value of an expression, or None if it is undefined."""
    results = evaluate({}, f"x = {expression}", **options)
    return results[0]["x"] if results else None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('sprintf("%d %o %x %X %b %c", [10, 8, 255, 255, 5, 65])', "10 10 ff FF 101 A"),
        ('sprintf("%5d|%-5d|%05d|%+d", [42, 42, 42, 42])', "   42|42   |00042|+42"),
        ('sprintf("%s %v %q", ["a", [1, "b"], "c"])', 'a [1, "b"] "c"'),
        ('sprintf("%.2f %v %e", [2.5, 0.1, 1234.5])', "2.50 0.1 1.234500e+03"),
        ('sprintf("%d", ["a"])', "%!d(string=a)"),
        ('sprintf("%s", [])', "%!s(MISSING)"),
        ('sprintf("%%", [])', "%"),
        ('sprintf("a", [1])', "a%!(EXTRA int=1)"),
        ("regex.match(`^\\d$`, `٣`)", False),
        ("regex.match(`^[[:alpha:]]\\w{2}$`, `a_1`)", True),
        ("re_match(`^\\w$`, `é`)", False),
        (
            "[regex.is_valid(text) | some text in [`a{2}`, `a**`, `(?=a)`, `[`, `x{`, 7]]",
            [True, False, False, False, True, False],
        ),
        ("regex.match(`[`, `a`)", None),
        ("regex.find_n(`a.`, `paranormal`, -1)", ["ar", "an", "al"]),
        ("regex.find_n(`a.`, `paranormal`, 2)", ["ar", "an"]),
        ("regex.find_n(`a*`, `baac`, -1)", ["", "aa", ""]),
        (
            "regex.find_all_string_submatch_n(`a(x*)b(y|z)?c`, `-axxxbyc-abc-`, -1)",
            [["axxxbyc", "xxx", "y"], ["abc", "", ""]],
        ),
        ("regex.replace(`a_b`, `(\\w)_(\\w)`, `${2}-$1`)", "b-a"),
        ("regex.replace(`ab`, `[`, `x`)", None),
        ("regex.split(`/+`, `foo//bar/baz`)", ["foo", "bar", "baz"]),
        ("regex.split(`a*`, `abaabaccadaaae`)", ["", "b", "b", "c", "c", "d", "e"]),
        ("regex.split(`x*`, `axbxc`)", ["a", "b", "c"]),
        ("regex.split(`,`, ``)", [""]),
        ("regex.split(``, ``)", []),
        ('strings.split_n("a.b.c", ".", 2)', ["a", "b"]),
        ('strings.split_n("a.b.c", ".", -1)', ["c"]),
        ('strings.count("11111", "11")', 2),
        ('strings.replace_n({"ab": "b", "b": "Y"}, "baaabbbba")', "YaabYYYa"),
        ('strings.render_template("{{.a}} {{.b}}", {"a": 1})', "1 <undefined>"),
        ("array.flatten([[1], 2, [[3]]])", [1, 2, [3]]),
        ('base64.decode("YWJj\\nZGVm")', "abcdef"),
        ('base64.is_valid("YWJj\\r\\nZGVm")', True),
        ('base64url.decode("YWI")', "ab"),
        ('net.cidr_contains("10.0.0.0/8", "10.1.0.0/16")', True),
        ('net.cidr_intersects("192.168.1.0/25", "192.168.1.128/25")', False),
        ('net.cidr_merge(["10.0.0.0/25", "10.0.0.128/25"])', ["10.0.0.0/24"]),
        ('net.cidr_contains_matches(["1.1.1.0/24"], ["1.1.1.1", "2.2.2.2"])', [[0, 0]]),
        ('time.parse_duration_ns("1d2h")', 26 * 3600 * 10**9),
        ('time.parse_duration_ns("-1.5s")', -1500000000),
        ('uri.is_valid("http://[invalid")', False),
        (
            'uri.parse("https://example.com:8080/a%2Fb?q=1#top")',
            {
                "scheme": "https",
                "hostname": "example.com",
                "port": "8080",
                "path": "/a/b",
                "raw_path": "/a%2Fb",
                "raw_query": "q=1",
                "fragment": "top",
            },
        ),
        ('uuid.parse("(00000000-0000-4000-8000-000000000000)")', {"variant": "RFC4122", "version": 4}),
        ('json.match_schema({"a": 1}, {"type": "object"})', [True, []]),
        ('yaml.is_valid("a: 1\\n---\\nb: 2\\n")', True),
        ("json.is_valid(1)", False),
    ],
)
def test_results(expression: str, expected: Any) -> None:
    assert call(expression) == expected


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_digests(name: str) -> None:
    assert call(f'crypto.{name}("kubekeep")') == hashlib.new(name, b"kubekeep").hexdigest()


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_keyed_digests(name: str) -> None:
    assert call(f'crypto.hmac.{name}("text", "key")') == hmac.new(b"key", b"text", name).hexdigest()


def test_regular_expression_matches_long_text() -> None:
    assert call('regex.match("^a+$", input)', input="a" * 200_000) is True


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ('strings.split_n("a", ".", 1.5)', "eval_type_error"),
        ("crypto.md5(1)", "eval_type_error"),
        ('net.cidr_merge(["2001:db8::1"])', "eval_builtin_error"),
        ('units.parse("10e10000000Ei")', "eval_builtin_error"),
    ],
)
def test_wrong_arguments_are_errors_in_strict_mode(expression: str, code: str) -> None:
    with pytest.raises(RegoError) as caught:
        call(expression, strict_builtin_errors=True)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "expression",
    [
        'glob.match("{a,}b", null, "b")',
        'regex.globs_match("a*", "b*")',
        'sprintf("%f", [100])',
        'json.match_schema({"a": 1}, {"type": "array"})',
        'net.lookup_ip_addr("example.com")',
    ],
)
def test_unsupported_call_is_an_error_and_not_undefined(expression: str) -> None:
    with pytest.raises(RegoError, match="not supported"):
        call(expression)
