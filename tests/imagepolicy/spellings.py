"""Random spellings of image names and patterns, and a reference of image policies written from `docs/guides/image-policies.md`.

The reference compares registries, repositories and tags as they were drawn. It never reads a spelling.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
LIBRARY: Final = "library"
_ADDRESSES: Final = (
    "2001:db8::1",
    "2001:DB8::1",
    "2001:db8:0:0:0:0:0:1",
    "2001:0db8:0000:0000:0000:0000:0000:0001",
    "2001:Db8::0:0001",
    "2001:db8::0.0.0.1",
)


class Registry(msgspec.Struct, frozen=True):
    """A registry. hosts: all its names, the canonical one first."""

    hosts: tuple[str, ...]
    port: int = 443

    @property
    def names(self) -> list[str]:
        """The names with their port in canonical spelling."""
        return [host if self.port == 443 else f"{host}:{self.port}" for host in self.hosts]

    @property
    def is_hub(self) -> bool:
        return self.hosts == HUB

    def spell(self, chance: random.Random) -> str:
        """Return a random spelling of the registry."""
        host = chance.choice(self.hosts)
        if host.startswith("["):
            host = f"[{chance.choice(_ADDRESSES)}]"
        else:
            host = "".join(chance.choice((character, character.upper())) for character in host)
        if not re.search(r"[.:\[]", host) and host.lower() != "localhost":
            # Without a capital letter, a name without a dot is an account of Docker Hub.
            host = host.capitalize()
        zeros = chance.choice(("", "0", "00")) if self.port < 1000 else chance.choice(("", "0"))
        return host if self.port == 443 and chance.random() < 0.5 else f"{host}:{zeros}{self.port}"


REGISTRIES: Final = (
    Registry(HUB),
    Registry(("registry.example",)),
    Registry(("registry.example",), 5000),
    Registry(("[2001:db8::1]",)),
    Registry(("[2001:db8::1]",), 5000),
    Registry(("localhost",), 5000),
    Registry(("localhost",)),
    Registry(("single",)),
)


class NamedImage(msgspec.Struct, frozen=True):
    """An image and a spelling of its name. written_digest: if the name has one, beside which a tag does not count."""

    registry: Registry
    path: tuple[str, ...]
    tag: str
    written_digest: bool
    digest: str
    text: str

    @property
    def names(self) -> Iterator[tuple[list[str], bool]]:
        """The names that the image has, as segments, and then those without `library`, with True."""
        for host in self.registry.names:
            yield [host, *self.path], False
        if self.registry.is_hub and self.path[0] == LIBRARY:
            for host in self.registry.names:
                yield [host, *self.path[1:]], True


def spell_name(chance: random.Random, registry: Registry, path: tuple[str, ...]) -> str:
    """Return a random spelling of a repository."""
    below = path[1:] if registry.is_hub and path[0] == LIBRARY and chance.random() < 0.6 else path
    host = [] if registry.is_hub and chance.random() < 0.4 else [registry.spell(chance)]
    return "/".join([*host, *below])


class Pattern(msgspec.Struct, frozen=True):
    """A pattern in canonical form, with the registry as first segment, and a spelling of it."""

    segments: tuple[str, ...]
    tag: str
    text: str

    def measure(self, image: NamedImage) -> tuple[bool, int, int] | None:
        """Return how specific the pattern is: tag, segments, characters; None if it does not cover the image."""
        if self.tag and (image.written_digest or not matches(self.tag, image.tag or "latest")):
            return None
        for name, is_short in image.names:
            is_long_enough = len(name) == len(self.segments) if self.tag else len(name) >= len(self.segments)
            if is_long_enough and all(map(matches, self.segments, name)):
                full = [*self.segments, *([LIBRARY] if is_short and len(self.segments) > 1 else [])]
                return bool(self.tag), len(full), sum(len(segment.replace("*", "")) for segment in full)
        return None


def matches(glob: str, text: str) -> bool:
    return re.fullmatch(re.escape(glob).replace(r"\*", ".*"), text) is not None


def create_pattern(chance: random.Random, registry: Registry, path: tuple[str, ...], *, tags: bool = True) -> Pattern:
    """Return a random pattern that covers the repository or comes close."""
    if chance.random() < 0.05:
        return Pattern((), "", "*")
    if registry.is_hub and path[0] == LIBRARY and chance.random() < 0.5:
        path = path[1:]
    depth = chance.choice((0, 1, len(path), len(path)))
    below = [chance.choice(("*", f"{part[:2]}*", f"*{part[-2:]}")) if chance.random() < 0.2 else part for part in path]
    below = below[:depth]
    tag = ""
    if tags and depth == len(path) and chance.random() < 0.25:
        tag = chance.choice(("image-0", "image-*", "latest", "signed", "*"))
    if chance.random() < 0.2:
        name = chance.choice(registry.names)
        host = spelled = chance.choice(("*", f"*{name[4:]}", f"{name[:4]}*")) if name[0] != "[" else "*"
    else:
        host, spelled = registry.names[0], registry.spell(chance)
        if registry.is_hub and below and "*" not in below[0] and chance.random() < 0.4:
            spelled = ""
    if host == "*" and not below:
        return Pattern((), "", "*")
    text = "/".join([*([spelled] if spelled else []), *below])
    if not tag and below and below[-1] == "*":
        # Everything below is covered in any case.
        below.pop()
    elif not tag and chance.random() < 0.1:
        text = f"{text}/*"
    return Pattern((host, *below), tag, f"{text}:{tag}" if tag else text)


Decision = Literal["allow", "deny", "pinned", "signed", "attested"]
REQUIREMENTS: Final[dict[Decision, dict[str, Any]]] = {
    "allow": {"action": "allow"},
    "deny": {"action": "deny"},
    "pinned": {"pinned": True},
    "signed": {"signedBy": ["team"]},
    "attested": {"attestations": [{"type": "spdx", "signedBy": ["team"]}]},
}


class Policy(msgspec.Struct, frozen=True):
    """A random policy."""

    unmatched: Literal["allow", "deny"]
    allowed: list[Pattern]
    forbidden: list[Pattern]
    rules: list[tuple[list[Pattern], Decision]]

    def write(self) -> dict[str, Any]:
        return {
            "apiVersion": "image.kubekeep.io/v1",
            "kind": "ImagePolicy",
            "unmatched": self.unmatched,
            "allowedRegistries": [pattern.text for pattern in self.allowed],
            "forbiddenRegistries": [pattern.text for pattern in self.forbidden],
            "signers": {"team": {"key": "team.pub", "log": "ignored"}},
            "rules": [
                {"images": [pattern.text for pattern in patterns], **REQUIREMENTS[decision]}
                for patterns, decision in self.rules
            ],
        }

    def allows(self, image: NamedImage, signed: set[str], attested: set[str]) -> bool:
        """Return the decision; signed and attested: digests with a signature or an attestation of the team."""
        if self.allowed and not any(pattern.measure(image) for pattern in self.allowed):
            return False
        if any(pattern.measure(image) for pattern in self.forbidden):
            return False
        best: tuple[bool, int, int] | None = None
        decision: Decision = self.unmatched
        for patterns, requirement in self.rules:
            for measure in filter(None, (pattern.measure(image) for pattern in patterns)):
                if best is None or measure > best:
                    best, decision = measure, requirement
        return {
            "allow": True,
            "deny": False,
            "pinned": image.written_digest,
            "signed": image.digest in signed,
            "attested": image.digest in attested,
        }[decision]


def create_policy(chance: random.Random, repositories: list[tuple[Registry, tuple[str, ...]]]) -> Policy:
    """Return a random policy for the repositories."""

    def create(count: int, *, tags: bool = True) -> list[Pattern]:
        return [create_pattern(chance, *chance.choice(repositories), tags=tags) for _ in range(count)]

    used: set[tuple[tuple[str, ...], str]] = set()

    def create_new() -> Pattern:
        """Return a pattern that no rule has, in any spelling."""
        pattern = next(
            pattern for _ in range(1000) for pattern in create(1) if (pattern.segments, pattern.tag) not in used
        )
        used.add((pattern.segments, pattern.tag))
        return pattern

    decisions: list[Decision] = ["allow", "deny", "pinned", "signed", "signed", "attested"]
    return Policy(
        chance.choice(("allow", "deny")),
        create(chance.choice((0, 0, 6)), tags=False),
        create(chance.choice((0, 0, 1, 2))),
        [
            ([create_new() for _ in range(chance.choice((1, 2, 3)))], chance.choice(decisions))
            for _ in range(chance.randint(3, 8))
        ],
    )
