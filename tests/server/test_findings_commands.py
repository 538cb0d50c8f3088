"""`kubekeep findings` with a real server: lists, one finding, decisions, the scope of the role, hostile text and errors."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from kubekeep.model import server_details
from kubekeep.model.finding_document import EvidenceDocument, EvidenceLocation
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import SubmittedFinding
from kubekeep.usecases.server_results import FindingSelection
from tests.command_line import run_command_line
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_client import resolve
from tests.server.test_identity_api import login, sign_in_user
from tests.server.test_images import WEB, build_image, build_scan, run
from tests.server.test_ingest import NSA, build, build_subject
from tests.server.test_openapi import build_document
from tests.server.test_scans_api import encode, post

WORKLOADS: Final = 1_300
HOSTILE: Final = "\x1b]0;owned\x07\u202e<b>"
"""A title of a window, a direction mark and an element, which a terminal must not get."""
CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
PRODUCTION: Final = SourceCluster("prod", "production")
Run = Callable[..., subprocess.CompletedProcess[str]]


def build_hostile() -> SubmittedFinding:
    location = EvidenceLocation(f"deploy/{HOSTILE}.yaml", 12)
    evidence = EvidenceDocument(path=f"spec.{HOSTILE}", message=HOSTILE, location=location, fix='"1"')
    return SubmittedFinding("C-0003", f"{2:016x}", (evidence,))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("findings")
    (folder / "server.toml").write_text('decision_approval = "critical"\n')
    with run_server(folder, "--config", "server.toml") as running:
        agent = running.client(running.create_token())
        again = build_subject(
            1, "C-0001", namespace="pay", exposure="LoadBalancer web", owner="Pay, Inc.", labels={"app": "web"}
        )
        for day, entry in enumerate([again, build_subject(1, namespace="pay"), again]):
            scan = build(day, entry, source=SourceCluster("stage"))
            assert post(agent, encode(scan)).status_code == 201
        workloads = [build_subject(number, "C-0001") for number in range(10, 10 + WORKLOADS)]
        hostile = msgspec.structs.replace(
            build_subject(5, findings=(build_hostile(),)), subject=ResourceSubject("v1", "Pod", HOSTILE, "pay")
        )
        shown = build_subject(6, containers=(run(WEB),))
        scan = build_scan(
            0, *workloads, hostile, shown, build_image(WEB, "CVE-1"), source=PRODUCTION, scope=(*NSA, "C-0003")
        )
        titled = [msgspec.structs.replace(each, title=HOSTILE) for each in scan.definitions if each.key == "C-0003"]
        others = [each for each in scan.definitions if each.key != "C-0003"]
        scan = msgspec.structs.replace(scan, definitions=(*others, *titled))
        assert post(agent, encode(scan)).status_code == 201
        yield running


@pytest.fixture(scope="module")
def manager(server: EmbeddedServer) -> str:
    """Return the token of a person."""
    return login(server, sign_in_user(server, "maria", "manager"))


@pytest.fixture
def kubekeep(server: EmbeddedServer, manager: str, tmp_path: Path) -> Run:
    def start(*arguments: str, token: str = manager, **variables: str) -> subprocess.CompletedProcess[str]:
        environment: dict[str, str | None] = {
            "KUBEKEEP_SERVER": server.url,
            "KUBEKEEP_TOKEN": token,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "COLUMNS": "80",
            **variables,
        }
        return run_command_line("findings", *arguments, folder=tmp_path, variables=environment)

    return start


def list_rows(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_list_has_the_urgent_first_and_the_total(kubekeep: Run) -> None:
    result = kubekeep("list")
    assert result.returncode == 0, result.stderr
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["FINDING", "PRIORITY", "OPEN", "CONTROL"]
    assert len(lines) == 2 * 25
    assert re.match(r"\d+\.00000000  critical  \d+ d ", lines[0])
    assert lines[1].startswith("    Pod pay/")
    assert lines[3] == "    Deployment pay/web-1 in stage"
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stderr == f"25 of {WORKLOADS + 2:,} findings; --limit 0 lists all\n"
    wide = kubekeep("list", "--limit", "3", COLUMNS="200")
    assert len(wide.stdout.splitlines()) == 4
    assert wide.stdout.splitlines()[0].split()[-2:] == ["WORKLOAD", "SOURCE"]


def test_all_findings_are_read_in_pages(kubekeep: Run, server: EmbeddedServer) -> None:
    rows = list_rows(kubekeep("list", "--limit", "0", "--format", "jsonl"))
    assert len({row["key"] for row in rows}) == len(rows) == WORKLOADS + 2
    assert rows[0]["url"] == f"{server.url}/findings?source={rows[0]['source']}&open={rows[0]['key']}"
    assert kubekeep("list", "--limit", "0").stderr == f"{WORKLOADS + 2:,} findings\n"
    # Without a number of the server, a limited number is counted.
    assert kubekeep("list", "--namespace", "shop").stderr == "25 of more than 1,025 findings; --limit 0 lists all\n"
    assert kubekeep("list", "-n", "shop", "--limit", "400").stderr == "400 of 1,300 findings; --limit 0 lists all\n"


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (("--source", "stage"), 1),
        (("--source", "cluster/prod"), WORKLOADS + 1),
        (("--source", "stage", "--source", "production"), WORKLOADS + 2),
        (("--namespace", "pay,blog"), 2),
        (("--name", "web-1"), 1),
        (("--kind", "Deployment", "--namespace", "pay"), 1),
        (("--kind", "Pod"), 1),
        (("--owner", "Pay, Inc."), 1),
        (("--owner", "-", "--label", "app"), 0),
        (("--owner", "-"), WORKLOADS + 1),
        (("--label", "app=web"), 1),
        (("--control", "C-0003"), 1),
        (("--problem", "secret"), 0),
        (("--priority", "critical", "--priority", "low"), 1),
        (("--severity", "critical"), 1),
        (("--text", "web-11"), 111),
        (("--exposed",), 1),
        (("--not-exposed",), WORKLOADS + 1),
        (("--opened-since", "2026-01-02"), 1),
        (("--opened-before", "2026-01-02"), WORKLOADS + 1),
        (("--opened-since", "1h"), 0),
        (("--state", "unknown"), 0),
        (("--order", "newest"), WORKLOADS + 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_filters_are_those_of_the_pages(kubekeep: Run, filters: tuple[str, ...], count: int) -> None:
    assert len(list_rows(kubekeep("list", "--limit", "0", "-f", "jsonl", *filters))) == count


def test_filters_are_complete() -> None:
    parameters = {
        each["name"] for each in find_operation("listFindings")["parameters"] if each["name"] not in {"cursor", "limit"}
    }
    fields = {re.sub("_(.)", lambda match: match[1].upper(), name) for name in FindingSelection.__struct_fields__}
    assert fields | {"order"} == parameters


@functools.cache
def load_document() -> dict[str, Any]:
    return build_document()


def find_operation(name: str) -> dict[str, Any]:
    paths = load_document()["paths"].values()
    return next(each for path in paths for each in path.values() if each.get("operationId") == name)


@pytest.mark.parametrize(
    ("operation", "status", "kind"),
    [
        ("getSubject", "200", server_details.SubjectDetails),
        ("getDecision", "200", server_details.DecisionDetails),
        ("createDecision", "201", server_details.CreatedDecision),
    ],
)
def test_details_are_those_of_the_openapi_document(operation: str, status: str, kind: type[Any]) -> None:
    schemas = load_document()["components"]["schemas"]
    answer = find_operation(operation)["responses"][status]["content"]["application/json"]["schema"]
    assert {*kind.__struct_encode_fields__} <= resolve(answer, schemas)["properties"].keys()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SubjectFinding", server_details.SubjectFinding),
        ("FindingGroup", server_details.FindingGroup),
        ("DecisionRow", server_details.DecisionResult),
        ("VersionRow", server_details.PackageVersion),
        ("DecisionDraft", server_details.DecisionDraft),
    ],
)
def test_parts_are_those_of_the_openapi_document(name: str, kind: type[Any]) -> None:
    assert {*kind.__struct_encode_fields__} <= load_document()["components"]["schemas"][name]["properties"].keys()


def test_show_has_reason_position_fix_history_and_page(kubekeep: Run, server: EmbeddedServer) -> None:
    (row,) = list_rows(kubekeep("list", "-f", "jsonl", "--source", "stage"))
    kubekeep("list", "--source", "stage")
    short = f"{row['source']}.{row['fingerprint'][:8]}"
    result = kubekeep("show", short)
    assert result.returncode == 0, result.stderr
    lines = [re.sub(" +", " ", line).strip() for line in result.stdout.splitlines()]
    assert lines[0].startswith("C-0001 ")
    assert "why LoadBalancer web" in lines
    assert "open before 2026-01-01 to 2026-01-02" in lines
    assert any(line.startswith("open since 2026-01-03") for line in lines)
    assert f"finding {row['key']}" in lines
    assert lines[-1] == f"{server.url}/findings?source={row['source']}&open={row['key']}"
    assert kubekeep("show", row["key"]).stdout == result.stdout
    document = json.loads(kubekeep("show", short, "-f", "json").stdout)
    assert (document["key"], document["detail"]["evidence"][0]["path"]) == (row["key"], "spec")
    assert len(document["earlier"]) == 1


def test_hostile_text_is_harmless(kubekeep: Run) -> None:
    listed = kubekeep("list", "--control", "C-0003", COLUMNS="200")
    (row,) = list_rows(kubekeep("list", "--control", "C-0003", "-f", "jsonl"))
    shown = kubekeep("show", row["key"], COLUMNS="200")
    document = kubekeep("show", row["key"], "-f", "json")
    for result in (listed, shown, document, kubekeep("list", "--control", "C-0003", "-f", "jsonl")):
        assert result.returncode == 0
        assert not CONTROLS.search(result.stdout + result.stderr)
    assert r"\x1b]0;owned\x07\u202e<b>.yaml:12" in shown.stdout
    assert r"set spec.\x1b]0;owned\x07\u202e<b> to" in shown.stdout
    assert json.loads(document.stdout)["detail"]["evidence"][0]["message"] == HOSTILE


def test_user_sees_the_own_scope(kubekeep: Run, server: EmbeddedServer) -> None:
    token = server.create_token("viewer", "cluster/stage")
    (row,) = list_rows(kubekeep("list", "-f", "jsonl", token=token))
    assert kubekeep("list", "--limit", "1", token=token).stderr == "1 finding\n"
    hidden = kubekeep("list", "--source", "production", token=token)
    assert (hidden.returncode, hidden.stdout) == (2, "")
    assert "no source 'production' in the scope of your role" in hidden.stderr
    other = list_rows(kubekeep("list", "-f", "jsonl", "--control", "C-0003"))[0]["key"]
    refused = kubekeep("show", other, token=token)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "404" in refused.stderr
    denied = kubekeep("decide", row["key"], "--as", "will-not-fix", "--reason", "old", token=token)
    assert denied.returncode == 3
    assert "403" in denied.stderr
    with server.client(server.create_token("manager")) as client:
        grants = [{"role": "viewer", "scope": "cluster/prod", "namespaces": ["pay"]}]
        limited = client.post("/api/v1/tokens", json={"name": "pay", "grants": grants}).json()["token"]
    assert [row["definition"] for row in list_rows(kubekeep("list", "-f", "jsonl", token=limited))] == ["C-0003"]
    assert kubekeep("list", "--limit", "1", token=limited).stderr == "1 finding\n"


def test_finding_is_decided(kubekeep: Run, server: EmbeddedServer) -> None:
    (row,) = list_rows(kubekeep("list", "-f", "jsonl", "--name", "web-10"))
    arguments = ("--as", "accepted-risk", "--reason", "behind the proxy", "--expires", "2027-01-31")
    made = kubekeep("decide", row["key"], *arguments, "--owner", "team shop", "--due", "2026-12-31")
    assert made.returncode == 0, made.stderr
    assert re.match(
        r"Decision \d+ \(accepted-risk\) is active until 2027-01-3\d: it covers 1 finding\n" + re.escape(server.url),
        made.stdout,
    )
    assert list_rows(kubekeep("list", "-f", "jsonl", "--name", "web-10")) == []
    shown = kubekeep("show", row["key"], COLUMNS="200")
    assert re.search(
        r"decision +\d+ accepted-risk until 2027-01-3\d by laptop of maria: behind the proxy", shown.stdout
    )
    decided = list_rows(kubekeep("list", "-f", "jsonl", "--state", "decided", "--name", "web-10"))
    assert [each["key"] for each in decided] == [row["key"]]


def test_scope_is_decided(kubekeep: Run) -> None:
    arguments = ("--control", "C-0001", "--source", "production", "--name", "web-11", "--kind", "Deployment")
    made = kubekeep("decide", *arguments, "--as", "in-progress", "--reason", "OPS-17")
    assert "its findings count as before" in made.stdout
    image = ("--control", "CVE-1", "--source", "*", "--package", "pkg:deb/debian/openssl")
    waiting = kubekeep("decide", *image, "--as", "false-positive", "--reason", "the function is not called")
    assert waiting.returncode == 0, waiting.stderr
    assert "waits for the approval of a second person" in waiting.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("list", "--opened-since", "yesterday"), 2, "a day such as 2027-01-31, or an age such as"),
        (("list", "--limit", "-1"), 2, "--limit"),
        (("list", "--source", "x"), 2, "no source 'x'"),
        (("show", "1.abcdef"), 2, "run `kubekeep findings list`"),
        (("show", "web"), 2, "'web' is not a finding"),
        (("show", "1.aaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbb"), 3, "404"),
        (("decide", "--as", "will-not-fix", "--reason", "x"), 2, "name each FINDING, or a scope"),
        (("decide", "1.a", "--as", "will-not-fix", "--reason", "x", "--control", "C-1"), 2, "cannot be combined"),
        (("decide", "--control", "C-1", "--as", "will-not-fix", "--reason", "x"), 2, "--source"),
        (("decide", "--control", "C-9", "--source", "*", "--as", "will-not-fix", "--reason", "x"), 3, "404"),
        (("decide", "--control", "C-0001", "--source", "*", "--as", "x", "--reason", "x"), 2, "accepted-risk"),
        (("decide", "--control", "C-0001", "--source", "*", "--as", "will-not-fix", "--reason", " "), 3, "422"),
    ],
)
def test_errors_name_the_cause(kubekeep: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = kubekeep(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in " ".join(result.stderr.split())


def test_closed_finding_is_named(kubekeep: Run, server: EmbeddedServer) -> None:
    (row,) = list_rows(kubekeep("list", "-f", "jsonl", "--source", "stage"))
    closed = kubekeep("show", f"{row['source']}.{row['subject']}.{'f' * 16}")
    assert closed.returncode == 2
    text = " ".join(closed.stderr.split())
    assert "it was fixed, or its workload is gone" in text
    assert f"{server.url}/workloads/{row['source']}/{row['subject']}" in text


def test_equal_fingerprints_of_clusters_are_apart(kubekeep: Run) -> None:
    kubekeep("list", "--limit", "0")
    result = kubekeep("show", "2.000000")
    assert result.returncode == 2
    assert "is the beginning of" in result.stderr


def test_login_is_required(kubekeep: Run, server: EmbeddedServer) -> None:
    missing = kubekeep("list", token="", KUBEKEEP_SERVER="")
    assert missing.returncode == 3
    assert "kubekeep login --server URL" in missing.stderr
    wrong = kubekeep("list", token="kk_wrong")  # noqa: S106 - made up
    assert wrong.returncode == 3
    assert f"run `kubekeep login --server {server.url}`" in wrong.stderr
    assert "kk_wrong" not in wrong.stderr


def test_stored_login_is_used(kubekeep: Run, server: EmbeddedServer, tmp_path: Path) -> None:
    token = server.create_token("viewer", "cluster/stage")
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "KUBEKEEP_TOKEN": "", "KUBEKEEP_SERVER": ""}
    login = run_command_line(
        "login", "--server", server.url, "--token-file", "-", stdin=token.encode(), variables=variables
    )
    assert login.returncode == 0, login.stderr
    assert len(list_rows(kubekeep("list", "-f", "jsonl", token="", KUBEKEEP_SERVER=""))) == 1


def test_server_that_is_away(kubekeep: Run) -> None:
    result = kubekeep("list", "--server", "http://127.0.0.1:9", KUBEKEEP_SERVER="http://127.0.0.1:9")
    assert result.returncode == 3
    assert "cannot be reached" in result.stderr
