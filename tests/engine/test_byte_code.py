"""Byte code has the values of the interpreter for each construct of the language, or is refused."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kubekeep.engine.policy_set import RuleFailure, RuleQuery
from kubekeep.engine.rego_policies import RegoPolicySet, compile_byte_code

PATH: Final = "data.test.v"
RULES: Final = (
    (
        "v := r if {\n r := [x | x := input.a[0]; x > 1]\n}",
        '{"a":[1,0]}',
    ),
    (
        "f(c) := r if {\n r := [x | x := c[0]; x > 1]\n}\n v := f(input.a)",
        '{"a":[1,0]}',
    ),
    (
        "f(c, s) := r if {\n r := [x | x := c[s]; x > 1]\n}\n v := f(input.a, 0)",
        '{"a":[1,0]}',
    ),
    (
        "v := r if {\n r := [1 | input.a > 1]\n}",
        '{"a":1}',
    ),
    (
        "v := r if {\n r := [1 | input.b > 1]\n}",
        '{"a":1}',
    ),
    (
        "v := r if {\n r := [1 | some x; x = input.a; x > 1]\n count(r) > 0 }",
        '{"a":1}',
    ),
    (
        "f(c,s) := r if {\n r := [x | some x; x = c[s]; x > 1]\n count(r) > 0 } else := 5\n v := f(input.a, 0)",
        '{"a":[1]}',
    ),
    (
        "f(c,s) := r[0] if {\n r := [x | some x; x = c[s]; x > 1]\n count(r) > 0 } else := 5\n v := f(input.a, 0)",
        '{"a":[1]}',
    ),
    (
        "v contains [x, n] if {\n some x in input.a\n n := count([y | y := x.b; y > 1])\n}",
        '{"a":[{"b":1},{"b":2},{}]}',
    ),
    (
        "f(x) := x if x > 1\nv := [f(x) | some x in input.a]",
        '{"a":[1,2,3]}',
    ),
    (
        'f(x) := x if x > 1\nv := [{"a": f(x)} | some x in input.a]',
        '{"a":[1,2,3]}',
    ),
    (
        "v contains x if {\n some x in input.a\n not x.b\n}",
        '{"a":[{"b":1},{"b":false},{}]}',
    ),
    (
        "v contains x if {\n some x in input.a\n not x.b[_] == 1\n}",
        '{"a":[{"b":[1]},{"b":[2]},{"b":[]},{}]}',
    ),
    (
        "v contains x if {\n some x in input.a\n every y in x.b { y > 1 }\n}",
        '{"a":[{"b":[1]},{"b":[2,0]},{"b":[]},{}]}',
    ),
    (
        "v contains x if {\n some x in input.a\n every y in x.b { z := y.c; z > 1 }\n}",
        '{"a":[{"b":[{"c":2}]},{"b":[{}]},{"b":[]},{}]}',
    ),
    (
        "v contains x if {\n some x in input.a\n count({y | some y in x.b; count([z | z := y.c; z > 0]) == 0}) > 0\n}",
        '{"a":[{"b":[{"c":2}]},{"b":[{}]},{"b":[{"c":2},{"c":0}]},{}]}',
    ),
    (
        'f(x) := "a" if {\n some y in x\n y == 1\n} else := "b" if {\n some y in x\n y == 2\n} else := "c"\nv := [f(x) | some x in input.a]',
        '{"a":[[1],[2],[],[2,1],[3]]}',
    ),
    (
        'f(x) if x.a == 1\nelse if x.b[_] == 2\nelse := "c"\nv := [f(x) | some x in input.a]',
        '{"a":[{"a":1},{"b":[2]},{"b":[]},{}]}',
    ),
    (
        "f(x) := false if x == 1\nv := [f(x) | some x in input.a]",
        '{"a":[1,2]}',
    ),
    (
        "v := {k: n | some k, x in input.a; n := [y | some y in x; y > 1]}",
        '{"a":{"p":[1],"q":[2]}}',
    ),
    (
        "s contains x if some x in input.a\nv if s[1]",
        '{"a":[1,2]}',
    ),
    (
        "s contains x if some x in input.a\nv if not s[5]",
        '{"a":[1,2]}',
    ),
    (
        "v := 1 if { x := input.a[0]; x }",
        '{"a":[false]}',
    ),
    (
        "v contains p if { some e in input.a; [p, q] := e; q > 1 }",
        '{"a":[[1,2],[3],[4,5,6],7]}',
    ),
    (
        "v contains [a,b] if { a := input.x[_]; b := input.y[_]; a == b }",
        '{"x":[1,2,3],"y":[3,1]}',
    ),
    (
        "default f := 5\nf := input.x\nv := f",
        "{}",
    ),
    (
        "v := {x | some x in input.a} | {y | some y in input.b}",
        '{"a":[1]}',
    ),
    (
        "s contains x if some x in input.a\nv := s - {1}",
        '{"a":[1,2]}',
    ),
    (
        "f(x) if x > 1\nv contains x if {\n some x in input.a\n every y in x { f(y) }\n}",
        '{"a":[[2],[1],[2,1],[1,2],[]]}',
    ),
    (
        "f(x) if x > 1\nv contains x if {\n some x in input.a\n count(x) > 0\n every i in numbers.range(0, count(x) - 1) { f(x[i]) }\n}",
        '{"a":[[2],[1],[2,1],[1,2],[]]}',
    ),
    (
        'f(x) if {\n some a in ["p"]\n count(x[a]) > 0\n} else if {\n regex.match("b", x.c)\n}\nnamed(x) if {\n every i in numbers.range(0, count(x) - 1) { f(x[i]) }\n}\nv contains i if {\n some i\n x := input.a[i]\n not named(x)\n}',
        '{"a":[[{"p":[1]}],[{"p":[1]},{"c":"a"}],[{"p":[1]},{"c":"b"}],[{}]]}',
    ),
    (
        'f(x) if {\n some a in ["p"]\n count(x[a]) > 0\n} else if {\n regex.match("b", x.c)\n}\nv := [f(x) | some x in input.a]',
        '{"a":[{"p":[1]},{"c":"a"},{"c":"b"},{}]}',
    ),
    (
        "named(x) if {\n every i in numbers.range(0, count(x) - 1) { x[i] > 1 }\n}\nv contains i if {\n some i\n x := input.a[i]\n not named(x)\n}",
        '{"a":[[1],[2],[2,1]]}',
    ),
    (
        "f(x) if x > 1\nnamed(x) if {\n every i in [0, 1] { f(x[i]) }\n}\nv contains i if {\n some i\n x := input.a[i]\n not named(x)\n}",
        '{"a":[[1,1],[2,2],[2,1]]}',
    ),
    (
        "f(x) if x > 1\nnamed(x) if {\n every i in x { f(i) }\n}\nv := [i | some i\n x := input.a[i]\n not named(x)\n]",
        '{"a":[[1,1],[2,2],[2,1],[1,2]]}',
    ),
    (
        "m(x, l) if {\n every k, y in x { l[k] == y }\n}\nv := [i | some i, x in input.a; m(x, input.l)]",
        '{"l":{"a":1,"b":2},"a":[{"a":1},{"a":2},{"c":1},{},{"a":1,"b":3}]}',
    ),
    (
        "v contains x if {\n some x in input.a\n not input.l[x]\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "f(k) := input.l[k]\nv contains x if {\n some x in input.a\n f(x) != 2\n}",
        '{"l":{"a":1,"b":2},"a":["a","b","c"]}',
    ),
    (
        "f(k) := input.l[k]\nv contains x if {\n some x in input.a\n not f(x)\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "f(k) := [k]\nv contains x if {\n some x in input.a\n f(input.l[x])\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "f(k) := 1\nv contains x if {\n some x in input.a\n f(input.l[x]) == 1\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "v contains x if {\n some x in input.a\n input.l[x] in [1]\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "v contains x if {\n some x in input.a\n not input.l[x] in [1]\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "v contains x if {\n some x in input.a\n input.l[x] != 1\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "v contains [x, y] if {\n some x in input.a\n y := [input.l[x], 1]\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        'v contains y if {\n some x in input.a\n y := {"k": input.l[x]}\n}',
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "v contains y if {\n some x in input.a\n y := {input.l[x]}\n}",
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        'v contains {"k": input.l[x]} if {\n some x in input.a\n}',
        '{"l":{"a":1,"b":false},"a":["a","b","c"]}',
    ),
    (
        "p := 1 if input.q\np := 2 if input.r\nv := p",
        '{"r":true}',
    ),
    (
        "p(x) := 1 if x.q\np(x) := 2 if x.r\nv := [p(x) | some x in input.a]",
        '{"a":[{"q":1},{"r":1},{}]}',
    ),
    (
        "p([x]) := x\np([x, y]) := y\nv := [p(e) | some e in input.a]",
        '{"a":[[1],[1,2],[1,2,3],5]}',
    ),
    (
        'p("a") := 1\np("b") := 2\nv := [p(e) | some e in input.a]',
        '{"a":["a","b","c"]}',
    ),
    (
        "v contains [x, y] if {\n some x in input.a\n some y in input.b\n x == y\n}",
        '{"a":[1,2,3],"b":[3,1]}',
    ),
    (
        "v contains [x, n] if {\n some x in input.a\n n := {y | some y in input.b; y > x}\n count(n) == 0\n}",
        '{"a":[1,2,3],"b":[3,1]}',
    ),
    (
        "v contains i if {\n some i\n input.a[i].x == 1\n not input.a[i].y\n}",
        '{"a":[{"x":1},{"x":1,"y":1},{}]}',
    ),
    (
        "v contains [k, y] if {\n some k, y in input.l\n}",
        '{"l":{"a":1,"b":false}}',
    ),
    (
        "v := {1} | {x | x := input.z}",
        "{}",
    ),
    (
        "v := count({x | some x in input.a} - {1})",
        '{"a":[1,2]}',
    ),
    (
        "v contains x if {\n some x in input.a\n not all_ok(x)\n}\nall_ok(x) if {\n every y in x { y > 1 }\n}",
        '{"a":[[2],[1],[2,1],[1,2],[]]}',
    ),
    (
        "v contains x if {\n some x in input.a\n not any(x)\n}\nany(x) if x[_] > 1",
        '{"a":[[2],[1],[2,1],[1,2],[]]}',
    ),
    (
        "v contains x if {\n y := x.b\n some x in input.a\n y > 1\n}",
        '{"a":[{"b":2},{"b":1},{}]}',
    ),
    (
        "v contains x if {\n some x in input.a\n x in {k: true | some k in input.b}\n}",
        '{"a":[1,2,true],"b":[3,1]}',
    ),
    (
        'v contains x if {\n some x in input.a\n x < "b"\n}',
        '{"a":["a","c",1,null]}',
    ),
    (
        "v := input.a.b.c.d",
        '{"a":{"b":5}}',
    ),
    (
        'x := {"a": [1, {"b": 2}]}\nv := x.a[1].b',
        "{}",
    ),
    (
        "x contains y if some y in input.a\nv if count(x) == 0",
        '{"a":[]}',
    ),
    (
        "x := input.q\nv if not x",
        '{"a":[]}',
    ),
    (
        "x := input.q\nv := 1 if x == null",
        '{"a":[]}',
    ),
    (
        "x[k] := y if some k, y in input.l\nv := x.b",
        '{"l":{"a":1,"b":false}}',
    ),
    (
        'v contains {"k": input.l[x]} if {\n some x in input.a\n}',
        '{"l":{"a":1,"b":false},"a":["c","a","b"]}',
    ),
    (
        'v contains {"k": input.l[x]} if {\n some x in input.a\n}',
        '{"l":{"a":1,"b":false},"a":["a","c","b"]}',
    ),
    (
        "v contains input.l[x] if {\n some x in input.a\n}",
        '{"l":{"a":1,"b":false},"a":["a","c","b"]}',
    ),
    (
        "v[x] := input.l[x] if {\n some x in input.a\n}",
        '{"l":{"a":1,"b":false},"a":["a","c","b"]}',
    ),
    (
        'f(x) := input.l[x]\nv contains {"k": f(x)} if {\n some x in input.a\n}',
        '{"l":{"a":1,"b":false},"a":["a","c","b"]}',
    ),
    (
        'f(x) := input.l[x]\nv contains {"k": f(x)} if {\n some x in input.a\n}\nv contains 2 if input.a',
        '{"l":{"a":1,"b":false},"a":["a","c","b"]}',
    ),
    (
        'f(x) := input.l[x]\nv contains {"k": sprintf("%v", [f(x)])} if {\n some x in input.a\n}\nv contains 2 if input.a',
        '{"l":{"a":1,"b":false},"a":["a","c","b"]}',
    ),
    (
        "v contains x if {\n x := input.a[_]\n}",
        '{"a":"abc"}',
    ),
    (
        "v if {\n every x in input.a { x > 1}\n}",
        "{}",
    ),
    (
        "f(x) := [x, 1] if x > 1\nv contains [x, y] if {\n some x in input.a\n [y, _] := f(x)\n}",
        '{"a":[1,2]}',
    ),
    (
        "f(x) := [x, 1] if x > 1\nv := {n | [n, _] := f(input.a[0])} | {1 | input.a}",
        '{"a":[1,2]}',
    ),
    (
        "f(x) := [x, 1] if x > 1\ng(x) := {n | [n, m] := f(x); some z in input.z[n][m]} | {1 | count(input.a) == 5; some z in input.a}\nv contains count(g(x)) if some x in input.a",
        '{"a":[1,2]}',
    ),
    (
        'v contains x if {\n some x in input.a\n count(g(x)) == 0\n}\ng(x) := {y | y := x.q} | {y | count(object.get(x, "args", [])) == 0; some y in x.r}',
        '{"a":[{"args":[1]},{"r":[1]},{}]}',
    ),
    (
        'e(c) := n if {\n [n, _] := r(c)\n n != "p"\n not held(n)\n}\nr(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\nheld(n) if {\n some m, _ in input.cm[n]\n m != "c"\n}\nv contains c if {\n some c in input.a\n not e(c)\n}\nw contains e(c) if some c in input.a',
        '{"a":["p/x","q/x","s","t/x"],"cm":{"t":{"u":1}}}',
    ),
    (
        "v contains x if {\n some x in input.a\n f(x) < [1, 9, 0]\n}\nf(x) := [1,2,3] if x == 1",
        '{"a":[1,2]}',
    ),
    (
        "b(n) if n < [0, 49, 1]\nb(n) if n == [1, 0, 0]\nv contains x if {\n some x in input.a\n not b(x)\n}",
        '{"a":[[0,1,1],[1,0,0],[2,2,2]]}',
    ),
    (
        'allowed(c) if {\n some value in said(c)\n value != "false"\n}\nallowed(c) if {\n count(said(c)) == 0\n not c.e\n}\nsaid(c) := {lower(x) | some x in c.s}\nv contains c if {\n some c in input.a\n allowed(c)\n}',
        '{"a":[{"s":["false"]},{"s":["false","true"]},{"s":[]},{},{"e":1}]}',
    ),
    (
        'v contains {"path": input.q[server], "message": message} if {\n\tsome server in input.servers\n\tnot input.c[server]\n\tmessage := "--encryption-provider-config is not set: Secrets are not encrypted at rest"\n}\n',
        '{"servers":["a","b"],"q":{"b":1}}',
    ),
    (
        'v contains {"path": input.q[server], "message": message} if {\n\tsome server in input.servers\n\tmessage := "x"\n}\n',
        '{"servers":["a","b"],"q":{"b":1}}',
    ),
    (
        'v contains {"path": input.q[server], "message": server} if {\n\tsome server in input.servers\n\tnot input.c[server]\n}\n',
        '{"servers":["a","b"],"q":{"b":1}}',
    ),
    (
        'v if input.a == "b"',
        '{"a":"b"}',
    ),
    (
        'v if "b" in input.a',
        '{"a":["b"]}',
    ),
    (
        'v if not input.a == "c"',
        '{"a":"b"}',
    ),
    (
        'v contains x if some x in ["b"]\nw if input.b',
        '{"a":"b"}',
    ),
    (
        "v contains input.q[x] if some x in input.a",
        '{"a":["b","c"],"q":{"b":1}}',
    ),
    (
        'f(x) if x == "b"\nelse := input.z\nv := f(input.a)',
        '{"a":"b"}',
    ),
    (
        'v if startswith(input.a, "b")',
        '{"a":"b","z":"y"}',
    ),
    (
        'v if every x in input.a { x == "b" }',
        '{"a":["b"],"z":"y"}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | [p, n] := r(c); some i in input.n[p][n]; v := i.d} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | [p, n] := r(c); some i in input.n[p][n]; v := i.d} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a/b","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | some p, n; [p, n] = r(c); v := p} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | v := r(c)} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | some i in input.n[c]; v := i.d} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | x := r(c); some i in input.n[x]; v := i.d} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | some i in input.n[c]; some j in i; v := j} | {v | some i in input.o; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        'r(c) := parts if {\n parts := split(c, "/")\n count(parts) == 2\n}\ns(c) := {v | some i in input.o; v := i.d} | {v | some i in input.n[c]; v := i.d}\nv := s(input.c)',
        '{"c":"a","o":[{"d":"f"}],"n":{}}',
    ),
    (
        "v := {v | some i in input.n; some j in i; v := j} | {v | some i in input.o; v := i.d}",
        '{"c":"a","o":[{"d":"f"}],"n":[]}',
    ),
    (
        "v := {w | some i in input.n; w := i} | {w | some i in input.o; w := i}",
        '{"o":["f"],"n":["b"]}',
    ),
)
"""Rules that define `v`, each with an input."""
REFUSED: Final = (
    "default f(_) := 5\nf(x) := x if x > 1\nv := f(0)",
    "x[k] contains y if { some k, ys in input.l; some y in ys }\nv := x",
    "f := input.b\nv if f == 2 with input.b as 2",
    "v if trace(input.a)",
)
"""Rules that define `v` and have no byte code."""


def evaluate(shard: dict[str, str] | bytes, document: str) -> Any:
    policies = RegoPolicySet([shard], [[RuleQuery("v", PATH)]], {})
    return policies.evaluate([(document.encode(), [0])])[0].get("v")


@pytest.mark.parametrize(("rules", "document"), RULES)
def test_values_are_equal(rules: str, document: str) -> None:
    modules = {"test.rego": f"package test\n\n{rules}\n"}
    value = evaluate(modules, document)
    assert not isinstance(value, RuleFailure)
    assert evaluate(compile_byte_code(modules, [PATH]), document) == value


@pytest.mark.parametrize(
    "rules",
    [
        "import data.lib.names\n\nv := names.all",
        'import data.lib.names\n\nv := [names.all["a"], names["all"].a, names.double(2), names.missing]',
        "import data.lib.names as n\n\nv contains n.all[x] if some x in input.a",
        'import data.lib.names\n\nv := names[input.field] if not names.all["z"]',
        "import data.lib.names\n\nv := count(names)",
        "import data.lib.names\n\nv := f({1: 2})\n\nf(names) := names[1]",
        "import data.lib.names\n\nv contains names.x if { some names; names = input.objects[0] }",
        "import data.lib.names\n\nv := x if { names := input.objects[0]; x := names.x }",
        "import data.lib.names\n\nv := {x: names.all.b | some x, _ in names.all}",
        'import data.lib.names\n\nv := sprintf("%v", [names.all]) if { names.all.a == 1 } else := names.all',
    ],
)
def test_references_through_imports(rules: str) -> None:
    """References to imported packages are written in full, unless a local variable has the name of the import."""
    library = 'package lib.names\n\nall[k] := v if some k, v in {"a": 1, "b": 2}\n\ndouble(x) := 2 * x\n\nmissing := 5 if input.a\n'
    modules = {"test.rego": f"package test\n\n{rules}\n", "lib.rego": library}
    document = '{"a": ["a", "b", "c"], "field": "all", "objects": [{"x": 1}]}'
    value = evaluate(modules, document)
    assert not isinstance(value, RuleFailure)
    assert value is not None
    assert evaluate(compile_byte_code(modules, [PATH]), document) == value


@pytest.mark.parametrize("rules", REFUSED)
def test_construct_is_refused(rules: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        compile_byte_code({"test.rego": f"package test\n\n{rules}\n"}, [PATH])


@pytest.mark.parametrize("value", ['"text"', "1", "null", "true"])
@pytest.mark.parametrize("rule", ["v contains x if { some x in input.a }", "v contains 1 if { some x, _ in input.a }"])
def test_loop_over_no_collection_fails(rule: str, value: str) -> None:
    modules = {"test.rego": f"package test\n\n{rule}\n"}
    document = f'{{"a": {value}}}'
    for shard in (modules, compile_byte_code(modules, [PATH])):
        failure = evaluate(shard, document)
        assert isinstance(failure, RuleFailure)
        assert "expects array/set/object" in failure.message


@pytest.mark.parametrize("data", [b"REGO", b"REGO\x06\0\0\0" + bytes(64)])
def test_other_data_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="byte code"):
        RegoPolicySet([data], [[RuleQuery("v", PATH)]], {})


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('v contains {"k": input.l[x]} if { some x in input.a }', [{"k": 1}]),
        ("v contains input.l[x] if some x in input.a", [1]),
        ("v[x] := input.l[x] if { some x in input.a }", {"a": 1}),
        (
            'v contains {\n\t"k": input.l[x], # comment\n\t"n": count([y | y := x]),\n} if {\n\tsome x in input.a\n}',
            [{"k": 1, "n": 1}],
        ),
    ],
)
@pytest.mark.parametrize("names", ["abc", "bac", "cba"])
def test_undefined_element_does_not_discard_the_others(rule: str, expected: Any, names: str) -> None:
    modules = {"test.rego": f"package test\n\n{rule}\n"}
    document = f'{{"l": {{"a": 1}}, "a": {list(names)}}}'.replace("'", '"')
    for shard in (modules, compile_byte_code(modules, [PATH])):
        assert evaluate(shard, document) == expected
