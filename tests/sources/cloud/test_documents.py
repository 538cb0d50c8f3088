"""Masking of keys, passwords and tokens in cloud documents."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.secret_text import MASK
from kubekeep.sources.cloud.documents import create_document, mask_secrets

PAIRS = {"startup-script": "curl -H 'X-Key: of-the-test'", "db": "of-the-test", "disable-legacy-endpoints": "true"}


@pytest.mark.parametrize(
    ("config", "metadata"),
    [("nodeConfig", "metadata"), ("NodeConfig", "Metadata"), ("node_config", "metadata")],
    ids=["api", "go", "protocol-buffers"],
)
def test_gke_metadata_keeps_only_keys(config: str, metadata: str) -> None:
    document = create_document("gke", "ClusterDescribe", "shop", {config: {"imageType": "COS", metadata: PAIRS}})
    assert document["data"] == {config: {"imageType": "COS", metadata: dict.fromkeys(PAIRS, MASK)}}


def test_node_pools_are_masked() -> None:
    pools = [{"name": "a", "config": {"metadata": PAIRS, "tags": ["web"]}}, {"name": "b", "config": {"metadata": {}}}]
    document = create_document("gke", "ClusterDescribe", "shop", {"nodePools": pools})
    assert document["data"]["nodePools"] == [
        {"name": "a", "config": {"metadata": dict.fromkeys(PAIRS, MASK), "tags": ["web"]}},
        {"name": "b", "config": {"metadata": {}}},
    ]


def test_values_of_any_shape_are_masked() -> None:
    metadata: dict[str, Any] = {"items": [{"key": "db", "value": "of-the-test"}, ""], "number": 7, "none": None}
    assert mask_secrets({"config": {"metadata": metadata}}) == {
        "config": {"metadata": {"items": [{"key": MASK, "value": MASK}, ""], "number": MASK, "none": None}}
    }


def test_other_metadata_stays() -> None:
    value = {"metadata": {"name": "shop"}, "addonProfiles": {"x": {"config": {"useAADAuth": "true"}}}}
    assert mask_secrets(value) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key " + "AKIA" + "ABCDEFGHIJKLMNOP", f"key {MASK}"),
        ("ghp_" + "a" * 36, MASK),
        ("export PASSWORD=of-the-test", f"export PASSWORD={MASK}"),
        ("https://me:of-the-test@example.com/", f"https://{MASK}@example.com/"),
        ("arn:aws:iam::000000000000:policy/registry", "arn:aws:iam::000000000000:policy/registry"),
        ("secretsmanager:GetSecretValue", "secretsmanager:GetSecretValue"),
    ],
)
@pytest.mark.parametrize("place", ["tags", "list"])
def test_tokens_are_masked_in_all_text(text: str, expected: str, place: str) -> None:
    tags: Any = {"note": text} if place == "tags" else [text]
    masked: Any = {"note": expected} if place == "tags" else [expected]
    assert mask_secrets({"tags": tags}) == {"tags": masked}
