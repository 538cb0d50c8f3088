"""A scan with cached outcomes equals one without: after any edit, with other options, with a damaged cache file."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from kubekeep.model.assessment import Assessment
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.requests import replaced

_KINDS: Final = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Pod": "v1"}


def create_resource(dice: random.Random, number: int) -> dict[str, Any]:
    """Return one of several related resources: workloads, their account, Service, role and binding."""
    metadata = {"name": f"item-{number}", "namespace": f"ns-{dice.randrange(2)}"}
    labels: dict[str, Any] = {"app": f"app-{dice.randrange(3)}"}
    container: dict[str, Any] = {"name": "main", "image": f"example.com/app:{dice.choice(('1', 'latest'))}"}
    if dice.random() < 0.5:
        container["securityContext"] = {"privileged": dice.random() < 0.5, "runAsUser": dice.choice((0, 1000))}
    pod: dict[str, Any] = {"containers": [container], "serviceAccountName": f"account-{dice.randrange(3)}"}
    match dice.choice(("Deployment", "StatefulSet", "Pod", "Service", "NetworkPolicy", "RoleBinding", "ClusterRole")):
        case "Service":
            spec: dict[str, Any] = {
                "type": dice.choice(("NodePort", "ClusterIP")),
                "selector": labels,
                "ports": [{"port": 80}],
            }
            return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        case "NetworkPolicy":
            spec = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]}
            return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
        case "RoleBinding":
            subject = {"kind": "ServiceAccount", "name": f"account-{dice.randrange(3)}", "namespace": "ns-0"}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "item-1"}
            binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata}
            return binding | {"subjects": [subject], "roleRef": reference}
        case "ClusterRole":
            rule = {"apiGroups": ["*"], "resources": ["secrets"], "verbs": [dice.choice(("get", "*"))]}
            role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "item-1"}}
            return role | {"rules": [rule]}
        case "Pod":
            return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"labels": labels}, "spec": pod}
        case kind:
            template = {"metadata": {"labels": labels}, "spec": pod}
            spec = {"selector": {"matchLabels": labels}, "template": template}
            return {"apiVersion": _KINDS[kind], "kind": kind, "metadata": metadata, "spec": spec}


def summarise(assessment: Assessment) -> dict[str, Any]:
    """Return the parts of an assessment that depend on its input."""
    return {
        "verdicts": [(result.subject.id, dict(result.verdicts)) for result in assessment.results],
        "controls": assessment.summaries,
        "counts": assessment.counts,
        "notes": assessment.notes,
    }


@pytest.mark.parametrize("seed", range(3))
def test_cached_scan_equals_full_scan_after_changes(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    folder, cache = tmp_path / "objects", tmp_path / "cache" / "outcomes"
    folder.mkdir()
    numbers = itertools.count()
    for _ in range(25):
        number = next(numbers)
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(create_resource(dice, number)))
    for _ in range(5):
        for _ in range(dice.randrange(4)):
            file = dice.choice(sorted(folder.iterdir()))
            file.unlink()
            number = dice.choice((next(numbers), int(file.stem)))
            (folder / f"{number}.yaml").write_text(yaml.safe_dump(create_resource(dice, number)))
        request = ScanRequest(
            ScanInput(paths=(str(folder),), snapshot=dice.random() < 0.7),
            rules=RuleOptions(params={"cpu_request_max": (dice.choice(("1", "2")),)}),
            evaluation=EvaluationOptions(kubernetes_version=dice.choice(("1.37", "1.29"))),
        )
        incremental = scan(replaced(request, outcome_cache=str(cache)))
        assert summarise(incremental) == summarise(scan(request))
        if dice.random() < 0.2:
            cache.unlink()


def test_unwritable_cache_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(create_resource(random.Random(1), 1)))
    (tmp_path / "cache").write_text("a file where a folder should be")
    assessment = scan(
        ScanRequest(
            ScanInput(paths=(str(tmp_path / "pod.yaml"),)),
            evaluation=EvaluationOptions(outcome_cache=str(tmp_path / "cache" / "outcomes")),
        )
    )
    assert assessment.results
    assert [note for note in assessment.notes if "could not be cached" in note]
