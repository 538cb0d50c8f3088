"""The pull request comment against a server with the semantics of GitHub's REST API for issue comments."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.integrations.github_api import PERSON, TOKEN, Comments, serve_github
from tests.integrations.github_runner import FinishedStep, run_step
from tests.integrations.samples import HARMLESS, PRIVILEGED, write_files


@pytest.fixture(autouse=True)
def repository(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})


def run_commenting(folder: Path, address: str, inputs: dict[str, str] | None = None) -> FinishedStep:
    """Run the step for pull request 7 of shop/deploy."""
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": "0" * 40}}}))
    return run_step(
        folder,
        {"comment": "true", "token": TOKEN} | (inputs or {}),
        environment={
            "GITHUB_API_URL": address,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "shop/deploy",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "42",
            "GITHUB_WORKFLOW": "Kubekeep",
            "GITHUB_JOB": "scan",
        },
    )


def test_comment_is_created_then_updated_in_place(tmp_path: Path, repository: Path) -> None:
    comments = Comments()
    with serve_github(comments) as address:
        first = run_commenting(tmp_path, address, {"fail-on": "critical"})
        body = comments.entries[0]["body"]
        write_files(repository, {"pod.yaml": HARMLESS})
        second = run_commenting(tmp_path, address, {"fail-on": "critical"})
    assert (first.code, second.code) == (1, 0)
    assert (comments.changes, comments.problems, len(comments.entries)) == (["POST", "PATCH"], [], 1)
    assert re.match(rf"<!-- kubekeep [0-9a-f]{{16}} -->\n### Kubekeep: {first.outputs['findings']} findings\n", body)
    page = "https://kubekeep.io/docs/reference/controls/privileged-container/"
    control = f"<code>Containers do not run privileged</code> [<code>C-0057</code>]({page})"
    assert f"| Critical | {control} | <code>shop/Pod/debug</code> | <code>pod.yaml&#58;8</code> |" in body
    assert "**A gate failed.**" in body
    assert "[Run](https://github.com/shop/deploy/actions/runs/42)" in body
    assert "### Kubekeep: no findings" in comments.entries[0]["body"]


def test_comment_on_a_later_page_is_found_and_those_of_people_stay(tmp_path: Path) -> None:
    comments = Comments()
    with serve_github(comments) as address:
        run_commenting(tmp_path, address)
        own = comments.entries.pop()
        marker = own["body"].splitlines()[0]
        for number in range(130):
            comments.add(PERSON, f"{marker}\nnot yours {number}")
        comments.add(None, marker)
        own["id"] = 5000
        comments.entries.append(own)
        run_commenting(tmp_path, address)
    assert comments.changes == ["POST", "PATCH"]
    assert all(entry["body"].startswith(f"{marker}\nnot yours") for entry in comments.entries[:130])


def test_no_comment_without_findings(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": HARMLESS})
    comments = Comments()
    with serve_github(comments) as address:
        assert run_commenting(tmp_path, address).code == 0
    assert comments.entries == []


def test_missing_permission_is_a_warning(tmp_path: Path) -> None:
    comments = Comments(is_writable=False)
    with serve_github(comments) as address:
        step = run_commenting(tmp_path, address)
    assert step.code == 0
    warning = "The comment was not written: HTTP 403; add `permissions: pull-requests: write` to the job"
    assert f"::warning title=Kubekeep::{warning}" in step.commands
    assert TOKEN not in step.log


def test_unreachable_server_is_a_warning(tmp_path: Path) -> None:
    with serve_github(Comments()) as address:
        pass
    step = run_commenting(tmp_path, address, {"fail-on": "critical"})
    assert step.code == 1
    assert any("The comment was not written" in command for command in step.commands)


def test_token_does_not_follow_a_redirect(tmp_path: Path) -> None:
    comments = Comments()
    with serve_github(comments) as other, serve_github(Comments(), redirect=other) as address:
        step = run_commenting(tmp_path, address)
    assert step.code == 0
    assert any("The comment was not written: HTTP 307" in command for command in step.commands)
    assert comments.entries == []


def test_names_cannot_write_markup(tmp_path: Path, repository: Path) -> None:
    name = "@team [x](https://example.com) | <img src=x> `code` **a**.yaml".replace("/", "%2F")
    (repository / "pod.yaml").rename(repository / name)
    comments = Comments()
    with serve_github(comments) as address:
        run_commenting(tmp_path, address)
    rows = [line for line in comments.entries[0]["body"].splitlines() if "example" in line]
    assert rows
    for row in rows:
        assert row.count("|") == 5
        location = row.split(" | ")[3]
        assert not set("@[]()*`!") & set(location)
        assert set(re.findall(r"<[^>]*>", row)) == {"<code>", "</code>"}


def test_only_pull_requests_get_a_comment(tmp_path: Path) -> None:
    comments = Comments()
    with serve_github(comments) as address:
        step = run_step(tmp_path, {"comment": "true", "token": TOKEN}, environment={"GITHUB_API_URL": address})
    assert step.code == 0
    assert "comment: not a pull request, or no token: no comment is written" in step.log
    assert comments.entries == []
