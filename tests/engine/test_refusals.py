"""Built-ins that are supported in part or not at all: the error names the function."""

from typing import Any

import pytest

from kubekeep.engine.policy_set import RuleQuery
from kubekeep.engine.rego import RegoError, evaluate
from kubekeep.engine.rego_policies import RegoPolicySet

UNKNOWN_TYPE = (
    "jsonschema: has a primitive type that is NOT VALID -- given: /text/ "
    "Expected valid values are:[array boolean integer number null object string]"
)


def call(expression: str, value: Any = None, *, strict: bool = False) -> Any:
    """Return the value of an expression, or None if it is undefined."""
    results = evaluate({}, f"x = {expression}", input=value, strict_builtin_errors=strict)
    return results[0]["x"] if results else None


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
def test_globs_match(left: str, right: str, expected: Any) -> None:
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
def test_supported_arguments_have_results(expression: str, expected: Any) -> None:
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
def test_unsupported_built_in_is_named(expression: str, name: str) -> None:
    with pytest.raises(RegoError, match="not supported") as raised:
        call(expression)
    assert name in raised.value.message


@pytest.mark.parametrize("function", ["regex.match", "re_match"])
def test_regular_expression_with_too_much_memory_is_refused(function: str) -> None:
    assert call(f"{function}(`^\\pL{{10}}$`, `abcdefghij`)") is True
    for expression in (f"{function}(`^\\pL{{1000}}$`, `a`)", "regex.is_valid(`^\\pL{1000}$`)"):
        with pytest.raises(RegoError, match="not supported: a regular expression of this size"):
            call(expression)


def test_request_is_checked_before_it_is_refused() -> None:
    with pytest.raises(RegoError, match="eval_type_error: operand 1 missing required"):
        call("http.send({})", strict=True)


def test_unmarshal_accepts_only_text() -> None:
    with pytest.raises(RegoError, match="eval_type_error: operand 1 must be string but got number"):
        call("json.unmarshal(1)", strict=True)


@pytest.mark.parametrize(
    ("name", "arity"),
    [
        ("crypto.parse_private_keys", 1),
        ("crypto.x509.parse_and_verify_certificates", 1),
        ("crypto.x509.parse_and_verify_certificates_with_options", 2),
        ("crypto.x509.parse_certificate_request", 1),
        ("crypto.x509.parse_certificates", 1),
        ("crypto.x509.parse_keypair", 2),
        ("crypto.x509.parse_rsa_private_key", 1),
        ("graphql.is_valid", 2),
        ("graphql.parse", 2),
        ("graphql.parse_and_verify", 2),
        ("graphql.parse_query", 1),
        ("graphql.parse_schema", 1),
        ("graphql.schema_is_valid", 1),
        ("io.jwt.decode", 1),
        ("io.jwt.decode_verify", 2),
        ("io.jwt.encode_sign", 3),
        ("io.jwt.encode_sign_raw", 3),
        *((f"io.jwt.verify_{name}{bits}", 2) for name in ("es", "hs", "ps", "rs") for bits in (256, 384, 512)),
        ("io.jwt.verify_eddsa", 2),
        ("providers.aws.sign_req", 3),
    ],
)
def test_unsupported_family_is_refused_before_evaluation(name: str, arity: int) -> None:
    """OPA's functions for GraphQL, JSON Web Tokens, AWS requests, private keys and certificates."""
    call_text = f"{name}({', '.join(['input'] * arity)})"
    module = f"package a\n\nallowed if {{\n\tfalse\n\t{call_text}\n}}\n"
    with pytest.raises(RegoError) as raised:
        evaluate({"a.rego": module}, "data.a.allowed = x")
    assert str(raised.value) == f"a.rego:5: rego_type_error: the built-in function {name} is not supported"
    with pytest.raises(RegoError, match=f"rego_type_error: the built-in function {name} is not supported"):
        call(call_text)
    with pytest.raises(ValueError, match=f"a.rego:5: .*the built-in function {name} is not supported"):
        RegoPolicySet([{"a.rego": module}], [[RuleQuery("a", "data.a.allowed")]], {})
