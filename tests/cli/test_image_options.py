"""Options of commands that open images, on a command of this test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
import click
import msgspec
from kubekeep.cli.options.image import image_options

@click.command()
@image_options
def command(packages):
    assert "httpx2" not in sys.modules
    click.echo(msgspec.json.encode(packages.images.access))

command()
"""


def run_command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    variables = {"HOME": "/home/ann", "XDG_CACHE_HOME": "/cache", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=60)


def test_defaults() -> None:
    result = run_command()
    assert result.returncode == 0, result.stderr
    assert '"platform":""' in result.stdout
    assert '"auth_files":["/home/ann/.config/containers/auth.json","/home/ann/.docker/config.json"]' in result.stdout
    assert '"docker_hosts":["unix:///var/run/docker.sock","unix:///home/ann/.docker/run/docker.sock"]' in result.stdout
    assert '"manifest_cache":"/cache/kubekeep/manifests"' in result.stdout


def test_options(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    paths = ("--registry-ca", file, "--registry-config", file, "--containerd-root", tmp_path)
    result = run_command(
        *paths, "--platform", "linux/aarch64", "--mirror", "docker.io=mirror.example/hub", "--plain-http"
    )
    assert result.returncode == 0, result.stderr
    assert '"platform":"linux/arm64","plain_http":true' in result.stdout
    assert '"mirrors":{"docker.io":"mirror.example/hub"}' in result.stdout
    assert f'"registry_ca":"{file}"' in result.stdout
    assert f'"auth_files":["{file}","/home/ann/.config' in result.stdout
    assert f'"containerd_root":"{tmp_path}"' in result.stdout


def test_environment() -> None:
    result = run_command(DOCKER_HOST="unix:///run/other.sock", DOCKER_CONFIG="/docker")
    assert '"docker_hosts":["unix:///run/other.sock"]' in result.stdout
    assert '"auth_files":["/docker/config.json"]' in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--platform", "arm64"), "'arm64' is not a platform: use os/architecture, such as linux/amd64"),
        (("--mirror", "docker.io"), "docker.io: use REGISTRY=MIRROR, such as docker.io=mirror.example/hub"),
        (("--registry-ca", "/nowhere"), "does not exist"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], message: str) -> None:
    result = run_command(*arguments)
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split())


def test_help_names_all_options() -> None:
    result = run_command("--help", COLUMNS="100")
    assert result.returncode == 0
    for option in ("--platform", "--plain-http", "--registry-ca", "--registry-config", "--mirror", "--containerd-root"):
        assert option in result.stdout
