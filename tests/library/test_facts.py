"""Controls and frameworks of the library, compared with the facts about Kubescape's by number and member.

Skipped without the facts beside the checkout.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from kubekeep.library.load import builtin
from kubekeep.model.control import Control
from kubekeep.posture.select import find_frameworks
from tests.library.kubescape import FACTS

ADDED_WORDS: Final = {"sensitiveKeyNames": {"passwd", "passphrase", "pass", "pw", "pepper", "psk"}}
"""Words of passwords that Kubescape lacks, by parameter."""
CONTROLS: Final = FACTS / "control-facts.json"
pytestmark = pytest.mark.skipif(not CONTROLS.is_file(), reason=f"no facts at {FACTS}")


def facts() -> dict[str, Any]:
    """Return the facts, or empty lists without the file, so that test collection does not need it."""
    if not CONTROLS.is_file():
        return {"controls": [], "frameworks": {}}
    decoded: dict[str, Any] = json.loads(CONTROLS.read_text(encoding="utf-8"))
    return decoded


def by_number() -> dict[str, Control]:
    """Return the controls by each of their numbers."""
    return {number: control for control in builtin().controls.values() for number in control.ids}


@pytest.mark.parametrize("fact", facts()["controls"], ids=lambda fact: fact["id"])
def test_control(fact: dict[str, Any]) -> None:
    control = by_number()[fact["id"]]
    assert control.severity == fact["baseScore"]
    assert (control.scope == "file") == ("file" in fact["scope"]) or control.is_manual
    defaults = {
        name: [word for word in parameter.default if word not in ADDED_WORDS.get(name, ())]
        for name, parameter in control.params.items()
    }
    assert defaults == (fact.get("configInputs") or {})


@pytest.mark.parametrize("name", facts()["frameworks"])
def test_framework(name: str) -> None:
    (framework,) = find_frameworks([name])
    assert framework.name == name
    listed = {member["id"]: member["listedAs"] for member in facts()["frameworks"][name]}
    members = {number: control for control in builtin().select_members(framework) for number in control.ids}
    if framework.all_controls:
        assert set(listed) == set(members)
        return
    assert set(listed) == set(members)
    for number, text in listed.items():
        if cited := re.match(r"CIS-([\d.]+)", text):
            assert members[number].satisfies[framework.slug] == (cited[1],)
