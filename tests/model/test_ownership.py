"""Owners of objects and files: metadata, the examples of GitHub's and GitLab's documentation, and hostile files."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.code_owners import CodeOwners
from kubekeep.model.ownership import LONGEST_OWNER, MOST_LABELS, find_owner, list_labels

GITHUB = """
# Examples of "About code owners"
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
"""
GITLAB = """
README.md @first
[Database] @database
model/db/
config/db/database-setup.md @docs-team
^[Documentation][2] @docs
docs/
*.md @writers
README\\ old.md @old
[Nobody]
LICENSE
"""


def metadata(**values: Any) -> dict[str, Any]:
    return {"metadata": values}


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({}, ""),
        (metadata(labels={"team": "shop"}), "shop"),
        (metadata(labels={"team": "shop", "owner": "ada"}), "ada"),
        (metadata(labels={"owner": "label"}, annotations={"owner": "annotation"}), "annotation"),
        (metadata(labels={"kubekeep.io/owner": "label"}, annotations={"team": "annotation"}), "label"),
        (metadata(annotations={"a8r.io/owner": " @shop \n team "}), "@shop team"),
        (metadata(annotations={"owner": " "}, labels={"owner": "shop"}), "shop"),
        (metadata(annotations={"owner": 7}, labels=["team"]), ""),
        ({"metadata": None}, ""),
        ({"spec": {"template": metadata(labels={"team": "pod"})}}, "pod"),
        ({**metadata(labels={"team": "own"}), "spec": {"template": metadata(labels={"owner": "pod"})}}, "own"),
        ({"spec": {"jobTemplate": {"spec": {"template": metadata(labels={"team": "job"})}}}}, "job"),
        ({"spec": {"template": "x"}, "template": metadata(labels={"team": "template"})}, "template"),
        (metadata(annotations={"owner": "x" * 999}), "x" * LONGEST_OWNER),
    ],
)
def test_owner_of_an_object(manifest: dict[str, Any], expected: str) -> None:
    assert find_owner(manifest) == expected


def test_labels_are_those_of_kubernetes() -> None:
    template = {"spec": {"template": metadata(labels={"app": "pod", "tier": "web"})}}
    manifest = {
        **metadata(labels={"app": "shop", "empty": "", "long": "x" * 64, "k" * 400: "x", "number": 7}),
        **template,
    }
    assert list_labels(manifest) == {"app": "shop", "empty": "", "tier": "web"}
    assert len(list_labels(metadata(labels={f"label-{number}": "x" for number in range(10_000)}))) == MOST_LABELS
    assert list_labels({"metadata": {"labels": "x"}}) == {}


@pytest.mark.parametrize(
    ("file", "owners"),
    [
        ("any/file", "@global-owner1, @global-owner2"),
        ("web/app.js", "@js-owner"),
        ("main.go", "docs@example.com"),
        ("a/b.txt", "@octo-org/octocats"),
        ("build/logs/x/y.log", "@octocat"),
        ("sub/build/logs.js/x", "@js-owner"),
        ("sub/docs/a.md", "@global-owner1, @global-owner2"),
        ("docs/a/b.md", "@doctocat"),
        ("x/apps/y/z", "@octocat"),
        ("scripts/run.js", "@doctocat, @octocat"),
        ("deeply/nested/logs/a", "@octocat"),
        ("apps/x", "@octocat"),
        ("apps/github", ""),
        ("apps/github/x/y.yaml", ""),
        ("", ""),
    ],
)
def test_owners_of_github(file: str, owners: str) -> None:
    assert CodeOwners(GITHUB).find(file) == owners


@pytest.mark.parametrize(
    ("file", "owners"),
    [
        ("README.md", "@first, @writers"),
        ("model/db/schema.rb", "@database"),
        ("config/db/database-setup.md", "@docs-team, @writers"),
        ("docs/index.html", "@docs"),
        ("docs/index.md", "@writers"),
        ("README old.md", "@old"),
        ("LICENSE", ""),
    ],
)
def test_sections_of_gitlab(file: str, owners: str) -> None:
    assert CodeOwners(GITLAB).find(file) == owners


def test_folder_with_an_asterisk_is_about_its_own_files() -> None:
    owners = CodeOwners("docs/* @docs\n")
    assert owners.find("docs/a.md") == "@docs"
    assert owners.find("docs/build-app/troubleshooting.md") == ""


@pytest.mark.parametrize(
    "line", ["!x @a", "x[ab] @a", "x nobody", "x @a nobody", "/ @a", "x" * 2_000 + " @a", "\0\ufffd"]
)
def test_lines_that_github_skips_have_no_effect(line: str) -> None:
    assert CodeOwners(f"* @all\n{line}\n").find("x") == "@all"


def test_large_files_are_read_or_refused() -> None:
    lines = [f"/services/team-{number}/ @org/team-{number}" for number in range(50_000)]
    assert CodeOwners("\n".join(lines)).find("services/team-4999/app/web.yaml") == "@org/team-4999"
    with pytest.raises(ValueError, match="wildcards"):
        CodeOwners("*a*b*c*d @x\n" * 50_000)
    assert len(CodeOwners("* " + "@x" * 5_000).find("x")) == LONGEST_OWNER
