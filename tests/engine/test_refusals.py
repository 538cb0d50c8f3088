"""Built-ins that are answered in part, or not at all: an error that names them, never a guess."""

from typing import Any

import pytest

from kubekeep.engine.rego import RegoError, evaluate

SETTINGS = {
    "aws_access_key": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "aws_service": "iam",
    "aws_region": "us-east-1",
}
UNKNOWN_TYPE = (
    "jsonschema: has a primitive type that is NOT VALID -- given: /text/ "
    "Expected valid values are:[array boolean integer number null object string]"
)
#: 2015-08-30T12:36:00Z, the moment of Amazon's example
MOMENT = 1440938160 * 10**9


def call(expression: str, value: Any = None, *, strict: bool = False) -> Any:
    """The value of an expression, None when it is undefined."""
    found = evaluate({}, f"x = {expression}", input=value, strict_builtin_errors=strict)
    return found[0]["x"] if found else None


def sign(request: dict[str, Any], settings: dict[str, Any] = SETTINGS, moment: Any = MOMENT) -> Any:
    """The signed request."""
    return call("providers.aws.sign_req(input[0], input[1], input[2])", [request, settings, moment], strict=True)


def test_a_request_is_signed_as_in_the_example_of_amazon() -> None:
    """Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html."""
    signed = sign(
        {
            "method": "GET",
            "url": "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "User-Agent": "me"},
        }
    )
    assert signed["headers"]["host"] == "iam.amazonaws.com"
    assert signed["headers"]["x-amz-date"] == "20150830T123600Z"
    assert signed["headers"]["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request,"
        "SignedHeaders=content-type;host;x-amz-date,"
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


@pytest.mark.parametrize(
    ("request_", "settings", "moment", "message"),
    [
        ({}, SETTINGS, MOMENT, 'missing required request parameters.* {"method", "url"}'),
        ({"method": "get", "url": "http://a", "bad": 1}, SETTINGS, MOMENT, 'invalid request parameters.* {"bad"}'),
        ({"method": 1, "url": "http://a"}, SETTINGS, MOMENT, 'invalid values for required .* {"method"}'),
        ({"method": "get", "url": "http://a"}, {}, MOMENT, "missing required AWS config"),
        (
            {"method": "get", "url": "http://a"},
            {**SETTINGS, "aws_region": 1},
            MOMENT,
            'invalid values .* {"aws_region"}',
        ),
        ({"method": "get", "url": "http://a"}, SETTINGS, 1.5, "could not convert time_ns"),
        ({"method": "get", "url": "http://a"}, SETTINGS, 10**18, "not supported"),
        ({"method": "get", "url": "http://a b"}, SETTINGS, MOMENT, "not supported"),
        ({"method": "get", "url": "http://a", "body": 1.5}, SETTINGS, MOMENT, "not supported"),
        ({"method": "get", "url": "http://a", "headers": {"a": "1", "A": "2"}}, SETTINGS, MOMENT, "not supported"),
    ],
)
def test_a_wrong_request_is_not_signed(request_: Any, settings: Any, moment: Any, message: str) -> None:
    with pytest.raises(RegoError, match=message):
        sign(request_, settings, moment)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a.a.[0-9]+z", ".b.b2359825792*594823z", True),
        ("[a-z]+", "[0-9]*", False),
        ("b.*", "bar", True),
        ("b.*", "ar", False),
        ("a+b", "aaab", True),
        ("a+b", "b", False),
        ("x\\[1\\]", "x.1.", True),
        ("a*b*", "b+", True),
    ],
)
def test_globs_that_meet(left: str, right: str, expected: Any) -> None:
    assert call("regex.globs_match(input[0], input[1])", [left, right]) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('net.lookup_ip_addr("10.0.0.1")', ["10.0.0.1"]),
        ("numbers.range_step(0, 10, 99999999999999999999)", [0]),
        (
            'json.verify_schema({"type": "text"})',
            [
                False,
                UNKNOWN_TYPE,
            ],
        ),
    ],
)
def test_answers_of_the_parts_that_are_there(expression: str, expected: Any) -> None:
    assert call(expression) == expected


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ('http.send({"method": "get", "url": "http://a"})', "http.send"),
        ('net.lookup_ip_addr("localhost")', "net.lookup_ip_addr"),
        ('rego.parse_module("a.rego", "package a")', "rego.parse_module"),
        ('regex.globs_match("a*", "b*")', "regex.globs_match"),
        ('regex.globs_match("[^a]", "b")', "regex.globs_match"),
        ("rego.metadata.rule()", "rego.metadata.rule"),
        ("rego.metadata.chain()", "rego.metadata.chain"),
        ("lt(1, 2)", "lt"),
    ],
)
def test_an_unsupported_built_in_is_named(expression: str, name: str) -> None:
    with pytest.raises(RegoError, match="not supported") as raised:
        call(expression)
    assert name in raised.value.message


@pytest.mark.parametrize("function", ["regex.match", "re_match"])
def test_an_expression_that_takes_too_much_memory_is_refused(function: str) -> None:
    assert call(f"{function}(`^\\pL{{10}}$`, `abcdefghij`)") is True
    for wanted in (f"{function}(`^\\pL{{1000}}$`, `a`)", "regex.is_valid(`^\\pL{1000}$`)"):
        with pytest.raises(RegoError, match="not supported: a regular expression of this size"):
            call(wanted)


def test_a_request_is_checked_before_it_is_refused() -> None:
    with pytest.raises(RegoError, match="eval_type_error: operand 1 missing required"):
        call("http.send({})", strict=True)


def test_only_text_is_unmarshalled() -> None:
    with pytest.raises(RegoError, match="eval_type_error: operand 1 must be string but got number"):
        call("json.unmarshal(1)", strict=True)


@pytest.mark.parametrize("member", ["PublicKey", "SignatureAlgorithm", "ExtKeyUsage"])
def test_a_member_that_certificates_lack_here_is_refused_and_not_undefined(member: str) -> None:
    module = f"package a\n\np := [c.{member} |\n\tsome c in crypto.x509.parse_certificates(input)\n]\n"
    with pytest.raises(RegoError, match=f"the member {member} of a certificate is not supported") as refused:
        evaluate({"a.rego": module}, "data.a.p = x")
    assert (refused.value.file, refused.value.line) == ("a.rego", 3)
    assert evaluate({"a.rego": f'package a\n\np := {{"{member}": 1}}\n'}, "data.a.p = x") == [{"x": {member: 1}}]
