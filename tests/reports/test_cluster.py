"""Reports on a cluster: every format identifies it and lists coverage gaps; pseudonymised reports contain no names."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.reports.registration import REGISTRATIONS
from tests.reports.rendering import extract_pdf_text, remove_whitespace, render_bytes, render_text
from tests.reports.test_json_shape import SHAPE

from kubekeep.model.assessment import Assessment, Counts, Target, UnreadInput
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.location import Location
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.verdict import Status
from kubekeep.privacy.encryption import pseudonymise
from kubekeep.reports import names

GAPS = (
    CoverageGap(
        group="apps",
        version="v1",
        kind="Deployment",
        resource="deployments",
        reason="forbidden for ann",
        namespace="shop",
    ),
    CoverageGap(
        group="",
        version="v1",
        kind="Secret",
        resource="secrets",
        reason="the API server responded with 503",
        is_truncated=True,
    ),
)
FACTS = ClusterFacts(
    name="staging-7",
    info={"gitVersion": "v1.34.4", "minor": "34"},
    provider="eks",
    distribution="eks",
    distribution_version="v1.34.4",
    nodes=3,
    gaps=GAPS,
)
OPENSHIFT = msgspec.structs.replace(FACTS, provider="", distribution="openshift", distribution_version="4.21.3")


@pytest.fixture
def cluster_assessment(assessment: Assessment) -> Assessment:
    """Return the canonical assessment as a scan of a cluster."""
    return msgspec.structs.replace(
        assessment,
        target=Target((), "/srv/shop", FACTS),
        unread=tuple(UnreadInput(Location(gap.permission), gap.text) for gap in GAPS),
    )


def read_text(name: str, assessment: Assessment) -> str:
    """Return the text of a report without whitespace if it is a PDF."""
    return (
        remove_whitespace(extract_pdf_text(render_bytes(name, assessment)))
        if name == "pdf"
        else render_text(name, assessment)
    )


@pytest.mark.parametrize("name", names())
def test_every_format_identifies_the_cluster(name: str, cluster_assessment: Assessment) -> None:
    text = read_text(name, cluster_assessment)
    assert ("staging-7" in text or "v1.34.4" in text) or not REGISTRATIONS[name].has_target


@pytest.mark.parametrize("name", [name for name in names() if REGISTRATIONS[name].has_target])
def test_formats_name_the_distribution(name: str, cluster_assessment: Assessment) -> None:
    text = read_text(name, msgspec.structs.replace(cluster_assessment, target=Target((), "/srv/shop", OPENSHIFT)))
    assert "openshift" in text.lower()
    assert "4.21.3" in text
    unknown = msgspec.structs.replace(FACTS, provider="", distribution="", distribution_version="")
    text = read_text(name, msgspec.structs.replace(cluster_assessment, target=Target((), "/srv/shop", unknown)))
    assert "v1.34.4(" not in remove_whitespace(text)
    assert "openshift" not in text.lower()


@pytest.mark.parametrize("name", ["html", "pdf", "pretty", "markdown", "oscal"])
def test_cluster_has_no_folder_or_file_count(name: str, cluster_assessment: Assessment) -> None:
    whole = msgspec.structs.replace(cluster_assessment, files=0)
    assert "/srv/shop" in read_text("html", msgspec.structs.replace(whole, target=Target((), "/srv/shop")))
    text = read_text(name, whole)
    assert "/srv/shop" not in text
    assert "0files" not in remove_whitespace(text)


@pytest.mark.parametrize(
    ("version", "distribution", "own", "expected"),
    [
        ("v1.34.4", "", "", "Kubernetes v1.34.4"),
        ("v1.34.4", "kubeadm", "v1.34.4", "Kubernetes v1.34.4 (kubeadm)"),
        ("v1.34.1+k3s1", "k3s", "v1.34.1+k3s1", "Kubernetes v1.34.1+k3s1 (K3s)"),
        ("v1.29.8", "openshift", "4.16.3", "Kubernetes v1.29.8 (OpenShift 4.16.3)"),
        ("v1.29.8", "openshift", "", "Kubernetes v1.29.8 (OpenShift)"),
        ("", "eks", "", "Kubernetes unknown (EKS)"),
    ],
)
def test_kubernetes_version_text(version: str, distribution: str, own: str, expected: str) -> None:
    info = {"gitVersion": version} if version else {}
    facts = ClusterFacts(name="one", info=info, distribution=distribution, distribution_version=own)
    assert facts.kubernetes == expected


def test_distribution_fields(cluster_assessment: Assessment) -> None:
    openshift = msgspec.structs.replace(cluster_assessment, target=Target((), "/srv/shop", OPENSHIFT))
    expected = {"distribution": "openshift", "distributionVersion": "4.21.3"}
    assert json.loads(render_text("json", openshift))["kubekeep"]["cluster"] == expected
    families = {family.name: family for family in text_string_to_metric_families(render_text("prometheus", openshift))}
    [info] = families["kubekeep_info"].samples
    assert info.labels == {
        "version": openshift.version,
        "kubernetes_version": openshift.kubernetes_version,
        "distribution": "openshift",
        "distribution_version": "4.21.3",
    }
    [result] = json.loads(render_text("oscal", openshift))["assessment-results"]["results"]
    props = {prop["name"]: prop["value"] for prop in result["props"]}
    assert (props["kubernetes-version"], props["distribution"], props["distribution-version"]) == (
        "v1.34.4",
        "openshift",
        "4.21.3",
    )


def test_commit_like_version_is_no_reference_in_markdown(cluster_assessment: Assessment) -> None:
    facts = msgspec.structs.replace(FACTS, info={"gitVersion": "v1.34.4-eks-113cf36"})
    text = render_text("markdown", msgspec.structs.replace(cluster_assessment, target=Target((), "/srv/shop", facts)))
    assert "\n- `Kubernetes v1.34.4-eks-113cf36 (EKS v1.34.4)`, 12 resources: compliance" in text


def test_scan_of_files_has_no_cluster(assessment: Assessment) -> None:
    assert "cluster" not in json.loads(render_text("json", assessment))["kubekeep"]
    assert "distribution" not in render_text("prometheus", assessment)


def test_json_has_kubescapes_cluster_fields(cluster_assessment: Assessment) -> None:
    document = json.loads(render_text("json", cluster_assessment))
    errors = jsonschema.Draft202012Validator(SHAPE).iter_errors(document)
    assert [f"{error.json_path}: {error.message}"[:300] for error in errors] == []
    assert document["clusterAPIServerInfo"] == FACTS.info
    assert (document["clusterName"], document["clusterCloudProvider"]) == ("staging-7", "eks")
    context = document["metadata"]["targetMetadata"]["clusterContextMetadata"]
    assert (context["contextName"], context["cloudProvider"], context["numberOfWorkerNodes"]) == ("staging-7", "eks", 3)
    assert "scanningTarget" not in document["metadata"]["scanMetadata"]
    coverage = document["scanCoverage"]
    assert coverage["failedGVRPulls"] == [{"gvr": "apps/v1/deployments", "error": "forbidden for ann"}]
    assert coverage["partialGVRPulls"] == [
        {"gvr": "v1/secrets", "selector": "", "error": "the API server responded with 503"}
    ]
    missing = {entry["controlID"]: entry["missingGVRs"] for entry in coverage["notEvaluatedControls"]}
    assert missing["C-0001"] == ["apps/v1/deployments"]


def test_pretty_suggests_dry_run(cluster_assessment: Assessment) -> None:
    text = remove_whitespace(render_text("pretty", cluster_assessment))
    assert remove_whitespace("list deployments.apps in namespace shop  forbidden for ann") in text
    assert (
        remove_whitespace(
            "Run the same command with --dry-run to print the required roles and the missing permissions."
        )
        in text
    )


def test_pretty_groups_gaps_by_reason(assessment: Assessment) -> None:
    pods = [
        CoverageGap(group="", kind="Pod", resource="pods", reason="forbidden for ann", namespace=name)
        for name in ("a", "b")
    ]
    one = CoverageGap(
        group="", kind="Namespace", resource="namespaces", verb="get", reason="forbidden for ann", name="a"
    )
    many = [
        CoverageGap(group="x.io", kind=f"K{at}", resource=f"k{at}s", reason="forbidden for ann") for at in range(14)
    ]
    inside = CoverageGap(group="", kind="Role", resource="roles", reason="forbidden for ann", is_outside_selection=True)
    gaps = (*pods, one, *many, inside)
    seen = msgspec.structs.replace(
        assessment,
        target=Target((), "/srv/shop", msgspec.structs.replace(FACTS, gaps=gaps)),
        unread=tuple(UnreadInput(Location(gap.permission), gap.text) for gap in gaps),
    )
    lines = [line.strip() for line in render_text("pretty", seen).splitlines()]
    start = lines.index("✖ Some data of the cluster could not be read: this scan is incomplete")
    section = remove_whitespace("".join(lines[start : lines.index("Summary")]))
    expected = """forbidden for ann
        list in namespace a: pods
        list in namespace b: pods
        get namespaces/a
        list k0s.x.io, k1s.x.io, k2s.x.io, k3s.x.io, k4s.x.io, k5s.x.io, k6s.x.io, k7s.x.io, k8s.x.io, k9s.x.io,
        k10s.x.io, k11s.x.io and 2 more (use --verbose to list them)
        list roles  forbidden for ann; the scanned namespaces are complete
        Run the same command with --dry-run"""
    assert remove_whitespace(expected) in section


@pytest.mark.parametrize(
    ("facts", "resource_selection", "words"),
    [
        (None, ResourceSelection(), "no resources found; check the path."),
        (FACTS, ResourceSelection(), "these controls apply to none of the resources of the cluster."),
        (
            FACTS,
            ResourceSelection(include_namespaces=("empty",)),
            "these controls apply to none of the selected resources.",
        ),
    ],
)
def test_pretty_without_resources_names_the_target(
    assessment: Assessment, facts: ClusterFacts | None, resource_selection: ResourceSelection, words: str
) -> None:
    facts = facts and msgspec.structs.replace(facts, gaps=())
    controls = tuple(msgspec.structs.replace(summary, status=Status.NOT_EVALUATED) for summary in assessment.summaries)
    nothing = msgspec.structs.replace(
        assessment,
        target=Target((), "", facts),
        results=(),
        unread=(),
        counts=Counts(),
        summaries=controls,
        resource_selection=resource_selection,
    )
    assert remove_whitespace(words) in remove_whitespace(render_text("pretty", nothing))


@pytest.mark.parametrize("name", names())
def test_pseudonymised_cluster_contains_no_names(name: str, cluster_assessment: Assessment) -> None:
    text = read_text(name, pseudonymise(cluster_assessment, None))
    assert not [word for word in ("staging-7", "namespace shop", "for ann") if word in text]
