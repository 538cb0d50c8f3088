"""Prometheus and Alertmanager as processes of a test: on loopback, in its own folder, ended with it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.ports import check_port, run_on_free_port

T = TypeVar("T")
_SECONDS: Final = 120
"""Time after which a condition is not waited for any more."""


def find_program(*names: str) -> str:
    """Return the path of the first program that is installed."""
    path = next((path for name in names if (path := shutil.which(name))), None)
    assert path is not None, f"{names[0]} is not installed; scripts/test installs it"
    return path


def wait_for(condition: Callable[[], T | None]) -> T:
    """Return the first true result of `condition`; its connection errors are ignored. Raises TimeoutError."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if result := condition():
                return result
        time.sleep(0.1)
    raise TimeoutError(f"the condition is not met after {_SECONDS} s")


@contextlib.contextmanager
def run_process(command: list[str], folder: Path, port: int) -> Iterator[str]:
    """Run a program in a folder, which gets its output as `output.txt`, and yield its address as soon as it is ready."""
    address = f"127.0.0.1:{port}"
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}"],
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )

        def is_ready() -> bool:
            if process.poll() is not None:
                check_port((folder / "output.txt").read_text())
                raise AssertionError((folder / "output.txt").read_text())
            return bool(fetch(f"http://{address}/-/ready"))

        try:
            wait_for(is_ready)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def fetch(url: str) -> str:
    """Return the text at a loopback URL."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())


class PrometheusServer:
    """A running Prometheus server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression at this moment."""
        document = self._get("query", query=expression)
        result = document["result"]
        return list(result) if document["resultType"] == "vector" else [{"metric": {}, "value": result}]

    def query_range(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression in the last minute."""
        now = time.time()
        return list(self._get("query_range", query=expression, start=now - 60, end=now, step=2)["result"])

    def list_targets(self) -> list[dict[str, Any]]:
        """Return the scraped targets."""
        return list(self._get("targets")["activeTargets"])

    def _get(self, name: str, **parameters: Any) -> dict[str, Any]:
        text = fetch(f"{self.url}/api/v1/{name}?{urllib.parse.urlencode(parameters)}")
        document = json.loads(text)
        assert document["status"] == "success", document
        return dict(document["data"])


@contextlib.contextmanager
def run_prometheus(folder: Path, rules: Path, targets: dict[str, str], alertmanager: str) -> Iterator[PrometheusServer]:
    """Yield a Prometheus server that scrapes `targets`, addresses by job, and sends alerts to an Alertmanager."""
    folder.mkdir()
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [find_program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with run_on_free_port(lambda port: run_process(command, folder, port)) as address:
        yield PrometheusServer(f"http://{address}")


@contextlib.contextmanager
def run_alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """Yield the address of an Alertmanager that sends every alert to the URL `receiver` at once."""
    folder.mkdir()
    configuration = {
        "route": {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "test", "webhook_configs": [{"url": receiver}]}],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(configuration))
    program = find_program("prometheus-alertmanager", "alertmanager")
    options = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="]
    with run_on_free_port(lambda port: run_process([program, *options], folder, port)) as address:
        yield address
