"""Scans of registries with faults: busy and failing servers, limits, interrupts, several runs, hostile lists."""

from __future__ import annotations

import concurrent.futures
import http.server
import itertools
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.hostile_registry import run_hostile_registry
from tests.images.relay import Relay, reply
from tests.registry.service import Service
from tests.registry.test_login import TokenServer, auth_settings, tokens  # noqa: F401 - a fixture
from tests.registry_scan.conftest import VERSIONS
from tests.registry_scan.fleet import command, environment, kubekeep, list_images, read_images

Handler = http.server.BaseHTTPRequestHandler


def test_busy_and_failing_registry(relay: Relay, shop: Service, tmp_path: Path) -> None:
    """Every third request fails at first; the report is that of a healthy registry."""
    numbers = itertools.count()
    failed: set[str] = set()

    def answer(handler: Handler) -> bool:
        if next(numbers) % 3 or handler.path in failed:
            return False
        failed.add(handler.path)
        return reply(handler, 429, Retry_After="0") if len(failed) % 2 else reply(handler, 500)

    relay.hook = answer
    images = list_images(tmp_path, f"{relay.address}/team/*")
    assert len(failed) > 10
    expected = list_images(tmp_path, f"{shop.address}/team/*")
    packages = {name.partition("/")[2]: image["packages"] for name, image in images.items()}
    assert packages == {name.partition("/")[2]: image["packages"] for name, image in expected.items()}


def test_pause_is_shared_by_all_threads(relay: Relay, tmp_path: Path) -> None:
    moments: list[float] = []

    def answer(handler: Handler) -> bool:
        if "/tags/list" not in handler.path:
            return False
        moments.append(time.monotonic())
        return len(moments) == 1 and reply(handler, 429, Retry_After="1")

    relay.hook = answer
    arguments = [f"{relay.address}/team/{name}" for name in ("web", "api", "catalog", "multi")]
    kubekeep("registry", "list", *arguments, "--parallel", "1", "--newest", "1", folder=tmp_path)
    assert moments[1] - moments[0] >= 0.9


def test_used_up_limit_of_docker_hub_ends_the_run(relay: Relay, tmp_path: Path) -> None:
    def limit(_: Handler) -> bool:
        pulled = relay.count("GET", "/manifests/") > 3
        relay.headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": f"{0 if pulled else 97};w=21600"}
        return False

    relay.hook = limit
    arguments = ("registry", "scan", f"{relay.address}/team/web", "--state", "state", "--parallel", "1")
    done = kubekeep(*arguments, "--format", "json", "--output", "report.json", folder=tmp_path, code=3)
    report = json.loads((tmp_path / "report.json").read_text())
    images = read_images(tmp_path / "report.json")
    assert 0 < len(images) < len(VERSIONS)
    assert "limit of" in json.dumps(report)
    assert "of 100 images is used up" in json.dumps(report)
    assert "incomplete" in done.stderr
    relay.hook, relay.headers = lambda _: False, {}
    relay.requests.clear()
    kubekeep(*arguments, "--format", "json", "--output", "report.json", folder=tmp_path)
    assert len(read_images(tmp_path / "report.json")) == len(VERSIONS)
    assert relay.count("GET", "/manifests/") == len(VERSIONS) - len(images)


def test_requests_per_second(relay: Relay, tmp_path: Path) -> None:
    start = time.monotonic()
    arguments = (f"{relay.address}/team/web:1.?", "--requests-per-second", "10")
    kubekeep("registry", "list", *arguments, folder=tmp_path)
    assert 20 < len(relay.requests) <= 10 * (time.monotonic() - start) + 2


def slow_blobs(handler: Handler) -> bool:
    if "/blobs/" in handler.path:
        time.sleep(0.15)
    return False


def start_scan(relay: Relay, folder: Path) -> subprocess.Popen[str]:
    """Start a scan and return after some images were read."""
    relay.hook = slow_blobs
    arguments = ("registry", "scan", f"{relay.address}/team/*", "--state", "state", "--parallel", "2")
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while relay.count("GET", "/manifests/") < 10:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_interrupted_run_continues(ending: signal.Signals, code: int, relay: Relay, tmp_path: Path) -> None:
    with start_scan(relay, tmp_path) as process:
        process.send_signal(ending)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    known = relay.count("GET", "/manifests/")
    relay.hook = lambda _: False
    relay.requests.clear()
    images = list_images(tmp_path, f"{relay.address}/team/*", "--state", "state")
    assert len(images) == 2 * len(VERSIONS) + 2
    assert relay.count("GET", "/manifests/") <= len(images) + 2 - known + 4


def test_interrupt_while_listing(relay: Relay, tmp_path: Path) -> None:
    def delay(handler: Handler) -> bool:
        if handler.command == "HEAD":
            time.sleep(0.3)
        return False

    relay.hook = delay
    arguments = command("registry", "list", f"{relay.address}/team/*", "--newest", "1")
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        while relay.count("HEAD", "/manifests/") < 3:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (130, "")
    assert errors == "interrupted\n"
    assert relay.count("HEAD", "/manifests/") < 12


def test_two_runs_share_a_state(relay: Relay, tmp_path: Path) -> None:
    relay.hook = slow_blobs
    reports = [tmp_path / name for name in ("a.json", "b.json")]

    def run(report: Path) -> None:
        arguments = (f"{relay.address}/team/*", "--state", "state", "--format", "json", "--output", str(report))
        kubekeep("registry", "scan", *arguments, folder=tmp_path)

    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        list(executor.map(run, reports))
    first, second = map(read_images, reports)
    assert first == second
    assert len(first) == 2 * len(VERSIONS) + 2


def test_token_authentication(shop: Service, tokens: Service, tmp_path: Path) -> None:  # noqa: F811
    """The catalogue needs a token for the whole registry, and each repository one of its own."""
    shutil.copytree(shop.storage, tokens.storage, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps(auth_settings(tokens.address)))
    images = list_images(tmp_path, f"{tokens.address}/team/*", "--registry-config", "config.json", "--newest", "1")
    assert len(images) == 4
    assert {"registry:catalog:*", "repository:team/web:pull", "repository:team/api:pull"} <= {*TokenServer.scopes}
    done = kubekeep("registry", "list", tokens.address, folder=tmp_path, code=3)
    assert "does not list its repositories" in done.stderr
    # One repository may be read without credentials.
    assert len(list_images(tmp_path, f"{tokens.address}/team/catalog")) == 1


def answer_json(document: object, **headers: str) -> Callable[[Handler], object]:
    return lambda handler: reply(handler, 200, json.dumps(document).encode(), **headers)


def endless(name: str) -> Callable[[Handler], object]:
    numbers = itertools.count()

    def answer(handler: Handler) -> bool:
        number = next(numbers)
        link = f'<{handler.path.partition("?")[0]}?last={number}&n=1000>; rel="next"'
        names = [f"x{number}-{index}" for index in range(20_000)]
        return reply(handler, 200, json.dumps({name: names}).encode(), Link=link)

    return answer


HOSTILE: dict[str, tuple[str, Callable[[Handler], object], str]] = {
    "endless": ("n=1000", endless("repositories"), "more than 200,000 names"),
    "same page": (
        "n=1000",
        answer_json({"repositories": ["a"]}, Link='</v2/_catalog?n=1000>; rel="next"'),
        "without an end",
    ),
    "empty pages": (
        "n=1000",
        answer_json({"repositories": []}, Link='</v2/_catalog?last=a&n=1000>; rel="next"'),
        "without an end",
    ),
    "other host": (
        "n=1000",
        answer_json({"repositories": ["a"]}, Link='<http://127.0.0.2:1/v2/_catalog>; rel="next"'),
        "not followed",
    ),
    "other path": (
        "n=1000",
        answer_json({"repositories": ["a"]}, Link='</v2/secret/blobs/x>; rel="next"'),
        "not followed",
    ),
    "names": (
        "n=1000",
        answer_json({"repositories": ["../../etc", "a\x1b[31m", "A", "a//b", "x" * 300, ""]}),
        "6 names of repositories are invalid",
    ),
    "no list": ("n=1000", answer_json(["a"]), "invalid list of names"),
    "deep": ("n=1000", lambda handler: reply(handler, 200, b"[" * 100_000), "invalid list of names"),
    "large": ("n=1000", lambda handler: reply(handler, 200, b'{"repositories":["' + b"a" * 10_000_000), "bytes"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_catalogue(name: str, tmp_path: Path) -> None:
    path, answer, message = HOSTILE[name]
    with run_hostile_registry() as registry:
        registry.answers[path] = answer
        done = kubekeep("registry", "list", registry.address, folder=tmp_path, code=3)
    assert message in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr) < 2000


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["../x", "a\nb", "x" * 200, "-"], "4 names of tags are invalid"),
        (["1", "t" * 3_000_000], "1 names of tags are invalid"),
        (["t" * 10_000_000], "bytes"),
        ([1], "invalid list of names"),
    ],
)
def test_hostile_tags(tags: list[object], message: str, tmp_path: Path) -> None:
    with run_hostile_registry() as registry:
        registry.answers["tags/list?n=1000"] = answer_json({"tags": tags})
        done = kubekeep("registry", "list", f"{registry.address}/app", folder=tmp_path, code=3)
    assert message in done.stderr
    assert len(done.stderr) < 2000
    assert ("app:1" in done.stdout) == ("1" in tags)


def test_unreachable_registry(tmp_path: Path) -> None:
    # Nothing listens at a port that is only bound, and no other program gets it.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        done = kubekeep("registry", "scan", f"127.0.0.1:{bound.getsockname()[1]}", folder=tmp_path, code=3)
    assert "cannot be reached" in done.stderr
