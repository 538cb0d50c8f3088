"""`kubekeep registry` with the real program and a real registry: selection, results, budgets, resumption."""

from __future__ import annotations

import http.server
import json
import urllib.request
from pathlib import Path

import pytest

from kubekeep.images.registries.state import RegistryState
from tests.images.relay import Relay, reply
from tests.registry.service import Service
from tests.registry_scan.conftest import VERSIONS
from tests.registry_scan.fleet import BASE, Fleet, kubekeep, list_images, python_package, read_images, write_layer


def list_names(folder: Path, *arguments: str, code: int = 0) -> list[str]:
    """Return the names that `kubekeep registry list` prints, without the registry."""
    done = kubekeep("registry", "list", *arguments, "--format", "json", folder=folder, code=code)
    return [image["name"].partition("/")[2] for image in json.loads(done.stdout)]


def test_whole_registry(shop: Service, tmp_path: Path) -> None:
    images = list_images(tmp_path, shop.address)
    assert len(images) == 28
    web = images[f"{shop.address}/team/web:1.3"]
    assert {package["purl"] for package in web["packages"]} == {"pkg:pypi/web@1.3"}
    assert web["distribution"]["id"] == "debian"
    copied = images[f"{shop.address}/other/copy:1"]
    assert copied["image"]["names"] == [
        f"{shop.address}/{name}"
        for name in ("other/copy:1", "team/catalog:2.3.1", "team/catalog:2.3", "team/catalog:latest")
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["@team/web:1.1*"], ["team/web:1.11", "team/web:1.10", "team/web:1.1"]),
        (["@team/w*", "--tags", "1.?", "--exclude", "1.[12]", "--newest", "2"], ["team/web:1.9", "team/web:1.8"]),
        (["@team/web", "@team/api", "--newest", "1"], ["team/web:1.11", "team/api:1.11"]),
        (["@*", "--since", "2026-11-10"], ["other/copy:1"]),
        (["@*", "--exclude", "team/*"], ["other/copy:1", "other/tool:4-rc.1", "other/tool:3"]),
        (["@team/catalog", "--exclude", "team/catalog:2*"], ["team/catalog:latest"]),
        (["@team/multi", "--all-platforms"], ["team/multi:1 (linux/arm64)", "team/multi:1 (linux/amd64)"]),
        (["@team/chart"], []),
    ],
)
def test_selection(arguments: list[str], expected: list[str], shop: Service, tmp_path: Path) -> None:
    words = [f"{shop.address}/{word.removeprefix('@')}" if word.startswith("@") else word for word in arguments]
    assert list_names(tmp_path, *words) == expected


def test_names_that_match_nothing_are_not_an_empty_result(shop: Service, tmp_path: Path) -> None:
    for pattern, message in (
        ("none/*", "no repository matches"),
        ("none", "no tag matches"),
        ("team/web:9", "no tag matches"),
    ):
        done = kubekeep("registry", "scan", f"{shop.address}/{pattern}", folder=tmp_path, code=3)
        assert message in done.stderr
    digest = f"{shop.address}/team/web@sha256:{'0' * 64}"
    assert "no tag matches" in kubekeep("registry", "list", digest, folder=tmp_path, code=3).stderr


def test_registry_without_a_catalogue(relay: Relay, tmp_path: Path) -> None:
    relay.hook = lambda handler: "_catalog" in handler.path and reply(handler, 404)
    done = kubekeep("registry", "list", f"{relay.address}/team/*", folder=tmp_path, code=3)
    assert f"{relay.address} does not list its repositories" in done.stderr
    assert "--repositories FILE" in done.stderr
    (tmp_path / "names").write_text(f"# ours\nteam/catalog\n{relay.address}/team/multi\nother.example/team/x\n")
    arguments = (f"{relay.address}/team/*", "--repositories", "names")
    assert list_names(tmp_path, *arguments) == ["team/catalog:2.3.1", "team/multi:1"]
    (tmp_path / "names").write_text("team/catalog:1\n")
    assert "names:1" in kubekeep("registry", "list", *arguments, folder=tmp_path, code=2).stderr


def test_pages(shop: Service, relay: Relay, tmp_path: Path) -> None:
    """Debian's registry returns pages of the size that the request names."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> bool:
        path = handler.path
        if "_catalog" not in path:
            return False
        small = path.replace("n=1000", "n=2")
        with urllib.request.urlopen(f"http://{shop.address}{small}", timeout=60) as response:
            link = {"Link": response.headers["Link"]} if response.headers["Link"] else {}
            return reply(handler, 200, response.read(), **link)

    relay.hook = answer
    assert len(list_names(tmp_path, relay.address, "--newest", "1")) == 5
    assert relay.count("GET", "_catalog") >= 3


def test_state_keeps_results_between_runs(relay: Relay, tmp_path: Path) -> None:
    first = list_images(tmp_path, f"{relay.address}/team/*", "--state", "state")
    assert relay.count("GET", "/manifests/") > 0
    relay.requests.clear()
    second = list_images(tmp_path, f"{relay.address}/team/*", "--state", "state")
    assert second == first
    assert relay.count("GET", "/manifests/") == relay.count("GET", "/blobs/") == 0
    assert (
        "known from earlier runs"
        in kubekeep("registry", "scan", f"{relay.address}/team/web", "--state", "state", folder=tmp_path).stderr
    )


def test_budget_of_bytes_and_continuation(tmp_path: Path, fleet: Fleet) -> None:
    for number in range(4):
        layers = (write_layer(python_package("big", str(number)), filler=100_000),)
        fleet.push_image("big", str(number), layers=layers)
    names: set[str] = set()
    for count in (1, 2, 3, 4):
        arguments = (fleet.address, "--state", "state", "--max-bytes", "150KB", "--parallel", "1")
        images = list_images(tmp_path, *arguments, code=0 if count == 4 else 3)
        assert len(images) == count
        names |= images.keys()
    assert len(names) == 4
    done = kubekeep("registry", "scan", fleet.address, "--max-bytes", "1KB", folder=tmp_path / "registry", code=3)
    assert "--max-bytes leaves 1,000" in done.stderr or "nothing was assessed" in done.stderr


def test_budget_of_time(shop: Service, tmp_path: Path) -> None:
    done = kubekeep("registry", "scan", shop.address, "--max-duration", "0s", folder=tmp_path, code=3)
    assert "--max-duration" in done.stderr


def test_tags_deleted_during_the_scan(shop: Service, relay: Relay, tmp_path: Path) -> None:
    # With a cache of its own: the scan must not know the image.
    (tmp_path / "other").mkdir()
    done = kubekeep("registry", "list", f"{shop.address}/team/web:1.5", "--format", "json", folder=tmp_path / "other")
    digest = json.loads(done.stdout)[0]["digest"]
    tag_requests = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> bool:
        path = handler.path
        if path.endswith("manifests/1.4"):
            return reply(handler, 404)
        if path.endswith("manifests/1.5"):
            tag_requests.append(path)
            return len(tag_requests) > 1 and reply(handler, 404)
        return digest in path and reply(handler, 404)

    relay.hook = answer
    images = list_images(tmp_path, f"{relay.address}/team/web")
    assert len(images) == len(VERSIONS) - 2
    done = kubekeep("registry", "scan", f"{relay.address}/team/web", folder=tmp_path, code=None)
    assert "deleted meanwhile" in done.stderr


def test_gates_and_exceptions_apply(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_image(
        "bad",
        "1",
        layers=(
            BASE,
            write_layer(
                {
                    "srv/.env": "AWS_SECRET_ACCESS_KEY=kd93hTq2LxpMzW81uRvYc7NfGbEo0sJa5iDlHtQX\nAWS_ACCESS_KEY_ID=AKIAQWERTYUIOPASDFGH\n"
                }
            ),
        ),
    )
    done = kubekeep("registry", "scan", fleet.address, "--severity-threshold", "high", folder=tmp_path, code=1)
    assert "gate FAILED" in done.stderr
    assert "kd93hTq2LxpM" not in done.stdout + done.stderr
    state = kubekeep(
        "registry",
        "scan",
        fleet.address,
        "--state",
        "state",
        "--format",
        "sarif",
        "--output",
        "a.sarif",
        folder=tmp_path,
    )
    assert "image-secret-files" in (tmp_path / "a.sarif").read_text(), state.stderr
    assert b"kd93hTq2LxpM" not in b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())


def test_state_of_another_program_is_refused(shop: Service, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "images.sqlite").write_bytes(b"no database" * 1000)
    done = kubekeep("registry", "scan", shop.address, "--state", "state", folder=tmp_path, code=3)
    assert "the state cannot be used" in done.stderr
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    done = kubekeep("registry", "scan", shop.address, "--state", "open", folder=tmp_path, code=3)
    assert "others may write it" in done.stderr


def test_equal_reports_with_and_without_the_state(shop: Service, tmp_path: Path) -> None:
    pattern = f"{shop.address}/team/*"
    alone = list_images(tmp_path, pattern)
    for _ in range(2):
        assert list_images(tmp_path, pattern, "--state", "state") == alone


@pytest.mark.parametrize(
    "text", ["state: elsewhere", "layer-cache: a.example/b", "layer-cache-trusted: true", "repositories: names"]
)
def test_configuration_in_a_scanned_folder_writes_and_trusts_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("team/app\n")
    (tmp_path / "kubekeep.yaml").write_text(f"{text}\n")
    done = kubekeep("registry", "scan", "a.example", folder=tmp_path, code=2)
    assert "allowed only in a file named with --config" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_state_forgets_images_whose_tags_are_deleted(tmp_path: Path, fleet: Fleet) -> None:
    digests = fleet.push_apps("app", "1", "2")
    moved = fleet.push_image("app", "1", layers=(BASE,))
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    with RegistryState(tmp_path / "state", b"") as state:
        names = [(digest, str(name)) for digest, name in state.list_names()]
        assert names == [(moved, f"{fleet.address}/app:1"), (digests[1], f"{fleet.address}/app:2")]
    fleet.push_image("app", "2", layers=(BASE,))
    kubekeep("registry", "scan", f"{fleet.address}/app:2", "--state", "state", folder=tmp_path)
    with RegistryState(tmp_path / "state", b"") as state:
        names = [(digest, str(name)) for digest, name in state.list_names()]
        assert names == [(moved, f"{fleet.address}/app:1"), (moved, f"{fleet.address}/app:2")]
        assert state.list_versions().keys() == {moved}


def test_pattern_in_a_scan_of_other_input(tmp_path: Path, shop: Service) -> None:
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n"
    )
    arguments = ("pod.yaml", f"registry:{shop.address}/team/catalog", "--format", "json", "--output", "report.json")
    kubekeep("scan", *arguments, folder=tmp_path)
    assert [*read_images(tmp_path / "report.json")] == [f"{shop.address}/team/catalog:2.3.1"]
    assert "C-0013" in (tmp_path / "report.json").read_text()
