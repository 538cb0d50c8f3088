"""Objects compared with requests of hashicorp/kubernetes 1.13.4, recorded in `provider/requests.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Path as Steps
from kubekeep.model.location import format_path
from kubekeep.sources.source import Root
from kubekeep.sources.terraform.read import read_modules

FOLDER: Final = Path(__file__).parent / "provider"
DEFAULTS: Final = {
    "allowVolumeExpansion": True,
    "completions": 1,
    "defaultMode": 420,
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "failedJobsHistoryLimit": 1,
    "failurePolicy": "Fail",
    "failureThreshold": 3,
    "matchPolicy": "Equivalent",
    "minReplicas": 1,
    "mountPropagation": "None",
    "namespace": "default",
    "parallelism": 1,
    "periodSeconds": 10,
    "persistentVolumeReclaimPolicy": "Retain",
    "protocol": "TCP",
    "replicas": 1,
    "restartPolicy": "Always",
    "revisionHistoryLimit": 10,
    "scheme": "HTTP",
    "scope": "*",
    "sessionAffinity": "None",
    "successThreshold": 1,
    "successfulJobsHistoryLimit": 3,
    "terminationGracePeriodSeconds": 30,
    "terminationMessagePath": "/dev/termination-log",
    "timeoutSeconds": 1,
    "volumeBindingMode": "Immediate",
    "volumeMode": "Filesystem",
}
"""Values added by the provider: Kubernetes' own defaults, except for the namespace and two of storage."""


def list_differences(actual: Any, expected: Any, path: Steps = ()) -> Iterator[str]:
    """Yield differences, ignoring the provider's defaults and fields that are empty in Go's JSON."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        for key in actual.keys() | expected.keys():
            if key in actual and key in expected:
                yield from list_differences(actual[key], expected[key], (*path, key))
            elif key in actual or (expected[key] not in (None, {}, False) and DEFAULTS.get(key) != expected[key]):
                yield f"{format_path((*path, key))}: only {'KubeKeep' if key in actual else 'the provider'} sets it"
    elif isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        for index, (actual_item, expected_item) in enumerate(zip(actual, expected, strict=True)):
            yield from list_differences(actual_item, expected_item, (*path, index))
    elif actual != expected:
        yield f"{format_path(path)}: {actual!r} is not {expected!r}"


def test_objects_match_the_provider() -> None:
    results = list(read_modules([Root("terraform", str(FOLDER), ".", str(FOLDER))]))
    requests = json.loads((FOLDER / "requests.json").read_text())
    assert len(results) == len(requests) == 15
    problems: list[str] = []
    for result, request in zip(results, requests, strict=True):
        assert not isinstance(result, UnreadInput)
        problems.extend(f"{result.kind}.{line}" for line in list_differences(result.object, request))
    # Since 2.0, this resource has the API group to which ingresses moved.
    assert problems == ["Ingress.apiVersion: 'networking.k8s.io/v1beta1' is not 'extensions/v1beta1'"]
