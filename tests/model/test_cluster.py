"""Objects that a coverage gap may hide."""

from __future__ import annotations

import pytest

from kubekeep.model.cluster import CoverageGap

PODS = CoverageGap(group="", kind="Pod", resource="pods", reason="forbidden")


@pytest.mark.parametrize(
    ("gap", "identity", "hidden"),
    [
        (PODS, ("", "Pod", "shop", "a"), True),
        (PODS, ("apps", "Pod", "shop", "a"), False),
        (PODS, ("", "Service", "shop", "a"), False),
        (
            CoverageGap(group="", kind="Pod", resource="pods", reason="", namespace="shop"),
            ("", "Pod", "shop", "a"),
            True,
        ),
        (
            CoverageGap(group="", kind="Pod", resource="pods", reason="", namespace="shop"),
            ("", "Pod", "bank", "a"),
            False,
        ),
        (
            CoverageGap(group="", kind="Pod", resource="pods", reason="", is_outside_selection=True),
            ("", "Pod", "shop", "a"),
            False,
        ),
        (CoverageGap(group="", kind="Pod", resource="pods", reason="", name="b"), ("", "Pod", "shop", "a"), False),
        (CoverageGap(group="x.io", kind="*", resource="*", reason="down"), ("x.io", "Boat", "shop", "a"), True),
        (
            CoverageGap(group="", kind="Namespace", resource="namespaces", reason="", namespace="shop", name="shop"),
            ("", "Namespace", "", "shop"),
            True,
        ),
        (
            CoverageGap(group="", kind="Namespace", resource="namespaces", reason="", namespace="shop", name="shop"),
            ("", "Namespace", "", "bank"),
            False,
        ),
    ],
)
def test_gap_hides_objects_of_its_kind_and_namespace(
    gap: CoverageGap, identity: tuple[str, str, str, str], *, hidden: bool
) -> None:
    assert gap.may_hide(*identity) is hidden
