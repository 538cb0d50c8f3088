"""The result `declined` of custom rules: the old name of `not_evaluated`, which is read until 2027-12-01."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.extra import load_rules
from kubekeep.library.load import Library, builtin
from kubekeep.library.scaffold import build_files
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import PASSED, Cause, Reason, Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import find_controls, select
from tests.command_line import run_command_line

POD: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web"}]},
}
OLD: Final = 'declined contains "the owner is unknown"'
NOT_EVALUATED: Final = Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MISSING_DATA, "the owner is unknown"))
NOTE: Final = "the name declined is read until 2027-12-01: rename it to not_evaluated"


def write_control(root: Path, slug: str, rule: str) -> Path:
    """Write the control `slug` with the text `rule` below its package, and return the file of the rule."""
    for path, text in build_files("workload", slug).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    file = root / "workload" / slug / "control.rego"
    file.write_text(f"package kubekeep.controls.{slug}\n\n{rule}\n")
    return file


def evaluate_control(root: Path, slug: str) -> Verdict:
    """Return the verdict of the control `slug` below `root` on the pod."""
    library = Library(root, parent=builtin())
    selection = select(named=find_controls([slug], library), library=library)
    (result,) = evaluate([Resource(POD)], selection, RegoPolicySet, kubernetes_minor=37)
    return result.verdicts[slug]


@pytest.mark.parametrize(
    "rule",
    [
        OLD,
        f"default declined := set()\n\n{OLD.replace(' contains', ' :=').replace(chr(34), '{' + chr(34), 1)}}}",
        OLD.replace("declined", "not_evaluated"),
    ],
    ids=["set", "default", "new name"],
)
def test_sentences_are_the_reason(tmp_path: Path, rule: str) -> None:
    write_control(tmp_path, "owner", rule)
    assert evaluate_control(tmp_path, "owner") == NOT_EVALUATED


@pytest.mark.parametrize("rule", [f"{OLD} if false", "declined := {} if false"])
def test_rule_without_sentences_passes(tmp_path: Path, rule: str) -> None:
    write_control(tmp_path, "owner", rule)
    assert evaluate_control(tmp_path, "owner") == PASSED


def test_new_name_takes_precedence(tmp_path: Path) -> None:
    write_control(tmp_path, "owner", f'{OLD.replace("declined", "not_evaluated")}\n\ndeclined contains "other"')
    assert evaluate_control(tmp_path, "owner") == NOT_EVALUATED
    assert load_rules([tmp_path]).notes == ()


@pytest.mark.parametrize("name", ["declined", "not_evaluated"])
def test_imported_rule_of_the_library_has_both_names(tmp_path: Path, name: str) -> None:
    write_control(
        tmp_path,
        "owner",
        "import data.kubekeep.controls.image_digest\n\n"
        f"not_evaluated contains sentence if some sentence in image_digest.{name}",
    )
    reason = Reason(Cause.MISSING_DATA, "spec.containers[0].image is not set")
    assert evaluate_control(tmp_path, "owner") == Verdict(Status.NOT_EVALUATED, reason=reason)
    assert bool(load_rules([tmp_path]).notes) == (name == "declined")


@pytest.mark.parametrize("name", ["declined", "not_evaluated"])
def test_imported_custom_rule_has_both_names(tmp_path: Path, name: str) -> None:
    write_control(tmp_path, "owner", OLD)
    write_control(
        tmp_path,
        "team",
        f"import data.kubekeep.controls.owner\n\nnot_evaluated contains sentence if some sentence in owner.{name}",
    )
    assert evaluate_control(tmp_path, "team") == NOT_EVALUATED


def test_note_names_the_file(tmp_path: Path) -> None:
    write_control(tmp_path, "team", OLD.replace("declined", "not_evaluated"))
    file = write_control(tmp_path, "owner", OLD)
    note = f"{file}: {NOTE}"
    assert load_rules([tmp_path]).notes == (note,)
    pod = tmp_path / "workload" / "owner" / "cases" / "fail.pod.yaml"
    for words in (["scan", str(pod), "--custom-rules", str(tmp_path)], ["control", "test", str(tmp_path)]):
        result = run_command_line(*words)
        assert result.stderr.splitlines().count(note) == 1, words


def test_rule_of_the_library_has_only_the_new_name() -> None:
    library = builtin()
    rules = [library.get_rule(control) for control in library.controls.values() if not control.is_manual]
    assert not [rule.path for rule in rules if "declined" in rule.source]
