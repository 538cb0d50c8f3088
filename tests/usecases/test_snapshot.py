"""A dump of a whole cluster: what only a cluster can answer is answered, as the cluster itself wants it judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.library.params import ParamsError
from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Cause, Status
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
    (found,) = [item for item in assessment.controls if item.control.id == number]
    return found.status, found.reason.cause if found.reason else None


def test_what_only_a_cluster_can_answer(tmp_path: Path) -> None:
    assert status(scanned(tmp_path, CRON_JOB), "C-0026") == (Status.NOT_EVALUATED, Cause.NEEDS_CLUSTER)
    assert status(scanned(tmp_path, CRON_JOB, snapshot=True), "C-0026") == (Status.FAILED, None)


def test_what_a_control_plane_says_of_itself_needs_no_snapshot(tmp_path: Path) -> None:
    assert status(scanned(tmp_path, API_SERVER), "C-0113") == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [(None, Status.FAILED), ("eks", Status.FAILED), ("aks", Status.NOT_EVALUATED)],
)
def test_controls_of_a_platform_are_for_that_platform(tmp_path: Path, provider: str | None, expected: Status) -> None:
    found = scanned(tmp_path, NODE, snapshot=True, provider=provider)
    assert status(found, "C-0226")[0] is expected
    elsewhere = {**NODE, "spec": {"providerID": "kind://docker/kind/kind-worker"}}
    assert status(scanned(tmp_path, elsewhere, snapshot=True), "C-0226") == (Status.NOT_EVALUATED, Cause.IRRELEVANT)


def test_the_cluster_sets_parameters_and_the_request_wins(tmp_path: Path) -> None:
    dump = CRON_JOB, control_input(untrustedRegistries=["docker.io/library"])
    assert status(scanned(tmp_path, *dump, snapshot=True), "C-0001")[0] is Status.FAILED
    assert status(scanned(tmp_path, *dump), "C-0001")[0] is Status.NOT_EVALUATED
    params = {"untrustedRegistries": ("quay.io",)}
    assert status(scanned(tmp_path, *dump, snapshot=True, params=params), "C-0001")[0] is Status.PASSED


def test_a_cluster_that_sets_nonsense_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"dump\.yaml: no control has a parameter untrustedRegistry"):
        scanned(tmp_path, control_input(untrustedRegistry=[]), snapshot=True)
