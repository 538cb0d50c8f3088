"""`kubekeep cloud describe`, and the options of a scan that have a cloud asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from moto import mock_aws
from tests.cli.test_scan import BAD, kubekeep
from tests.sources.cloud.amazon import make_cluster, make_role

from kubekeep.cli.main import kubekeep as program


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_the_documents_are_scanned_beside_manifests(tmp_path: Path) -> None:
    make_cluster(node_role=make_role("workers", written=["ecr:PutImage"]))
    file = tmp_path / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert (result.exit_code, result.output) == (0, "")
    kinds = [item["kind"] for item in yaml.safe_load(file.read_text())["items"]]
    assert kinds == ["ClusterDescribe", "DescribeRepositories", "ListEntitiesForPolicies", "PolicyVersion"]
    found = kubekeep("scan", "control", "C-0223,C-0228", file, "-f", "json")
    statuses = {
        number: control["status"] for number, control in json.loads(found.stdout)["summaryDetails"]["controls"].items()
    }
    assert statuses == {"C-0223": "failed", "C-0228": "failed"}


@pytest.mark.usefixtures("aws")
def test_what_is_missing_is_told_once_with_what_to_do(tmp_path: Path) -> None:
    make_cluster()
    file = tmp_path / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert result.exit_code == 3
    assert [item["kind"] for item in yaml.safe_load(file.read_text())["items"]] == [
        "ClusterDescribe",
        "DescribeRepositories",
    ]
    assert result.stderr.splitlines() == [
        "no ListEntitiesForPolicies, PolicyVersion of eks/eu-west-1/shop: nothing tells the role of its nodes",
        "  give the nodes of the cluster a node group or an access entry",
    ]


@pytest.mark.usefixtures("aws")
def test_without_a_document_no_file_is_written(tmp_path: Path) -> None:
    file = tmp_path / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert result.exit_code == 3
    assert "No cluster found for name: shop" in result.stderr
    assert not file.exists()


@pytest.mark.usefixtures("aws")
def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    make_cluster()
    file = tmp_path / "nowhere" / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert f"Error: {file}: No such file or directory" in result.stderr


def test_a_name_that_is_none() -> None:
    for arguments in (("cloud", "describe", "shop"), ("scan", "--cloud-cluster", "shop")):
        result = kubekeep(*arguments)
        assert result.returncode == 2
        assert "'shop' names no cluster of a cloud: write eks/REGION/NAME" in result.stderr


@pytest.mark.parametrize("option", [("--cloud",), ("--cloud-cluster", "eks/eu-west-1/shop")])
def test_manifests_are_in_no_cloud(option: tuple[str, ...]) -> None:
    result = kubekeep("scan", *option, BAD)
    assert result.returncode == 2
    assert "--cloud is for a cluster" in result.stderr
