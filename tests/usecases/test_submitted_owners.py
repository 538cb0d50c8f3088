"""Owners and labels in submissions: of objects, namespaces and files of a repository."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.usecases.test_submissions import repository, submit

__all__ = ["repository"]


def test_owner_is_that_of_the_object_its_namespace_or_its_file(repository: Path) -> None:
    lines = ["* @shop/all", "/storefront-chart/ @shop/storefront", "/overlays/ @shop/overlays", "/owned/ @shop/files"]
    (repository / "CODEOWNERS").write_text("\n".join(lines))
    folder = repository / "owned"
    folder.mkdir()
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": "a"}]}}
    labels = {"team": "payments", "app": "web"}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "billing", "annotations": {"owner": "billing"}}},
        {**pod, "metadata": {"name": "own", "namespace": "billing", "labels": labels}},
        {**pod, "metadata": {"name": "of-namespace", "namespace": "billing"}},
        {**pod, "metadata": {"name": "of-file"}},
    ]
    (folder / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    submission = submit(repository)
    owned = {
        getattr(entry.subject, "name", ""): entry
        for entry in submission.subjects
        if entry.origin == "owned/objects.yaml"
    }
    owners = {name: entry.owner for name, entry in owned.items()}
    assert owners == {"billing": "billing", "own": "payments", "of-namespace": "billing", "of-file": "@shop/files"}
    origins = {entry.origin.partition(" ")[0]: entry.owner for entry in submission.subjects if entry.is_generated}
    assert {"@shop/storefront", "@shop/overlays"} == set(origins.values())
    assert owned["own"].labels == labels


def test_unreadable_code_owners_is_a_gap(repository: Path, tmp_path: Path) -> None:
    (repository / "CODEOWNERS").write_text("*a*b*c @x\n" * 10_000)
    submission = submit(repository)
    assert "@x" not in {entry.owner for entry in submission.subjects}
    assert any("CODEOWNERS has no effect" in gap.message for gap in submission.gaps)
    # A link may lead out of the repository.
    secret = tmp_path / "secret"
    secret.write_text("* root@example.com\n")
    (repository / "CODEOWNERS").unlink()
    (repository / "CODEOWNERS").symlink_to(secret)
    assert "root@example.com" not in {entry.owner for entry in submit(repository).subjects}
