"""Which objects may be unseen for the sake of what a cluster does not show."""

from __future__ import annotations

import pytest

from kubekeep.model.cluster import Gap

PODS = Gap(group="", kind="Pod", resource="pods", why="forbidden")


@pytest.mark.parametrize(
    ("gap", "thing", "hidden"),
    [
        (PODS, ("", "Pod", "shop", "a"), True),
        (PODS, ("apps", "Pod", "shop", "a"), False),
        (PODS, ("", "Service", "shop", "a"), False),
        (Gap(group="", kind="Pod", resource="pods", why="", namespace="shop"), ("", "Pod", "shop", "a"), True),
        (Gap(group="", kind="Pod", resource="pods", why="", namespace="shop"), ("", "Pod", "bank", "a"), False),
        (Gap(group="", kind="Pod", resource="pods", why="", inside=True), ("", "Pod", "shop", "a"), False),
        (Gap(group="", kind="Pod", resource="pods", why="", name="b"), ("", "Pod", "shop", "a"), False),
        (Gap(group="x.io", kind="*", resource="*", why="down"), ("x.io", "Boat", "shop", "a"), True),
        (
            Gap(group="", kind="Namespace", resource="namespaces", why="", namespace="shop", name="shop"),
            ("", "Namespace", "", "shop"),
            True,
        ),
        (
            Gap(group="", kind="Namespace", resource="namespaces", why="", namespace="shop", name="shop"),
            ("", "Namespace", "", "bank"),
            False,
        ),
    ],
)
def test_a_gap_hides_what_is_of_its_kind_and_in_its_place(
    gap: Gap, thing: tuple[str, str, str, str], *, hidden: bool
) -> None:
    assert gap.hides(*thing) is hidden
