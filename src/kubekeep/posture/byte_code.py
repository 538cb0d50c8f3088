"""Byte code of the built-in rules, for the index of the library. Never evaluates a rule."""

from __future__ import annotations

from typing import Final

from kubekeep.engine.rego_policies import compile_byte_code
from kubekeep.library.index import SEALED, LibraryIndex, Program, compute_state, write_index
from kubekeep.library.load import ROOT, Library
from kubekeep.posture.rulebook import collect_modules, get_outcome_path, split_into_shards

INTERPRETED: Final = frozenset(
    {
        # Constructs without byte code: nested sets, `with`.
        "acr-read-only-cluster",
        "authenticated-group-roles",
        "enforced-pod-security-level",
        "unenforced-pod-security-level",
        # On documents of invalid types, two definitions of a rule conflict, which byte code does not detect.
        "audit-policy-coverage",
        # On documents of invalid types, byte code fails where the interpreter has a value.
        "psp-root-user",
    }
)
"""Names of rules that have no byte code, or byte code with other values."""


def compile_programs(library: Library) -> tuple[Program, ...]:
    """Compile the rules of a library, in the order of its controls. Raises ValueError for a rule that cannot be compiled."""
    owners = {control.rule_name: control for control in library.controls.values() if not control.is_manual}
    compiled = [control for name, control in owners.items() if name not in INTERPRETED]
    return tuple(
        Program(
            tuple(control.rule_name for control in shard),
            compile_byte_code(collect_modules(library, shard), [get_outcome_path(control) for control in shard]),
        )
        for shard in split_into_shards(compiled)
    )


def build_index(*, sealed: bool) -> None:
    """Write the index of the built-in library; a `sealed` one is not compared with the library's files when it is read.

    Raises OSError.
    """
    library = Library(ROOT)
    rules = {
        control.rule_name: library.get_rule(control) for control in library.controls.values() if not control.is_manual
    }
    index = LibraryIndex(
        state=SEALED if sealed else compute_state(ROOT),
        controls=dict(library.controls),
        frameworks=dict(library.frameworks),
        rules=rules,
        modules=library.shared_modules,
        programs=compile_programs(library),
    )
    write_index(ROOT, index)
