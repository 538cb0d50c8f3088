"""Responses of Azure Resource Manager about a cluster, shortened from its REST reference.

Managed Clusters - Get and - List (2025-05-01), Role Assignments - List For Subscription and Role Definitions - List
(2022-04-01).
"""

from __future__ import annotations

from typing import Any

from tests.sources.cloud.service import Cloud

SUBSCRIPTION = "26fe00f8-9173-4872-9134-bb1d2e00343a"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
CLUSTERS = "providers/Microsoft.ContainerService/managedClusters"
CLUSTER = f"{ROOT}/resourceGroups/shops/{CLUSTERS}/shop"
AUTHORIZATION = f"{ROOT}/providers/Microsoft.Authorization"
PULL = f"{AUTHORIZATION}/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
OPERATOR = f"{AUTHORIZATION}/roleDefinitions/88fd4b1e-9f0a-4b9e-8a7a-0f2d4f3c0001"


def managed_cluster(**properties: Any) -> dict[str, Any]:
    return {
        "id": CLUSTER,
        "name": "shop",
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": "westeurope",
        "sku": {"name": "Base", "tier": "Free"},
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "kubernetesVersion": "1.33.2",
            "currentKubernetesVersion": "1.33.2",
            "dnsPrefix": "shop",
            "fqdn": "shop-1a2b3c4d.hcp.westeurope.azmk8s.io",
            "nodeResourceGroup": "MC_shops_shop_westeurope",
            "enableRBAC": True,
            "agentPoolProfiles": [
                {
                    "name": "pool1",
                    "count": 3,
                    "vmSize": "Standard_DS2_v2",
                    "mode": "System",
                    "enableNodePublicIP": False,
                }
            ],
            "linuxProfile": {
                "adminUsername": "azureuser",
                "ssh": {"publicKeys": [{"keyData": "ssh-rsa public-key-of-the-test"}]},
            },
            "servicePrincipalProfile": {"clientId": "msi", "secret": "secret-of-the-test"},
            "networkProfile": {"networkPlugin": "azure", "networkPolicy": "cilium", "outboundType": "loadBalancer"},
            "apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/24"]},
            "httpProxyConfig": {
                "httpProxy": "http://scanner:password-of-the-test@proxy.example:3128",
                "trustedCa": "CA",
            },
            **properties,
        },
    }


def assignment(number: int, role: str, principal: str = "ServicePrincipal") -> dict[str, Any]:
    return {
        "id": f"{AUTHORIZATION}/roleAssignments/{number}",
        "name": str(number),
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": role,
            "principalId": f"ce2ce14e-85d7-4629-bdbc-454d0519d{number:03}",
            "principalType": principal,
            "scope": ROOT,
        },
    }


def definition(identity: str, *actions: str) -> dict[str, Any]:
    return {
        "id": identity,
        "name": identity.rpartition("/")[2],
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": "a role",
            "type": "CustomRole",
            "permissions": [{"actions": list(actions), "notActions": [], "dataActions": [], "notDataActions": []}],
            "assignableScopes": [ROOT],
        },
    }


def answer_all(cloud: Cloud, address: str = "", **properties: Any) -> None:
    """Set responses about one cluster whose subscription has two role assignments on two pages.

    `address` is used in links, by default that of the server.
    """
    cloud.respond(CLUSTER, managed_cluster(**properties))
    other_cluster = managed_cluster(nodeResourceGroup="MC_shops_other_westeurope") | {"name": "other"}
    cloud.respond(f"{ROOT}/{CLUSTERS}", {"value": [other_cluster, managed_cluster(**properties)]})
    first_page = {
        "value": [assignment(1, PULL)],
        "nextLink": f"{address or cloud.address}{AUTHORIZATION}/roleAssignments/page2",
    }
    cloud.respond(f"{AUTHORIZATION}/roleAssignments", first_page)
    cloud.respond(f"{AUTHORIZATION}/roleAssignments/page2", {"value": [assignment(2, OPERATOR)]})
    definitions = [
        definition(PULL, "Microsoft.ContainerRegistry/registries/pull/read"),
        definition(OPERATOR, "Microsoft.Compute/*/read"),
        definition(f"{AUTHORIZATION}/roleDefinitions/nobody-has-it", "*"),
    ]
    cloud.respond(f"{AUTHORIZATION}/roleDefinitions", {"value": definitions})
