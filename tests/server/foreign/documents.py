"""Documents in the forms that other tools write: reports of Kubescape and its image scanner, and SARIF logs."""

from __future__ import annotations

import json
from typing import Any, Final

UID: Final = "0d3a8f0e-2c4b-4d57-9a55-2f3c1c9a6f10"
DIGEST: Final = "sha256:" + "a" * 64
NAMES: Final = {"C-0057": ("Privileged container", 8.0), "C-0016": ("Allow privilege escalation", 6.0)}


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


def build_namespace(name: str, uid: str) -> dict[str, Any]:
    return {
        "resourceID": f"/v1//Namespace/{name}",
        "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": uid}},
    }


def build_deployment(name: str, namespace: str = "shop") -> dict[str, Any]:
    return {
        "resourceID": f"apps/v1/{namespace}/Deployment/{name}",
        "object": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": {"spec": {"containers": [{"name": name, "image": f"ghcr.io/shop/{name}:1"}]}}},
        },
    }


def build_control(name: str, status: str = "failed", detail: str = "", **fields: Any) -> dict[str, Any]:
    """Return the result of a control, with one field as evidence if it failed or is excepted."""
    paths = [
        {"failedPath": "spec.template.spec.containers[0].securityContext", "fixPath": {"path": "", "value": ""}},
        {"fixPath": {"path": "spec.template.spec.containers[0].securityContext.privileged", "value": "false"}},
    ]
    has_evidence = status == "failed" or detail == "w/exceptions"
    rule = {"name": "rule", "status": status, "subStatus": detail, "paths": paths if has_evidence else None, **fields}
    state = {"status": status, "subStatus": detail}
    return {"controlID": name, "name": NAMES.get(name, (name, 0))[0], "status": state, "rules": [rule]}


def build_posture_report(results: dict[str, list[dict[str, Any]]], **fields: Any) -> dict[str, Any]:
    """Return a whole report on a cluster. results: controls by the name of a Deployment in the namespace shop."""
    names = {control["controlID"] for controls in results.values() for control in controls}
    return {
        "generationTime": "2026-12-01T09:00:00.123456789Z",
        "clusterName": "production",
        "customerGUID": "",
        "reportGUID": "report-1",
        "attributes": None,
        "clusterAPIServerInfo": None,
        "summaryDetails": {
            "controls": {
                name: {
                    "name": NAMES.get(name, (name, 5.0))[0],
                    "scoreFactor": NAMES.get(name, (name, 5.0))[1],
                    "statusInfo": {"status": "failed"},
                    "category": None,
                }
                for name in sorted(names)
            },
            "frameworks": None,
        },
        "resources": [build_namespace("kube-system", UID), *map(build_deployment, results)],
        "results": [
            {"resourceID": build_deployment(name)["resourceID"], "controls": controls}
            for name, controls in results.items()
        ],
        "metadata": {
            "targetMetadata": {"clusterContextMetadata": {"contextName": "production"}},
            "scanMetadata": {"targetType": "Framework", "targetNames": ["clusterscan"]},
        },
        **fields,
    }


def split_report(report: dict[str, Any]) -> list[bytes]:
    """Return the parts of a report as Kubescape posts them: first the resources, then the results."""
    parts = [{**report, "results": None}, {**report, "resources": None}]
    return [
        encode({**part, "paginationInfo": {"chunkNumber": number, "isLastChunk": number == len(parts) - 1}})
        for number, part in enumerate(parts)
    ]


def build_image_vulnerability(name: str = "CVE-2024-0001", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "packageName": "openssl",
        "packageType": "deb",
        "packageVersion": "3.0.1",
        "severity": "High",
        "severityScore": 400,
        "description": "A buffer overflow.\nDetails.",
        "link": f"https://nvd.nist.gov/vuln/detail/{name}",
        "links": None,
        "fixedIn": [{"name": "fixed", "imageTag": "", "version": "3.0.2"}],
        "layerHash": "sha256:" + "c" * 64,
        "layers": [{"layerHash": "sha256:" + "c" * 64, "parentLayerHash": ""}],
        "coordinates": [{"path": "/var/lib/dpkg/status"}],
        "relevantLabel": "",
        **fields,
    }


def build_container_scan(*vulnerabilities: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a whole scan of the container web of a Deployment."""
    return {
        "designators": {"designatorType": "Attributes", "attributes": {"cluster": "production"}},
        "containersScanID": "scan-1",
        "timestamp": 1_764_579_600,
        "paginationInfo": {"chunkNumber": 0, "isLastChunk": True},
        "summary": {
            "imageTag": "ghcr.io/shop/web:1",
            "imageHash": f"docker-pullable://ghcr.io/shop/web@{DIGEST}",
            "wlid": "wlid://cluster-production/namespace-shop/deployment-web",
            "containerName": "web",
            "status": "Success",
            "jobIDs": None,
            **fields,
        },
        "vulnerabilities": list(vulnerabilities),
    }


def build_result(rule: str, file: str, **fields: Any) -> dict[str, Any]:
    location = {"artifactLocation": {"uri": file, "uriBaseId": "ROOT"}, "region": {"startLine": 3, "endLine": 4}}
    return {
        "ruleId": rule,
        "level": "error",
        "message": {"text": f"{rule} fails"},
        "locations": [{"physicalLocation": location}],
        **fields,
    }


def build_run(*results: dict[str, Any], rules: tuple[str, ...] = ("R1", "R2"), **fields: Any) -> dict[str, Any]:
    listed = [{"id": name, "shortDescription": {"text": f"Rule {name}"}} for name in rules]
    return {
        "tool": {"driver": {"name": "Linter", "version": "1", "rules": listed}},
        "originalUriBaseIds": {"ROOT": {"uri": "file:///builds/web/"}},
        "versionControlProvenance": [
            {"repositoryUri": "https://github.com/Shop/Web.git", "branch": "main", "revisionId": "abc"}
        ],
        "results": list(results),
        **fields,
    }


def build_log(*runs: dict[str, Any]) -> bytes:
    return encode({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": list(runs)})
