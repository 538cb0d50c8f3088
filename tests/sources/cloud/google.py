"""Responses of Google Cloud about a cluster, shortened from its REST references.

Kubernetes Engine (v1, projects.locations.clusters), Artifact Registry (v1, projects.locations and their repositories),
Resource Manager (v1, projects.getIamPolicy).
"""

from __future__ import annotations

from typing import Any

from tests.sources.cloud.service import Cloud

PROJECT = "shop-prod"
CLUSTERS = f"/v1/projects/{PROJECT}/locations"
CLUSTER = f"{CLUSTERS}/europe-west1/clusters/shop"
REPOSITORIES = f"{CLUSTERS}/europe-west1/repositories"
POLICY = f"/v1/projects/{PROJECT}:getIamPolicy"


def cluster(**fields: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "location": "europe-west1",
        "endpoint": "203.0.113.7",
        "currentMasterVersion": "1.33.2-gke.1240000",
        "masterAuth": {"clusterCaCertificate": "authority-of-the-test", "clientKey": "key-of-the-test"},
        "loggingService": "logging.googleapis.com/kubernetes",
        "loggingConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}},
        "legacyAbac": {},
        "databaseEncryption": {"state": "DECRYPTED"},
        "networkConfig": {"datapathProvider": "ADVANCED_DATAPATH"},
        "privateClusterConfig": {"enablePrivateNodes": True, "privateEndpoint": "10.0.0.2"},
        "masterAuthorizedNetworksConfig": {"enabled": True, "cidrBlocks": [{"cidrBlock": "203.0.113.0/24"}]},
        "workloadIdentityConfig": {"workloadPool": f"{PROJECT}.svc.id.goog"},
        "nodeConfig": {"metadata": {"db": "key-of-the-test", "disable-legacy-endpoints": "true"}},
        "nodePools": [
            {
                "name": "default-pool",
                "config": {
                    "imageType": "COS_CONTAINERD",
                    "serviceAccount": f"nodes@{PROJECT}.iam.gserviceaccount.com",
                    "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
                    "metadata": {"startup-script": "login --with key-of-the-test"},
                    "workloadMetadataConfig": {"mode": "GKE_METADATA"},
                },
                "networkConfig": {"enablePrivateNodes": True},
            }
        ],
        "status": "RUNNING",
        **fields,
    }


def repository(name: str) -> dict[str, Any]:
    return {
        "name": f"projects/{PROJECT}/locations/europe-west1/repositories/{name}",
        "format": "DOCKER",
        "vulnerabilityScanningConfig": {"enablementConfig": "INHERITED", "enablementState": "SCANNING_ACTIVE"},
    }


def answer_all(cloud: Cloud, **fields: Any) -> None:
    """Set responses about one cluster, whose project has two repositories on two pages, and an IAM policy."""
    cloud.respond(CLUSTER, cluster(**fields))
    other_cluster = cluster(endpoint="203.0.113.8", privateClusterConfig={}) | {"name": "other"}
    cloud.respond(f"{CLUSTERS}/-/clusters", {"clusters": [other_cluster, cluster(**fields)]})
    locations = [
        {"name": f"projects/{PROJECT}/locations/{name}", "locationId": name} for name in ("europe-west1", "us")
    ]
    cloud.respond(CLUSTERS, {"locations": locations})
    cloud.respond(REPOSITORIES, {"repositories": [repository("web")], "nextPageToken": "2"})
    cloud.respond(f"{REPOSITORIES}?pageToken=2", {"repositories": [repository("jobs")]})
    cloud.respond(f"{CLUSTERS}/us/repositories", {})
    bindings = [{"role": "roles/artifactregistry.reader", "members": ["group:developers@example.com"]}]
    cloud.respond(POLICY, {"version": 1, "etag": "BwX", "bindings": bindings}, method="POST")
