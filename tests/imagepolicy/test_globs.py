"""Globs of imported policies. The expected values are those of the policy-controller 0.13.1 and Kyverno's matcher."""

from __future__ import annotations

import pytest

from kubekeep.imagepolicy.globs import GlobSyntax, WrittenReference, compile_glob, format_kyverno
from kubekeep.registry.reference import parse_image_name

DIGEST = "@sha256:" + "ab" * 32


def matches(syntax: GlobSyntax, glob: str, image: str) -> bool | None:
    return WrittenReference(parse_image_name(image), image).matches(syntax, glob)


@pytest.mark.parametrize(
    ("glob", "image", "expected"),
    [
        ("*", "nginx", True),
        ("*/*", "team/app", True),
        ("*", "team/app", False),
        ("index.docker.io/library/*", "nginx:1.29", True),
        ("docker.io/library/*", "nginx", False),
        ("nginx", "nginx", False),
        ("index.docker.io/*/*", "team/app", True),
        ("inde**", "team/app", True),
        ("**", "ghcr.io/foo/bar", True),
        ("*/**", "ghcr.io/foo", True),
        ("ghcr.io/*/*", "ghcr.io/foo/bar:1.0", True),
        ("ghcr.io/*/*", "ghcr.io/foo", False),
        ("ghcr.io/**", "ghcr.io/foo", True),
        ("ghcr.io/**", "ghcrxio/foo", False),
        ("ghcr.io/foo", "ghcr.io/foo-suffix", False),
        ("ghcr.io/foo/bar:*", "ghcr.io/foo/bar:1.0", None),
        ("ghcr.io/foo/bar@sha256:*", "ghcr.io/foo/bar:1.0", None),
        ("ghcr.io/foo/bar:*", f"ghcr.io/foo/bar:1.0{DIGEST}", False),
        ("ghcr.io/foo/bar@sha256:*", f"ghcr.io/foo/bar:1.0{DIGEST}", True),
        (f"ghcr.io/foo{DIGEST}", f"ghcr.io/foo{DIGEST}", True),
        ("registry.example.com:443/a/**", "registry.example.com:443/a/b/c:1", True),
        ("localhost/**", "localhost/app", None),
    ],
)
def test_policy_controller(glob: str, image: str, expected: object) -> None:
    assert matches("policy-controller", glob, image) is expected


@pytest.mark.parametrize(
    ("glob", "image", "expected"),
    [
        ("*", "nginx", True),
        ("nginx*", "nginx", False),
        ("docker.io/nginx:*", "nginx", True),
        ("docker.io/library/nginx:*", "nginx", False),
        ("docker.io/library/nginx:*", "docker.io/library/nginx", True),
        ("docker.io/*", "team/app", True),
        ("ghcr.io/kyverno/test-verify-image*", "ghcr.io/kyverno/test-verify-image:signed", True),
        ("ghcr.io/*", "ghcr.io/a/b/c", True),
        ("ghcr.io/a:v?", "ghcr.io/a:v1", True),
        ("ghcr.io/a:v?", "ghcr.io/a:v", False),
        ("ghcr.io/a:latest", "ghcr.io/a", True),
        ("ghcr.io/a:1", f"ghcr.io/a:1{DIGEST}", False),
        ("ghcr.io/a@sha256:*", f"ghcr.io/a:1{DIGEST}", True),
        ("*.example.com/*", "registry.example.com/app", True),
    ],
)
def test_kyverno(glob: str, image: str, expected: object) -> None:
    assert matches("kyverno", glob, image) is expected


def test_references_of_kyverno() -> None:
    assert format_kyverno("nginx") == "docker.io/nginx:latest"
    assert format_kyverno("localhost:5000/app:1") == "localhost:5000/app:1"
    assert format_kyverno(f"Registry/app:1{DIGEST}") == f"Registry/app{DIGEST}"


def test_image_validating_policies_compare_the_text() -> None:
    assert matches("image-validating-policy", "ghcr.io/*", "ghcr.io/a/b:1")
    assert not matches("image-validating-policy", "docker.io/*", "nginx")


@pytest.mark.parametrize("glob", [".+", "[a-z]*", "a b", ""])
def test_invalid_globs(glob: str) -> None:
    with pytest.raises(ValueError, match="invalid glob"):
        compile_glob("policy-controller", glob)
