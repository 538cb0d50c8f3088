"""Reports name the git repository of the input, if it has one."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.model.git import GitRepository
from kubekeep.reports import Extra, ReportOptions, load
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

POD = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}\n"


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    process = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return process.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "remote", "add", "origin", "https://ann:kept-secret@github.com/acme/team/shop.git")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "pod.yaml").write_text(POD)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    return tmp_path


def find_repository(path: Path, *, extras: frozenset[Extra] = frozenset({Extra.REPOSITORY})) -> GitRepository | None:
    return scan(
        ScanRequest(
            ScanInput(paths=(str(path),)), rules=RuleOptions(controls=("C-0057",)), needs=ReportNeeds(extras=extras)
        )
    ).repository


def report(name: str, path: Path) -> dict[str, Any]:
    stream = io.StringIO()
    request = ScanRequest(
        ScanInput(paths=(str(path),)),
        rules=RuleOptions(controls=("C-0057",)),
        needs=ReportNeeds(extras=load(name).extras),
    )
    load(name).render(scan(request), stream, ReportOptions())
    document: dict[str, Any] = json.loads(stream.getvalue())
    return document


def test_repository_is_optional(checkout: Path) -> None:
    assert find_repository(checkout, extras=frozenset()) is None
    repository = find_repository(checkout / "deploy")
    assert repository is not None
    assert (repository.root, repository.branch) == (str(checkout.resolve()), "main")
    assert repository.head is not None
    assert repository.head.hash == git(checkout, "rev-parse", "HEAD")


def test_no_repository_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    assert find_repository(tmp_path) is None
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert find_repository(tmp_path) is None


def test_json_names_the_repository(checkout: Path) -> None:
    metadata = report("json", checkout)["metadata"]
    context = metadata["targetMetadata"]["gitRepoContextMetadata"]
    commit = context.pop("lastCommit")
    assert context == {
        "provider": "github",
        "repo": "shop",
        "owner": "acme/team",
        "branch": "main",
        "defaultBranch": "",
        "remoteURL": "https://github.com/acme/team/shop.git",
        "localRootPath": str(checkout.resolve()),
    }
    assert (commit["committerName"], commit["message"]) == ("Ann", "Begin")
    assert metadata["scanMetadata"]["scanningTarget"] == 3
    assert list(report("json", checkout / "deploy" / "pod.yaml")["metadata"]["targetMetadata"]) == [
        "fileContextMetadata"
    ]


@pytest.mark.parametrize(
    ("remote", "provider", "owner", "repo"),
    [
        ("git@gitlab.com:acme/shop.git", "gitlab", "acme", "shop"),
        ("ssh://git@bitbucket.org/acme/shop", "bitbucket", "acme", "shop"),
        ("https://dev.azure.com/acme/store/_git/shop", "azure", "acme/store/_git", "shop"),
        ("https://git.example.com/shop/", "", "", "shop"),
        ("/srv/git/shop", "", "srv/git", "shop"),
        ("", "", "", ""),
    ],
)
def test_remote_addresses_are_parsed(remote: str, provider: str, owner: str, repo: str, checkout: Path) -> None:
    assessment = scan(ScanRequest(ScanInput(paths=(str(checkout),)), rules=RuleOptions(controls=("C-0057",))))
    stream = io.StringIO()
    load("json").render(
        msgspec.structs.replace(assessment, repository=GitRepository("/r", remote)), stream, ReportOptions()
    )
    context = json.loads(stream.getvalue())["metadata"]["targetMetadata"]["gitRepoContextMetadata"]
    assert (context["provider"], context["owner"], context["repo"]) == (provider, owner, repo)
    assert "lastCommit" not in context


def test_sarif_names_the_repository(checkout: Path) -> None:
    (entry,) = report("sarif", checkout)["runs"][0]["versionControlProvenance"]
    assert entry == {
        "repositoryUri": "https://github.com/acme/team/shop.git",
        "revisionId": git(checkout, "rev-parse", "HEAD"),
        "branch": "main",
    }
    git(checkout, "remote", "set-url", "origin", "git@github.com:acme/shop.git")
    assert "versionControlProvenance" not in report("sarif", checkout)["runs"][0], "the remote is not a URI"
