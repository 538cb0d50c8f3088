"""Patterns of image names: the images that they cover, and their order."""

from __future__ import annotations

import pytest

from kubekeep.imagepolicy.patterns import ImagePattern
from kubekeep.registry.reference import parse_image_name

COVERED = {
    "registry.example/team": ("registry.example/team:1", "registry.example/team/app", "REGISTRY.example/team/app"),
    "registry.example/team/*": ("registry.example/team/app", "registry.example/team/app/sub:1"),
    "registry.example/*/app": ("registry.example/team/app:2",),
    "registry.example:5000": ("registry.example:5000/team/app",),
    "registry.example/team/app:1.*": ("registry.example/team/app:1.2",),
    "*.example/team": ("registry.example/team/app",),
    "docker.io": (
        "nginx",
        "index.docker.io/library/nginx",
        "docker.io/team/app",
        "registry-1.docker.io/team/app",
        "registry.hub.docker.com/library/nginx",
        "docker.io:443/team/app",
        "Registry-1.Docker.IO:0443/team/app",
    ),
    "registry-1.docker.io/library": ("nginx", "docker.io/library/nginx"),
    "*.docker.io": ("nginx", "registry-1.docker.io/team/app"),
    "docker.io/library/nginx": ("registry-1.docker.io/nginx:1",),
    "registry.example": ("registry.example:443/team/app", "REGISTRY.example:0443/app"),
    "registry.example:443": ("registry.example/team/app", "registry.example:443/team/app"),
    "Registry.Example:0443/team": ("registry.example/team/app",),
    "[::1]:5000": ("[0:0:0:0:0:0:0:1]:5000/app",),
    "nginx": ("nginx", "docker.io/library/nginx:1"),
    "index.docker.io/library": ("nginx",),
    "team": ("team/app",),
    "team/app": ("docker.io/team/app",),
    "nginx:latest": ("nginx", "nginx:latest"),
    "localhost": ("localhost/app", "LOCALHOST/app"),
    "LOCALHOST/app": ("localhost/app", "LocalHost:443/app:1"),
    "LOCALHOST:5000": ("localhost:5000/app",),
    "Registry/team": ("REGISTRY/team/app", "registry:443/team/app"),
    "Registry:5000": ("registry:05000/app",),
    "[::1]": ("[0::1]/app", "[::1]:443/team/app"),
    "[::0.0.0.1]:5000": ("[::1]:5000/app",),
    "docker.io/nginx": ("nginx", "index.docker.io/library/nginx:1", "docker.io/nginx/unit"),
    "*.docker.io/nginx": ("nginx",),
    "docker.io/library/*:latest": ("nginx", "docker.io/redis:latest"),
    "*": ("nginx", "registry.example/team/app", "localhost:5000/app"),
}
NOT_COVERED = {
    "registry.example/team": (
        "registry.example/teams",
        "registry.example/te",
        "other.example/team",
        "registry.example.org/team",
    ),
    "registry.example/*/app": ("registry.example/a/b/app", "registry.example/app"),
    "registry.example:5000": ("registry.example/team/app", "registry.example:443/team/app"),
    "registry.example/team/app:1.*": (
        "registry.example/team/app:2.1",
        "registry.example/team/app",
        "registry.example/team/app/sub:1.2",
    ),
    "*.example/team": ("registry.example.org/team", "example/team"),
    "registry.example": ("registryXexample/team", "evil-registry.example/team"),
    "nginx:latest": ("nginx:1", "nginx@sha256:" + "0" * 64, "nginx:latest@sha256:" + "0" * 64),
    "registry.example/team/app:1": ("registry.example/team/app:1@sha256:" + "0" * 64,),
    "nginx": ("registry.example/nginx", "docker.io/nginxinc"),
    "Registry/team": ("registry/team/app",),
    "LOCALHOST:5000": ("localhost/app", "localhost:5001/app"),
    "docker.io/nginx": ("team/nginx", "registry.example/nginx"),
}


@pytest.mark.parametrize("pattern", COVERED)
def test_covered(pattern: str) -> None:
    for name in COVERED[pattern]:
        assert ImagePattern(pattern).covers(parse_image_name(name)), name


@pytest.mark.parametrize("pattern", NOT_COVERED)
def test_not_covered(pattern: str) -> None:
    for name in NOT_COVERED[pattern]:
        assert not ImagePattern(pattern).covers(parse_image_name(name)), name


@pytest.mark.parametrize(
    "text", ["", "/", "a//b", "registry.example/team?", "a b", "registry.example/a:", "[", "(a|b)"]
)
def test_invalid(text: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern"):
        ImagePattern(text)


def test_more_specific_patterns_come_first() -> None:
    ordered = [
        "registry.example/team/app:1",
        "registry.example/team/app",
        "registry.example/team/a*",
        "registry.example/team",
        "registry.example",
        "*",
    ]
    image = parse_image_name("registry.example/team/app:1")
    measures = [measure for text in ordered if (measure := ImagePattern(text).measure(image))]
    assert len(measures) == len(ordered)
    assert sorted(set(measures), reverse=True) == measures


@pytest.mark.parametrize(
    "spellings",
    [
        ("nginx", "docker.io/nginx", "docker.io/library/nginx", "Registry-1.Docker.IO:0443/nginx"),
        ("nginx:1.*", "docker.io/nginx:1.*", "index.docker.io/library/nginx:1.*"),
        ("*.docker.io/nginx", "*.docker.io/library/nginx"),
        ("docker.io", "registry.hub.docker.com:443"),
    ],
)
def test_spelling_of_pattern_does_not_make_it_more_specific(spellings: tuple[str, ...]) -> None:
    image = parse_image_name("nginx:1.2")
    measures = {ImagePattern(text).measure(image) for text in spellings}
    assert len(measures) == 1
    assert None not in measures


def test_image_is_more_specific_than_library() -> None:
    image = parse_image_name("nginx")
    library, official = ImagePattern("docker.io/library").measure(image), ImagePattern("nginx").measure(image)
    assert library is not None
    assert official is not None
    assert official > library
