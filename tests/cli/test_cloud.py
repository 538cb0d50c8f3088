"""`kubekeep cloud describe`, and the scan options that query a cloud."""

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
from tests.sources.cloud.azure import SUBSCRIPTION, answer_all
from tests.sources.cloud.service import Cloud, log_in, route_all_hosts

from kubekeep.cli.main import kubekeep as program
from kubekeep.cli.settings import azure_cloud


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_cloud_documents_are_scanned_with_manifests(tmp_path: Path) -> None:
    make_cluster(node_role=make_role("workers", inline=["ecr:PutImage"]))
    file = tmp_path / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert (result.exit_code, result.output) == (0, "")
    kinds = [document["kind"] for document in yaml.safe_load(file.read_text())["items"]]
    assert kinds == ["ClusterDescribe", "DescribeRepositories", "ListEntitiesForPolicies", "PolicyVersion"]
    scan_result = kubekeep("scan", "control", "C-0223,C-0228", file, "-f", "json")
    statuses = {
        number: control["status"]
        for number, control in json.loads(scan_result.stdout)["summaryDetails"]["controls"].items()
    }
    assert statuses == {"C-0223": "failed", "C-0228": "failed"}


@pytest.mark.usefixtures("aws")
def test_gaps_are_reported_once_with_advice(tmp_path: Path) -> None:
    make_cluster()
    file = tmp_path / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert result.exit_code == 3
    assert [document["kind"] for document in yaml.safe_load(file.read_text())["items"]] == [
        "ClusterDescribe",
        "DescribeRepositories",
    ]
    assert result.stderr.splitlines() == [
        "not read: ListEntitiesForPolicies, PolicyVersion of eks/eu-west-1/shop: the role of the nodes is unknown",
        "  add a node group or an access entry for the nodes of the cluster",
    ]


@pytest.mark.usefixtures("aws")
def test_no_cloud_document_writes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert result.exit_code == 3
    assert "No cluster found for name: shop" in result.stderr
    assert not file.exists()


@pytest.mark.usefixtures("aws")
def test_unwritable_output_file_is_an_error(tmp_path: Path) -> None:
    make_cluster()
    file = tmp_path / "nowhere" / "cloud.yaml"
    result = CliRunner().invoke(program, ["cloud", "describe", "eks/eu-west-1/shop", "-o", str(file)])
    assert f"Error: {file}: No such file or directory" in result.stderr


def test_invalid_name_is_an_error() -> None:
    for arguments in (("cloud", "describe", "shop"), ("scan", "--cloud-cluster", "shop")):
        result = kubekeep(*arguments)
        assert result.returncode == 2
        assert "'shop' is not a managed cluster: use eks/REGION/NAME" in result.stderr


@pytest.mark.parametrize("option", [("--cloud",), ("--cloud-cluster", "eks/eu-west-1/shop")])
def test_cloud_requires_a_cluster(option: tuple[str, ...]) -> None:
    result = kubekeep("scan", *option, BAD)
    assert result.returncode == 2
    assert "--cloud requires a live cluster" in result.stderr


@pytest.mark.parametrize(
    ("variables", "config", "name"),
    [
        ({}, "", "AzureCloud"),
        ({}, "[cloud]\nname = AzureUSGovernment\n", "AzureUSGovernment"),
        ({}, "[cloud]\nname = AzureStack\n", "AzureCloud"),
        ({}, "name = AzureUSGovernment\n", "AzureCloud"),
        ({"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"}, "", "AzureUSGovernment"),
        ({"AZURE_AUTHORITY_HOST": "login.chinacloudapi.cn"}, "[cloud]\nname = AzureUSGovernment\n", "AzureChinaCloud"),
        ({"AZURE_AUTHORITY_HOST": "https://["}, "", "AzureCloud"),
        (
            {"AZURE_SDK_CLOUD_CONF": "AZURE_CHINA_CLOUD", "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us"},
            "",
            "AzureChinaCloud",
        ),
    ],
)
@pytest.mark.parametrize("place", ["AZURE_CONFIG_DIR", "HOME"])
def test_azure_cloud_follows_the_azure_tools(
    variables: dict[str, str], config: str, name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AZURE_SDK_CLOUD_CONF", "AZURE_AUTHORITY_HOST", "AZURE_CONFIG_DIR"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path if place == "AZURE_CONFIG_DIR" else tmp_path / ".azure"
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(config, encoding="utf-8")
    monkeypatch.setenv(place, str(tmp_path))
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert azure_cloud().names[0] == name


def test_describe_uses_the_configured_azure_cloud(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_all(cloud, address="https://management.usgovcloudapi.net")
    log_in(cloud, tmp_path, monkeypatch)
    monkeypatch.setenv("AZURE_SDK_CLOUD_CONF", "AZURE_US_GOVERNMENT")
    with route_all_hosts(cloud, monkeypatch) as hosts:
        result = CliRunner().invoke(program, ["cloud", "describe", f"aks/{SUBSCRIPTION}/shops/shop"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert set(hosts) == {"management.usgovcloudapi.net"}
    tokens = [request.query["resource"] for request in cloud.requests if request.path == "/azure/token"]
    assert tokens == [["https://management.core.usgovcloudapi.net"]]
