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

HERE: Final = Path(__file__).parent / "provider"
DEFAULTS: Final = {
    "allowVolumeExpansion": True, "completions": 1, "defaultMode": 420, "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True, "failedJobsHistoryLimit": 1, "failurePolicy": "Fail", "failureThreshold": 3,
    "matchPolicy": "Equivalent", "minReplicas": 1, "mountPropagation": "None", "namespace": "default",
    "parallelism": 1, "periodSeconds": 10, "persistentVolumeReclaimPolicy": "Retain", "protocol": "TCP",
    "replicas": 1, "restartPolicy": "Always", "revisionHistoryLimit": 10, "scheme": "HTTP", "scope": "*",
    "sessionAffinity": "None", "successThreshold": 1, "successfulJobsHistoryLimit": 3,
    "terminationGracePeriodSeconds": 30, "terminationMessagePath": "/dev/termination-log", "timeoutSeconds": 1,
    "volumeBindingMode": "Immediate", "volumeMode": "Filesystem",
}  # fmt: skip
"""Values added by the provider: Kubernetes' own defaults, except for the namespace and two of storage."""


def differences(ours: Any, sent: Any, path: Steps = ()) -> Iterator[str]:
    """Yield differences, ignoring the provider's defaults and fields that are empty in Go's JSON."""
    if isinstance(ours, dict) and isinstance(sent, dict):
        for key in ours.keys() | sent.keys():
            if key in ours and key in sent:
                yield from differences(ours[key], sent[key], (*path, key))
            elif key in ours or (sent[key] not in (None, {}, False) and DEFAULTS.get(key) != sent[key]):
                yield f"{format_path((*path, key))}: {'we' if key in ours else 'the provider'} alone"
    elif isinstance(ours, list) and isinstance(sent, list) and len(ours) == len(sent):
        for index, (one, other) in enumerate(zip(ours, sent, strict=True)):
            yield from differences(one, other, (*path, index))
    elif ours != sent:
        yield f"{format_path(path)}: {ours!r} is not {sent!r}"


def test_objects_match_the_provider() -> None:
    results = list(read_modules([Root("terraform", str(HERE), ".", str(HERE))]))
    requests = json.loads((HERE / "requests.json").read_text())
    assert len(results) == len(requests) == 15
    problems: list[str] = []
    for ours, sent in zip(results, requests, strict=True):
        assert not isinstance(ours, UnreadInput)
        problems.extend(f"{ours.kind}.{line}" for line in differences(ours.object, sent))
    # Since 2.0, this resource has the API group to which ingresses moved.
    assert problems == ["Ingress.apiVersion: 'networking.k8s.io/v1beta1' is not 'extensions/v1beta1'"]
