"""Rules in Kubescape's form, as values: what they look at, what they need, and what their Rego text tells.

Never compiles or evaluates one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.library.load import ROOT
from kubekeep.model.control import SUBJECT, Control
from kubekeep.model.finding import Cause, Reason
from kubekeep.model.resource import is_builtin

DEFAULT_SEVERITY: Final = 5.0
"""Of a control that does not say how bad its failure is."""
ADVICE: Final = "Change what each finding names, as its message says."
"""How to fix what a rule finds that does not say so itself."""
SUBJECTS: Final = "subject-role-rolebinding"
API_SERVER: Final = "apiserver-pod"
ANY: Final = "*"


class Match(msgspec.Struct, frozen=True):
    """Objects that a rule looks at: groups, versions and kinds, each maybe `*`, in any case.

    A kind may be given by its name or its plural. `fields` are (path, is or is not, value), all to hold.
    """

    groups: tuple[str, ...]
    versions: tuple[str, ...]
    kinds: tuple[str, ...]
    fields: tuple[tuple[str, bool, str], ...] = ()


EVERYTHING: Final = Match((ANY,), (ANY,), (ANY,))


class KubescapeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: Rego over the array of all objects it matches."""

    name: str
    file: str
    """What errors call its text."""
    source: str
    enumerator: str = ""
    """Rego that picks, from the same array, the resources that the rule decides."""
    matches: tuple[Match, ...] = (EVERYTHING,)
    aggregator: str = ""
    inputs: tuple[str, ...] = ()
    """Names of the parameters that it reads."""
    obstacle: Reason | None = None
    """Why it cannot be evaluated whatever the input holds."""


class KubescapeControl(msgspec.Struct, frozen=True, kw_only=True):
    """A control that rules of other people decide: it fails where any of them says so."""

    control: Control
    rules: tuple[KubescapeRule, ...]
    fixed: dict[str, tuple[str, ...]] = {}
    """Parameters that the control itself sets."""
    review: Reason | None = None
    """Why a person has to look at what the rules find before it is a failure."""
    needs_parameters: bool = False
    """Whether parameters that are all empty leave nothing to compare with."""
    must_compile: bool = False
    """Whether text that is no Rego is refused at once, as that of a file which somebody is writing."""


def targets(rules: Sequence[KubescapeRule]) -> tuple[str, ...]:
    """What `rules` look at, as a control names its targets."""
    found = [
        kind if is_builtin(group) else f"{group}/{kind}"
        for rule in rules
        for match in rule.matches
        for group in match.groups
        for kind in match.kinds
        if rule.aggregator != SUBJECTS
    ]
    joined = [SUBJECT for rule in rules if rule.aggregator == SUBJECTS]
    return tuple(dict.fromkeys([*joined, *found]))


_TEXT: Final = re.compile(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|#[^\n]*')
_PACKAGE: Final = re.compile(r"^[ \t]*package[ \t]+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)[ \t]*(?=[\r\n;]|$)", re.MULTILINE)
_NORMALIZED: Final = re.compile(r"(?<![\w.])image\.parse_normalized_name(?=\s*\()")
_SIGNATURE: Final = re.compile(r"(?<![\w.])cosign\.(?:verify|has_signature)\s*\(")
_NETWORK: Final = re.compile(r"(?<![\w.])(http\.send|net\.lookup_ip_addr)\s*\(")
_CLIENT: Final = re.compile(r"^[ \t]*import[ \t]+data\.kubernetes\.api\.client(?:[ \t]+as[ \t]+(\w+))?", re.MULTILINE)
_MODERN: Final = re.compile(r"^[ \t]*import[ \t]+rego\.v1\b|^[^\n{]*\bif\b", re.MULTILINE)
_FUTURE: Final = re.compile(r"^[ \t]*import[ \t]+future\.keywords\b", re.MULTILINE)
_SETS: Final = re.compile(r"^(?:\w+[ \t]+contains\b|\w+[ \t]*\[|(?:deny|violation|warn)\b)", re.MULTILINE)
_INPUT: Final = re.compile(r"""\bpostureControlInputs(?:\.(\w+)|\["([^"\n]+)"\])""")


def package(source: str) -> str | None:
    """The package that `source` declares; None without one of plain names."""
    found = _PACKAGE.search(_code(source))
    return found[1] if found else None


def is_modern(source: str) -> bool:
    """Whether `source` can only be Rego v1: it has the keyword `if` without asking for it."""
    code = _code(source)
    return bool(_MODERN.search(code)) and not _FUTURE.search(code)


def has_sets(source: str) -> bool:
    """Whether `source` has a rule that gathers responses."""
    return bool(_SETS.search(_code(source)))


def inputs_read(source: str) -> tuple[str, ...]:
    """The names of the parameters that `source` reads from `data.postureControlInputs`."""
    return tuple(dict.fromkeys(plain or quoted for plain, quoted in _INPUT.findall(source)))


def obstacle(source: str) -> Reason | None:
    """Why `source` cannot be evaluated here: what it would ask is beyond the input."""
    code = _code(source)
    if _SIGNATURE.search(code):
        text = "signatures need the registry; verified by `cosign verify`"
        return Reason(Cause.NEEDS_NETWORK, text)
    found = _NETWORK.search(code)
    if found:
        return Reason(Cause.NEEDS_NETWORK, f"it calls {found[1]}, and rules never reach the network")
    for client in _CLIENT.finditer(code):
        if re.search(rf"(?<![\w.]){client[1] or 'client'}\.", code):
            return Reason(Cause.NEEDS_NETWORK, "it asks the API server itself, and rules never reach the network")
    return None


def modules(file: str, source: str) -> dict[str, str]:
    """The Rego modules to evaluate `source` with, by file: itself, and what such rules expect to find."""
    code, found, end = _code(source), [], 0
    for call in _NORMALIZED.finditer(code):
        found += [source[end : call.start()], "data.kubekeep.shims.image.parse_normalized_name"]
        end = call.end()
    needed = [ROOT / "shims" / "cautils.rego"] if "cautils" in source else []
    if found:
        needed += [ROOT / "shims" / "image.rego", ROOT / "lib" / "image.rego"]
    return {
        file: "".join((*found, source[end:])),
        **{f"{item.parent.name}/{item.name}": _read(item) for item in needed},
    }


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _code(source: str) -> str:
    """`source` with strings and comments blanked, every character in its place."""
    return _TEXT.sub(lambda text: re.sub(r"[^\n]", " ", text.group()), source)
