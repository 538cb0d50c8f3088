"""Snapshot of a whole cluster: controls that require a cluster are evaluated, with the parameters set in the cluster."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.library.params import ParamsError
from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Cause, Status
from kubekeep.posture import packing
from kubekeep.reports.format import Extra
from kubekeep.usecases.scan import scan
from tests.requests import scan_request

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "worker"},
    "spec": {"providerID": "aws:///eu-west-1a/i-0abc"},
    "status": {"nodeInfo": {"osImage": "Amazon Linux 2", "kubeletVersion": "v1.36.1", "kernelVersion": "6.1.0"}},
}
CRON_JOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "report", "namespace": "shop"},
    "spec": {
        "schedule": "@daily",
        "jobTemplate": {
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}}
        },
    },
}
API_SERVER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "kube-apiserver-one", "namespace": "kube-system"},
    "spec": {
        "containers": [
            {
                "name": "kube-apiserver",
                "image": "registry.k8s.io/kube-apiserver:v1.36.1",
                "command": ["kube-apiserver", "--anonymous-auth=true"],
            }
        ]
    },
}


def control_input(**controls: list[str]) -> dict[str, Any]:
    meta = {"name": "default"}
    return {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": meta, "spec": {"controls": controls}}


def scanned(folder: Path, *objects: dict[str, Any], **request: Any) -> Assessment:
    (folder / "dump.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    return scan(scan_request(paths=(str(folder),), **request))


def status(assessment: Assessment, number: str) -> tuple[Status, Cause | None]:
    (match,) = [summary for summary in assessment.summaries if summary.definition.id == number]
    return match.status, match.reason.cause if match.reason else None


def test_cluster_controls_require_a_snapshot(tmp_path: Path) -> None:
    assert status(scanned(tmp_path, CRON_JOB), "C-0026") == (Status.NOT_EVALUATED, Cause.NEEDS_CLUSTER)
    assert status(scanned(tmp_path, CRON_JOB, snapshot=True), "C-0026") == (Status.FAILED, None)


@pytest.mark.parametrize("extras", [frozenset[Extra](), frozenset({Extra.PRIORITIES})])
def test_snapshot_holds_few_unpacked_objects(
    tmp_path: Path, extras: frozenset[Extra], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MAX_UNPACKED", 0)
    jobs = [{**CRON_JOB, "metadata": {"name": f"report-{number}", "namespace": "shop"}} for number in range(300)]
    (tmp_path / "dump.yaml").write_text(yaml.safe_dump_all(jobs))
    del jobs
    others = count_unpacked("CronJob")
    unpacked = []
    with without_existing_objects():
        assessment = scan(
            scan_request(paths=(str(tmp_path),), snapshot=True, extras=extras),
            on_progress=lambda _: unpacked.append(count_unpacked("CronJob")),
        )
    assert len(unpacked) == 300
    # Files are read as a whole, and the objects of the last ones evaluated are still decoded.
    assert max(unpacked) <= 4
    assert count_unpacked("CronJob") - others <= 4
    assert {result.subject.object["metadata"]["name"] for result in assessment.results} == {
        f"report-{number}" for number in range(300)
    }


@contextlib.contextmanager
def without_existing_objects() -> Iterator[None]:
    """Hide existing objects from `gc.get_objects`: after thousands of tests, a list of them takes a third of a second."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def count_unpacked(kind: str) -> int:
    """Return the number of decoded objects of a kind in this process, those of other tests included."""
    return sum(1 for each in gc.get_objects() if type(each) is dict and each.get("kind") == kind and "spec" in each)


def test_control_plane_pod_requires_no_snapshot(tmp_path: Path) -> None:
    assert status(scanned(tmp_path, API_SERVER), "C-0113") == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [(None, Status.FAILED), ("eks", Status.FAILED), ("aks", Status.NOT_EVALUATED)],
)
def test_platform_controls_apply_to_their_platform_only(tmp_path: Path, provider: str | None, expected: Status) -> None:
    assessment = scanned(tmp_path, NODE, snapshot=True, provider=provider)
    assert status(assessment, "C-0226")[0] is expected
    elsewhere = {**NODE, "spec": {"providerID": "kind://docker/kind/kind-worker"}}
    assert status(scanned(tmp_path, elsewhere, snapshot=True), "C-0226") == (Status.NOT_EVALUATED, Cause.IRRELEVANT)


def test_request_parameters_override_cluster_parameters(tmp_path: Path) -> None:
    dump = CRON_JOB, control_input(untrustedRegistries=["docker.io/library"])
    assert status(scanned(tmp_path, *dump, snapshot=True), "C-0001")[0] is Status.FAILED
    assert status(scanned(tmp_path, *dump), "C-0001")[0] is Status.NOT_EVALUATED
    params = {"untrustedRegistries": ("quay.io",)}
    assert status(scanned(tmp_path, *dump, snapshot=True, params=params), "C-0001")[0] is Status.PASSED


def test_unknown_parameter_of_the_cluster_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dump\.yaml: unknown parameter untrustedRegistry"):
        scanned(tmp_path, control_input(untrustedRegistry=[]), snapshot=True)
