"""Selection of the images of registries: names by patterns, tags by options, and each digest once.

Never reads a layer. What cannot be listed is a problem with its name, never an empty result.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from kubekeep.images.access.documents import ImageDescriptor
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.registries.client import RegistryClient, resolve_tag
from kubekeep.images.registries.options import TagSelection
from kubekeep.images.registries.pattern import RegistryPattern, matches
from kubekeep.images.registries.state import ImageName, RegistryState, RootDescription
from kubekeep.model.struct_types import prepare_types
from kubekeep.registry.errors import RegistryError, RejectedArtifactError, ScanStoppedError
from kubekeep.registry.repository import OciRepository

_ATTACHED: Final = re.compile(r"sha256-[0-9a-f]{64}(?:\..+)?|layer-[0-9a-f]{64}-[0-9a-f]{16}-(?:secrets|packages)")
"""Tags of signatures, attestations and SBOMs (cosign), of lists of referrers (OCI distribution specification), and of
shared layers."""
_NUMBERS: Final = re.compile(r"v?([0-9]{1,12}(?:\.[0-9]{1,12}){0,5})(?:[-+._]?(.*))", re.DOTALL)
_POLL_SECONDS: Final = 0.2
_MOST_EQUAL: Final = 1000
"""Most names that are kept of one image."""


class SelectionProblem(msgspec.Struct, frozen=True):
    """A registry, repository or tag that was not listed or read, and the reason."""

    name: str
    message: str


class SelectedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image to scan: a manifest or index by digest, and all its names, the best one first.

    platform: the requested one for an index; empty for the default. label: the platform in the shown name.
    """

    registry: str
    repository: str
    root: str
    names: tuple[str, ...]
    platform: str = ""
    label: str = ""
    description: RootDescription | None = None

    @property
    def name(self) -> str:
        """The name that reports show."""
        return f"{self.names[0]} ({self.label})" if self.label else self.names[0]

    @property
    def reference(self) -> str:
        """The reference that opens exactly this image."""
        return f"docker://{self.registry}/{self.repository}@{self.root}"


class SelectedImages(msgspec.Struct, frozen=True):
    """The images to scan in a fixed order, and what was left out.

    attached: tags of signatures and other attached documents. artifacts: digests that are no images. deleted: tags that
    vanished while they were read. older: images that --newest or --since leave out.
    """

    images: tuple[SelectedImage, ...] = ()
    problems: tuple[SelectionProblem, ...] = ()
    repositories: int = 0
    tags: int = 0
    attached: int = 0
    artifacts: int = 0
    deleted: int = 0
    older: int = 0


class _Repository(msgspec.Struct):
    """The selection in one repository."""

    registry: str
    name: str
    tags: list[str] = []
    images: list[SelectedImage] = []
    problems: list[SelectionProblem] = []
    attached: int = 0
    artifacts: int = 0
    deleted: int = 0
    older: int = 0

    @property
    def full_name(self) -> str:
        return f"{self.registry}/{self.name}"


class ImageSelector:
    """Selects images. parallel: number of repositories that are read at the same time."""

    def __init__(
        self,
        client: RegistryClient,
        options: TagSelection,
        platform: str,
        state: RegistryState | None,
        parallel: int,
    ) -> None:
        self._client = client
        self._options = options
        self._platform = platform
        self._state = state
        self._parallel = parallel

    def select(self, patterns: Sequence[RegistryPattern], *, describe: bool = False) -> SelectedImages:
        """Return the images that match one of the patterns; with `describe`, each with its description."""
        problems: list[SelectionProblem] = []
        patterns_by_repository = self._find_repositories(patterns, problems)
        is_described = describe or self._options.needs_descriptions

        def read(key: tuple[str, str]) -> _Repository:
            return self._read_repository(*key, patterns_by_repository[key], describe=is_described)

        repositories = self._run(read, list(patterns_by_repository))
        for repository in repositories:
            problems += repository.problems
        problems += self._explain_unmatched(patterns, repositories, problems)
        return SelectedImages(
            images=_join(repositories),
            problems=tuple(problems),
            repositories=len(repositories),
            tags=sum(len(repository.tags) for repository in repositories),
            attached=sum(repository.attached for repository in repositories),
            artifacts=sum(repository.artifacts for repository in repositories),
            deleted=sum(repository.deleted for repository in repositories),
            older=sum(repository.older for repository in repositories),
        )

    def _run(self, read: Callable[[tuple[str, str]], _Repository], keys: list[tuple[str, str]]) -> list[_Repository]:
        """Return the results in the order of the keys; an interrupt stops all threads."""
        prepare_types()
        with concurrent.futures.ThreadPoolExecutor(self._parallel, thread_name_prefix="listing") as executor:
            futures = [executor.submit(read, key) for key in keys]
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(executor.shutdown, cancel_futures=True)
                on_failure.callback(self._client.stop)
                while not all(future.done() for future in futures):
                    concurrent.futures.wait(futures, timeout=_POLL_SECONDS)
                repositories = [future.result() for future in futures]
                on_failure.pop_all()
            return repositories

    def _find_repositories(
        self, patterns: Sequence[RegistryPattern], problems: list[SelectionProblem]
    ) -> dict[tuple[str, str], list[RegistryPattern]]:
        """Return the patterns by registry and repository."""
        catalogues: dict[str, tuple[str, ...]] = {}
        repositories: dict[tuple[str, str], list[RegistryPattern]] = {}
        for pattern in patterns:
            if pattern.is_repository:
                repositories.setdefault((pattern.registry, pattern.repository), []).append(pattern)
                continue
            if pattern.registry not in catalogues:
                catalogues[pattern.registry] = self._list_repositories(pattern.registry, problems)
            for name in catalogues[pattern.registry]:
                if pattern.matches_repository(name) and not self._is_excluded(name):
                    repositories.setdefault((pattern.registry, name), []).append(pattern)
        return repositories

    def _list_repositories(self, registry: str, problems: list[SelectionProblem]) -> tuple[str, ...]:
        if self._options.repositories:
            return tuple(select_repositories(self._options.repositories, registry))
        try:
            listed = self._client.list_repositories(registry)
        except ScanStoppedError:
            raise
        except (RegistryError, RejectedArtifactError, ImageAccessError) as error:
            problems.append(SelectionProblem(registry, str(error)))
            return ()
        if listed.invalid:
            problems.append(SelectionProblem(registry, f"{listed.invalid:,} names of repositories are invalid"))
        return listed.names

    def _read_repository(
        self, registry: str, name: str, patterns: Sequence[RegistryPattern], *, describe: bool
    ) -> _Repository:
        repository = _Repository(registry, name)
        try:
            roots = self._read_roots(repository, patterns)
            images = [self._create_image(repository, root, tags) for root, tags in roots.items()]
            if self._options.all_platforms:
                images = [part for image in images for part in self._split(repository, image)]
            if describe:
                images = [part for image in images for part in self._describe(repository, image)]
            repository.images = self._select_newest(repository, images)
        except ScanStoppedError:
            raise
        except (RegistryError, RejectedArtifactError, ImageAccessError) as error:
            repository.problems.append(SelectionProblem(repository.full_name, str(error)))
        return repository

    def _read_roots(self, repository: _Repository, patterns: Sequence[RegistryPattern]) -> dict[str, list[str]]:
        """Return the tags by the digest of their manifest or index; a digest in a pattern is its own tag."""
        roots: dict[str, list[str]] = {}
        for pattern in patterns:
            if pattern.digest and self._client.check(repository.registry, repository.name, pattern.digest):
                roots.setdefault(pattern.digest, []).append(f"@{pattern.digest}")
        tag_patterns = [pattern.tag for pattern in patterns if not pattern.digest]
        if tag_patterns:
            self._read_tags(repository, tag_patterns)
            with self._client.open_repository(repository.registry, repository.name) as opened:
                for tag in repository.tags:
                    root = self._resolve(repository, opened, tag)
                    if root:
                        roots.setdefault(root, []).append(tag)
        return roots

    def _read_tags(self, repository: _Repository, patterns: Sequence[str]) -> None:
        """Add the selected tags to the repository."""
        listed = self._client.list_tags(repository.registry, repository.name)
        if listed.invalid:
            message = f"{listed.invalid:,} names of tags are invalid"
            repository.problems.append(SelectionProblem(repository.full_name, message))
        if self._state:
            self._state.remove_missing_names(repository.full_name, listed.names)
        for tag in listed.names:
            if _ATTACHED.fullmatch(tag):
                repository.attached += 1
            elif self._accepts(repository.name, tag, patterns):
                repository.tags.append(tag)

    def _accepts(self, repository: str, tag: str, patterns: Iterable[str]) -> bool:
        return (
            any(matches(pattern, tag) for pattern in patterns)
            and (not self._options.tags or any(matches(pattern, tag) for pattern in self._options.tags))
            and not self._is_excluded(tag, repository, f"{repository}:{tag}")
        )

    def _is_excluded(self, *names: str) -> bool:
        return any(matches(pattern, name) for pattern in self._options.exclude for name in names)

    def _resolve(self, repository: _Repository, opened: OciRepository, tag: str) -> str:
        """Return the digest of a tag; empty if it was deleted meanwhile or cannot be read, which is recorded."""
        try:
            root = resolve_tag(opened, tag)
        except ScanStoppedError:
            raise
        except (RegistryError, RejectedArtifactError) as error:
            repository.problems.append(SelectionProblem(f"{repository.full_name}:{tag}", str(error)))
            return ""
        repository.deleted += not root
        return root

    def _create_image(self, repository: _Repository, root: str, tags: list[str]) -> SelectedImage:
        return _create_image(repository, root, tags, self._platform)

    def _split(self, repository: _Repository, image: SelectedImage) -> list[SelectedImage]:
        """Return the images of all platforms of an index; the image itself if it has no index."""
        try:
            manifests = self._client.list_platforms(repository.registry, repository.name, image.root)
        except ImageAccessError:
            # An artifact, or damaged: the description or the scan reports it.
            return [image]
        except ScanStoppedError:
            raise
        except RegistryError as error:
            repository.problems.append(SelectionProblem(image.name, str(error)))
            return []
        return [
            msgspec.structs.replace(image, root=manifest.digest, platform="", label=_label(manifest))
            for manifest in manifests
        ] or [image]

    def _describe(self, repository: _Repository, image: SelectedImage) -> list[SelectedImage]:
        """Return the image with its description; nothing for an artifact, and for one that cannot be read."""
        try:
            description = self._client.describe(repository.registry, repository.name, image.root, image.platform)
        except ImageAccessError as error:
            message = str(error).removeprefix(f"{image.reference}: ")
            repository.problems.append(SelectionProblem(image.name, message))
            return []
        if description.is_artifact:
            repository.artifacts += 1
            return []
        return [msgspec.structs.replace(image, description=description)]

    def _select_newest(self, repository: _Repository, images: list[SelectedImage]) -> list[SelectedImage]:
        """Return the images that --since and --newest leave."""
        count, since = len(images), self._options.since
        if since is not None:
            images = [image for image in images if (created := read_created(image)) and created.date() >= since]
        images.sort(key=_order_image, reverse=True)
        if self._options.newest:
            roots = list(dict.fromkeys(image.names for image in images))[: self._options.newest]
            images = [image for image in images if image.names in roots]
        repository.older = count - len(images)
        return images

    def _explain_unmatched(
        self,
        patterns: Sequence[RegistryPattern],
        repositories: Sequence[_Repository],
        problems: Sequence[SelectionProblem],
    ) -> list[SelectionProblem]:
        """Return a problem for each pattern without any match, unless its registry has a problem already."""
        names = {problem.name for problem in problems}
        unmatched = []
        for pattern in patterns:
            own = [
                repository
                for repository in repositories
                if repository.registry == pattern.registry and pattern.matches_repository(repository.name)
            ]
            if pattern.registry in names or any(
                repository.full_name in names or repository.tags or repository.images for repository in own
            ):
                continue
            text = f"{pattern.registry}/{pattern.repository}"
            message = "no tag matches this pattern" if own else "no repository matches this pattern"
            version = f"@{pattern.digest}" if pattern.digest else f":{pattern.tag}"
            unmatched.append(SelectionProblem(f"{text}{version}", message))
        return unmatched


def select_known(names: Iterable[ImageName]) -> tuple[SelectedImage, ...]:
    """Return the images with names in a state, sorted by repository, as `ImageSelector` returns them."""
    repositories: dict[str, dict[tuple[str, str, str], list[str]]] = {}
    for name in names:
        roots = repositories.setdefault(name.repository, {})
        roots.setdefault((name.root, name.platform, name.label), []).append(name.tag)
    selected = []
    for full_name, roots in repositories.items():
        registry, _, path = full_name.partition("/")
        repository = _Repository(registry, path)
        for (root, platform, label), tags in roots.items():
            image = msgspec.structs.replace(_create_image(repository, root, tags, platform), label=label)
            repository.images.append(image)
        repository.images.sort(key=_order_image, reverse=True)
        selected.append(repository)
    return _join(selected)


def _create_image(repository: _Repository, root: str, tags: list[str], platform: str) -> SelectedImage:
    """Return an image with its names, the best one first."""
    ordered = sorted(tags, key=order_tag, reverse=True)[:_MOST_EQUAL]
    full_name = repository.full_name
    names = tuple(f"{full_name}{tag}" if tag.startswith("@") else f"{full_name}:{tag}" for tag in ordered)
    return SelectedImage(
        registry=repository.registry, repository=repository.name, root=root, names=names, platform=platform
    )


def select_repositories(names: Iterable[str], registry: str) -> list[str]:
    """Return the repositories of a registry in a list of names with or without a registry, sorted."""
    prefix = f"{registry}/"
    own = (name.removeprefix(prefix) for name in names if name.startswith(prefix) or not _has_registry(name))
    return sorted(set(own))


def _has_registry(name: str) -> bool:
    host, slash, _ = name.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")


def split_tag(tag: str) -> tuple[tuple[int, ...], str]:
    """Return the numbers at the beginning of a tag and the rest, its variant: `3.11-slim` has 3, 11 and `slim`."""
    match = _NUMBERS.fullmatch(tag)
    return ((), tag) if match is None else (tuple(map(int, match[1].split("."))), match[2] or "")


def order_tag(tag: str) -> tuple[tuple[int, ...], bool, str]:
    """Return the sort key of a tag: its numbers, releases above pre-releases, then the text. 1.2.3 is above 1.2 and latest."""
    match = _NUMBERS.fullmatch(tag)
    if match is None:
        return (), False, tag
    return tuple(int(number) for number in match[1].split(".")), not match[2], tag


def read_created(image: SelectedImage) -> dt.datetime | None:
    """Return the time of creation in the configuration of a described image; None if it has none."""
    description = image.description
    text = description.image.created if description and description.image else ""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _order_image(image: SelectedImage) -> tuple[float, tuple[tuple[int, ...], bool, str], str]:
    """Return the sort key: the time of creation, then the best tag. Reproducible builds have the same time."""
    created = read_created(image)
    tag = image.names[0].rpartition(":")[2]
    return created.timestamp() if created else 0.0, order_tag(tag), image.label


def _label(manifest: ImageDescriptor) -> str:
    return str(manifest.platform.normalise()) if manifest.platform else manifest.digest


def _join(repositories: Iterable[_Repository]) -> tuple[SelectedImage, ...]:
    """Return each image once, with its names in all repositories."""
    images: dict[tuple[str, str, str], SelectedImage] = {}
    for repository in repositories:
        for image in repository.images:
            key = (image.registry, image.root, image.platform)
            known = images.get(key)
            if known is not None:
                names = tuple(dict.fromkeys((*known.names, *image.names)))[:_MOST_EQUAL]
                image = msgspec.structs.replace(known, names=names)  # noqa: PLW2901 - joined with an earlier one
            images[key] = image
    return tuple(images.values())
