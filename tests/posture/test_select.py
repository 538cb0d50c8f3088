"""Selection: names in any case, rejected unknown names, and a reason for every control set aside."""

from __future__ import annotations

import pytest

from kubekeep.model.verdict import Cause
from kubekeep.posture.select import UnknownNameError, find_controls, find_frameworks, select


@pytest.mark.parametrize("name", ["nsa", "NSA", "Nsa", "nsa-cisa"])
def test_frameworks_are_selected_by_any_name(name: str) -> None:
    assert [framework.slug for framework in find_frameworks([name])] == ["nsa"]


def test_repeated_names_count_once() -> None:
    assert len(find_frameworks(["nsa", "NSA"])) == 1
    assert len(find_controls(["C-0057", "privileged-container"])) == 1


def test_unknown_name_is_rejected() -> None:
    with pytest.raises(UnknownNameError, match="did you mean C-0057"):
        find_controls(["C-0016", "C-00571"])


def test_every_member_is_selected_once() -> None:
    selection = select(find_frameworks(["nsa", "allcontrols"]), find_controls(["C-0057"]))
    slugs = [control.slug for control in selection.controls]
    assert len(slugs) == len(set(slugs))


def test_cluster_control_is_skipped_unless_named() -> None:
    framework = select(find_frameworks(["nsa"]))
    (control,) = find_controls(["C-0058"])
    assert framework.skip_reasons[control.slug].cause is Cause.NEEDS_CLUSTER
    assert control.slug not in select(named=[control]).skip_reasons
    assert control.slug not in select(find_frameworks(["nsa"]), whole_cluster=True).skip_reasons


def test_mixed_controls_are_selected_for_their_platform() -> None:
    mixed = {control.slug for control in find_controls(["C-0225", "C-0226", "C-0232", "C-0233"])}
    assert mixed.isdisjoint(select(find_frameworks(["cis-gke-v1.9.0"])).skip_reasons)
    assert mixed <= set(select(find_frameworks(["cis-eks-t1.8.0"])).skip_reasons) | {
        "container-optimized-os",
        "fargate",
    }
    assert mixed <= set(select(find_frameworks(["allcontrols"])).skip_reasons)


def test_control_without_required_parameter_is_skipped() -> None:
    (control,) = find_controls(["C-0078"])
    reason = select(named=[control]).skip_reasons[control.slug]
    assert reason.cause is Cause.CONFIGURATION
    assert "imageRepositoryAllowList" in reason.text
    configured = select(named=[control], params={"imageRepositoryAllowList": ["quay.io/"]})
    assert not configured.skip_reasons
    assert configured.params["imageRepositoryAllowList"] == ("quay.io/",)


def test_manual_control_is_never_evaluated() -> None:
    (control,) = find_controls(["C-0286"])
    for selection in (select(named=[control]), select(named=[control], whole_cluster=True)):
        assert selection.skip_reasons[control.slug].cause is Cause.MANUAL
        assert "kubekeep explain C-0286" in selection.skip_reasons[control.slug].text


@pytest.mark.parametrize(
    ("names", "provider"), [(["cis-eks-t1.8.0"], "eks"), (["nsa"], None), (["nsa", "cis-eks-t1.8.0"], None)]
)
def test_framework_of_one_platform_sets_provider(names: list[str], provider: str | None) -> None:
    assert select(find_frameworks(names)).provider == provider
    assert select(find_frameworks(names), provider="gke").provider == "gke"
