"""Every class of hostile input: no silent pass, no uncaught exception, nothing over its limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.check import check_run
from tests.hostile.member import MINIMUM_CLASSES, MINIMUM_MEMBERS, HostileClass, list_classes
from tests.hostile.run import Child


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """The process that runs the members of all tests of this module."""
    child = Child(tmp_path_factory.mktemp("hostile"))
    yield child
    child.close()


@pytest.mark.parametrize("hostile_class", list_classes(), ids=str)
def test_promises_hold(hostile_class: HostileClass, child: Child) -> None:
    members = hostile_class.list_members()
    assert len({member.name for member in members}) == len(members) >= MINIMUM_MEMBERS
    problems = []
    for member in members:
        try:
            check_run(member, child.run(member))
        except AssertionError as error:
            problems.append(f"{member.name}: {error}")
    assert not problems, "\n".join(problems)


def test_number_of_classes() -> None:
    assert len(list_classes()) >= MINIMUM_CLASSES
