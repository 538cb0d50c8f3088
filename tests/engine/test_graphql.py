"""`graphql.*`: the GraphQL specification (October 2021), its section in brackets, and OPA's policy reference."""

from typing import Any

import pytest

from kubekeep.engine.rego import RegoError, evaluate

SCHEMA = """
type Query { pet(name: String!, kind: Kind = CAT): Pet  pets(first: Int, where: Filter): [Animal!]! }
interface Pet { name: String! }
type Cat implements Pet { name: String! lives: Int }
type Dog implements Pet { name: String! barks: Boolean }
union Animal = Cat | Dog
enum Kind { CAT DOG }
input Filter { name: String = "x", size: Float!, tags: [String!] }
"""


def call(function: str, *arguments: Any, strict: bool = False) -> Any:
    """The value of a call, None when it is undefined."""
    names = ", ".join(f"input[{number}]" for number in range(len(arguments)))
    found = evaluate({}, f"x = graphql.{function}({names})", input=list(arguments), strict_builtin_errors=strict)
    return found[0]["x"] if found else None


def test_a_query_is_parsed() -> None:
    assert call("parse_query", "query Q($n: [Int!] = [1]) { a: b(c: {d: $n}) @skip(if: true) { ...F } }") == {
        "Operations": [
            {
                "Operation": "query",
                "Name": "Q",
                "VariableDefinitions": [
                    {
                        "Variable": "n",
                        "Type": {"NamedType": "", "NonNull": False, "Elem": {"NamedType": "Int", "NonNull": True}},
                        "DefaultValue": {
                            "Kind": 8,
                            "Raw": "",
                            "ExpectedTypeHasDefault": False,
                            "Children": [
                                {"Name": "", "Value": {"Kind": 1, "Raw": "1", "ExpectedTypeHasDefault": False}}
                            ],
                        },
                        "Used": False,
                    }
                ],
                "SelectionSet": [
                    {
                        "Alias": "a",
                        "Name": "b",
                        "Arguments": [
                            {
                                "Name": "c",
                                "Value": {
                                    "Kind": 9,
                                    "Raw": "",
                                    "ExpectedTypeHasDefault": False,
                                    "Children": [
                                        {"Name": "d", "Value": {"Kind": 0, "Raw": "n", "ExpectedTypeHasDefault": False}}
                                    ],
                                },
                            }
                        ],
                        "Directives": [
                            {
                                "Name": "skip",
                                "Location": "",
                                "Arguments": [
                                    {
                                        "Name": "if",
                                        "Value": {"Kind": 5, "Raw": "true", "ExpectedTypeHasDefault": False},
                                    }
                                ],
                            }
                        ],
                        "SelectionSet": [{"Name": "F"}],
                    }
                ],
            }
        ]
    }


def test_a_block_string_loses_its_indentation() -> None:
    tree = call("parse_schema", 'scalar A\n"""\n  one\n    two\n\n"""\nscalar B')
    assert [node["Description"] for node in tree["Definitions"]] == ["", "one\n  two"]


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        "extend type Query { a: Int }",
        "interface A { a: Int } interface B implements A { a: Int } type C implements A & B { a: Int! }",
        'directive @d(a: String = "b") repeatable on SCHEMA extend schema @d @d',
        "input A { b: B! } input B { a: A }",
        "directive @skip(if: Boolean!) on FIELD",
    ],
)
def test_valid_schemas(schema: str) -> None:
    assert call("schema_is_valid", schema) is True


@pytest.mark.parametrize(
    "schema",
    [
        "type A { b: B }",
        "type A { a: Int } type A { b: Int }",
        "type A { a: Int a: Int }",
        "type A { __a: Int }",
        "type A { a(b: A): Int }",
        "scalar String",
        "interface A { a: Int } type B implements A { b: Int }",
        "interface A { a: Int! } type B implements A { a: Int }",
        "interface A { a(b: Int): Int } type B implements A { a: Int }",
        "interface A { a: Int } type B implements A { a(b: Int!): Int }",
        "union U = Int",
        "enum E { true }",
        "enum E { A A }",
        "input A { b: B! } input B { a: A! }",
        "type A { a: Int @unknown }",
        "type A { a: Int @skip(if: true) }",
        "scalar A @specifiedBy",
        "type A { a: Int @deprecated @deprecated }",
        "type A { a: Int } schema { query: A } schema { query: A }",
        "type A { a: Int } extend input A { b: Int }",
        "input I { a: Int } type A { i: I }",
        1,
    ],
)
def test_wrong_schemas(schema: Any) -> None:
    assert call("schema_is_valid", schema) is False


@pytest.mark.parametrize(
    "query",
    [
        '{ pet(name: "a") { name __typename ... on Cat { lives } } }',
        "query($n: String!) { pet(name: $n, kind: DOG) { ...F } } fragment F on Pet { name }",
        'query($f: Float = 1.5) { pets(where: {size: $f, tags: ["a"]}) { ... on Dog { barks } } }',
        "{ __schema { types { name } } }",
        "{ pets(first: null, where: {size: 1}) { __typename } }",
        "",
    ],
)
def test_valid_queries(query: str) -> None:
    assert call("is_valid", query, SCHEMA) is True


@pytest.mark.parametrize(
    "query",
    [
        "{ pet { name } }",  # 5.4.2.1
        "{ nothing }",  # 5.3.1
        '{ pet(name: "a") }',  # 5.3.3
        '{ pet(name: "a") { name { a } } }',
        '{ pet(name: "a", more: 1) { name } }',  # 5.4.1
        '{ pet(name: "a", name: "b") { name } }',  # 5.4.2
        "{ pet(name: 1) { name } }",  # 5.6.1
        '{ pet(name: "a", kind: COW) { name } }',
        '{ pet(name: "a", kind: "CAT") { name } }',
        "{ pet(name: null) { name } }",
        "{ pets(first: 1.5) { __typename } }",
        "{ pets(first: 99999999999999999999) { __typename } }",
        "{ pets(where: {}) { __typename } }",  # 5.6.4
        "{ pets(where: {size: 1, other: 1}) { __typename } }",  # 5.6.2
        "{ pets(where: {size: 1, size: 2}) { __typename } }",  # 5.6.3
        "{ pets @unknown { __typename } }",  # 5.7.1
        "query @skip(if: true) { pets { __typename } }",  # 5.7.2
        "{ pets @skip(if: true) @skip(if: true) { __typename } }",  # 5.7.3
        "query($a: Int, $a: Int) { pets(first: $a) { __typename } }",  # 5.8.1
        "query($a: Pet) { pets { __typename } }",  # 5.8.2
        "{ pets(first: $a) { __typename } }",  # 5.8.3
        "query($a: Int) { pets { __typename } }",  # 5.8.4
        "query($a: String) { pet(name: $a) { name } }",  # 5.8.5
        "query A { pets { __typename } } query A { pets { __typename } }",  # 5.2.1
        "{ pets { __typename } } query A { pets { __typename } }",  # 5.2.2
        "mutation { pets { __typename } }",
        "{ pets { ...F } }",  # 5.5.2.1
        "{ pets { __typename } } fragment F on Cat { name }",  # 5.5.1.4
        "{ pets { ...F } } fragment F on Cat { ...F }",  # 5.5.2.2
        "{ pets { ... on Kind { name } } }",  # 5.5.1.3
        "{ pets { ... on Nothing { name } } }",  # 5.5.1.2
        '{ pet(name: "a") { ... on Cat { ... on Dog { name } } } }',  # 5.5.2.3
        "{",
        "{ a(b: ) }",
        1,
    ],
)
def test_wrong_queries(query: Any) -> None:
    assert call("is_valid", query, SCHEMA) is False
    assert call("parse_and_verify", query, SCHEMA) == [False, {}, {}]


def test_trees_stand_for_their_text() -> None:
    query, schema = call("parse_query", "{ pets { __typename } }"), call("parse_schema", SCHEMA)
    assert call("parse", query, schema) == [query, schema]
    assert call("is_valid", query, SCHEMA) is True
    assert call("schema_is_valid", {"Definitions": [{"Kind": "SCALAR", "Name": "A"}]}) is True


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("parse_query", ["query A { a } # why"]),
        ("schema_is_valid", [{"Definitions": [{"Name": "A", "Unknown": 1}]}]),
        ("is_valid", [{"Fragments": []}, SCHEMA]),
        ("is_valid", ['{ pet(name: "a") { ... on Cat { a: name } ... on Dog { a: name } } }', SCHEMA]),
        ("is_valid", ["{" + "...F " * 8000 + "}" + "fragment F on Query {" + "pets{...F}" * 8000 + "}", SCHEMA]),
        ("parse_query", ["{a" * 300 + "}" * 300]),
        ("parse_query", ["{a(b:" + "[" * 10_000]),
    ],
)
def test_what_is_not_known_is_refused(function: str, arguments: list[Any]) -> None:
    with pytest.raises(RegoError, match="not supported"):
        call(function, *arguments)


def test_a_wrong_document_is_undefined_or_an_error() -> None:
    assert call("parse_schema", "type A {}") is None
    with pytest.raises(RegoError, match=r"eval_builtin_error: graphql.parse_schema: expected .*, found } in .* 1:9"):
        call("parse_schema", "type A {}", strict=True)
