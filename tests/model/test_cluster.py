"""Objects that a coverage gap may hide."""

from __future__ import annotations

import pytest

from kubekeep.model.cluster import CoverageGap

PODS = CoverageGap(group="", kind="Pod", resource="pods", why="forbidden")


@pytest.mark.parametrize(
    ("gap", "identity", "hidden"),
    [
        (PODS, ("", "Pod", "shop", "a"), True),
        (PODS, ("apps", "Pod", "shop", "a"), False),
        (PODS, ("", "Service", "shop", "a"), False),
        (CoverageGap(group="", kind="Pod", resource="pods", why="", namespace="shop"), ("", "Pod", "shop", "a"), True),
        (CoverageGap(group="", kind="Pod", resource="pods", why="", namespace="shop"), ("", "Pod", "bank", "a"), False),
        (CoverageGap(group="", kind="Pod", resource="pods", why="", inside=True), ("", "Pod", "shop", "a"), False),
        (CoverageGap(group="", kind="Pod", resource="pods", why="", name="b"), ("", "Pod", "shop", "a"), False),
        (CoverageGap(group="x.io", kind="*", resource="*", why="down"), ("x.io", "Boat", "shop", "a"), True),
        (
            CoverageGap(group="", kind="Namespace", resource="namespaces", why="", namespace="shop", name="shop"),
            ("", "Namespace", "", "shop"),
            True,
        ),
        (
            CoverageGap(group="", kind="Namespace", resource="namespaces", why="", namespace="shop", name="shop"),
            ("", "Namespace", "", "bank"),
            False,
        ),
    ],
)
def test_gap_hides_objects_of_its_kind_and_namespace(
    gap: CoverageGap, identity: tuple[str, str, str, str], *, hidden: bool
) -> None:
    assert gap.hides(*identity) is hidden
