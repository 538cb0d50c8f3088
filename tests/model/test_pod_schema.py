"""Pod specs with fields of the wrong type are rejected before rules read them."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.resource import Resource
from kubekeep.model.workload import MalformedWorkloadError, build_pod_views


def _cron_job(spec: dict[str, Any], metadata: dict[str, Any] | None = None) -> Resource:
    pod = {"metadata": metadata, "spec": spec}
    job = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": pod}}}
    return Resource({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": job})


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"hostNetwork": "true"}, "hostNetwork"),
        ({"hostPID": 1}, "hostPID"),
        ({"volumes": {"data": {}}}, "volumes"),
        ({"containers": [None]}, "containers[0]"),
        ({"initContainers": {}}, "initContainers"),
        ({"securityContext": []}, "securityContext"),
        ({"securityContext": {"sysctls": "all"}}, "securityContext.sysctls"),
        ({"containers": [{"securityContext": "none"}]}, "containers[0].securityContext"),
        ({"containers": [{"securityContext": {"runAsUser": 1.5}}]}, "containers[0].securityContext.runAsUser"),
        (
            {"ephemeralContainers": [{"securityContext": {"capabilities": {"drop": "ALL"}}}]},
            "ephemeralContainers[0].securityContext.capabilities.drop",
        ),
        (
            {"containers": [{"livenessProbe": {"httpGet": {"host": 8}}}]},
            "containers[0].livenessProbe.httpGet.host",
        ),
    ],
)
def test_wrong_type_is_reported_with_its_path(spec: dict[str, Any], path: str) -> None:
    with pytest.raises(MalformedWorkloadError) as error:
        build_pod_views(_cron_job(spec))
    assert str(error.value).startswith(f"spec.jobTemplate.spec.template.spec.{path}: Expected ")


def test_annotations_are_a_mapping() -> None:
    with pytest.raises(MalformedWorkloadError, match=r"template\.metadata\.annotations is not a mapping"):
        build_pod_views(_cron_job({}, {"annotations": ["a=b"]}))


def test_null_is_absent() -> None:
    context = {"privileged": None, "runAsUser": 7}
    spec = {
        "volumes": None,
        "hostUsers": None,
        "securityContext": {"runAsUser": 5, "runAsNonRoot": True},
        "initContainers": None,
        "containers": [{"name": "a", "ports": None, "securityContext": context}],
    }
    [pod_view] = build_pod_views(_cron_job(spec))
    assert set(pod_view["spec"]) == {"securityContext"}
    [container] = pod_view["containers"]
    assert "ports" not in container
    assert container["effective"] == {"runAsUser": 7, "runAsNonRoot": True}


def test_unknown_fields_and_numbers_are_accepted() -> None:
    assert build_pod_views(
        _cron_job({"schedulingGates": 3, "containers": [{"name": 1, "securityContext": {"runAsUser": 0}}]})
    )
