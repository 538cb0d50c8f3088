"""An EKS cluster with a node group and an image repository in moto, the in-process emulation of AWS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import boto3

REGION = "eu-west-1"
ACCOUNT = "123456789012"
PULLING = (
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
)


def policy(*actions: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def make_role(name: str, attached: Sequence[str] = PULLING, inline: Sequence[str] = (), region: str = REGION) -> str:
    """Create a role with an attached policy, and an inline policy with the actions of `inline`; return the role's ARN."""
    iam = boto3.client("iam", region_name=region)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", Path="/teams/")["Role"]
    created = iam.create_policy(PolicyName=f"{name}-policy", PolicyDocument=json.dumps(policy(*attached)))
    iam.attach_role_policy(RoleName=name, PolicyArn=created["Policy"]["Arn"])
    if inline:
        iam.put_role_policy(RoleName=name, PolicyName="written", PolicyDocument=json.dumps(policy(*inline)))
    return str(role["Arn"])


def make_cluster(name: str = "shop", node_role: str = "", region: str = REGION) -> None:
    """Create a cluster, with a node group if `node_role` is set, and a repository that scans images."""
    eks = boto3.client("eks", region_name=region)
    eks.create_cluster(
        name=name,
        version="1.33",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/control-plane",
        resourcesVpcConfig={"subnetIds": ["subnet-1"]},
    )
    if node_role:
        eks.create_nodegroup(clusterName=name, nodegroupName="workers", nodeRole=node_role, subnets=["subnet-1"])
    ecr = boto3.client("ecr", region_name=region)
    ecr.create_repository(repositoryName="web", imageScanningConfiguration={"scanOnPush": True})
