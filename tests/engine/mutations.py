"""Mutations of the library's Rego, each parsed together with the modules that it imports.

Run as a program with the first seed and a count: prints a line of JSON for each mutation before and after it is parsed, so
that the output names the seed that hangs or crashes the parser. The processor time of the program is limited.
"""

from __future__ import annotations

import json
import random as randomness
import re
import resource
import sys

from kubekeep import _native
from kubekeep.library.load import ROOT, builtin

SECONDS = 240
"""Processor time of one run; a mutation takes a few milliseconds."""
FILE = "mutated.rego"
_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|#[^\n]*|\w+|\s+|:=|==|.', re.DOTALL)
_BRACKETS = "()[]{}"
_INSERTED = (
    *(
        *_BRACKETS,
        *'.,:;|&=-+#"`\\',
        ":=",
        "==",
        '$"',
        "if",
        "contains",
        "not",
        "some",
        "with",
        "else",
        "default",
        "in",
    ),
    *(
        "every",
        "import",
        "package",
        "as",
        "and",
        "or",
        "f(1)",
        "\nf(1)\n",
        "\nx == y if f(1)\n",
        "\nx.y[1](2)\n",
        "\r\n",
    ),
)


def mutate(source: str, random: randomness.Random) -> str:
    """Return `source` with one to three changes of its tokens."""
    tokens = _TOKEN.findall(source)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        _change(tokens, random)
    return "".join(tokens)


def _change(tokens: list[str], random: randomness.Random) -> None:
    at = random.randrange(len(tokens)) if tokens else 0
    match random.randrange(8 if tokens else 1):
        case 0:
            tokens.insert(at, random.choice(_INSERTED))
        case 1:
            del tokens[at]
        case 2:
            tokens.insert(at, tokens[at])
        case 3:
            del tokens[at:]
        case 4:
            tokens[at] = random.randbytes(3).decode(errors="replace")
        case 5:
            brackets = [index for index, token in enumerate(tokens) if token in _BRACKETS]
            if len(brackets) > 1:
                first, second = random.sample(brackets, 2)
                tokens[first], tokens[second] = tokens[second], tokens[first]
        case 6:
            tokens[at] = random.choice(_INSERTED)
        case 7:
            tokens[at:at] = tokens[at : at + random.randrange(1, 20)]


def main(first: int, count: int) -> None:
    """Parse `count` mutations, beginning with the seed `first`."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    library = builtin()
    controls = sorted(library.controls.values(), key=lambda control: control.slug)
    rules = {library.get_rule(control).path: control for control in controls if not control.is_manual}
    paths = [*rules, *sorted(file.relative_to(ROOT).as_posix() for file in ROOT.glob("lib/*.rego"))]
    for seed in range(first, first + count):
        random = randomness.Random(seed)
        path = random.choice(paths)
        modules = library.collect_modules([rules[path]]) if path in rules else {path: (ROOT / path).read_text()}
        source = mutate(modules.pop(path), random)
        print(json.dumps({"seed": seed, "path": path}), flush=True)
        try:
            _native.PolicySet([[*modules.items(), (FILE, source)]], [], "{}")
        except ValueError as error:
            print(json.dumps({"error": str(error)}), flush=True)
        else:
            print(json.dumps({"error": ""}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
