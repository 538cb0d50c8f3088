"""Vulnerabilities of many images and SBOMs, or of the images that workloads run: by package, by image and by base image.

A list states the number of the entries that it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.image import KIND as IMAGE_KIND
from kubekeep.model.workload_container import WorkloadContainer
from kubekeep.reports.format import View
from kubekeep.reports.pretty.findings import count_levels
from kubekeep.reports.shared.fleet import Fleet, FleetBase, FleetImage, FleetPackage, build_fleet
from kubekeep.reports.shared.terminal import Span, Terminal, cells
from kubekeep.reports.shared.vulnerabilities import iterate_subjects
from kubekeep.reports.shared.vulnerability_text import describe_containers
from kubekeep.reports.shared.wording import count_noun, shorten, shorten_start

_LEVEL: Final = 12
"""Columns of the level of a line."""
_PER_IMAGE: Final = 4
"""Maximum number of packages of an image on the first screen."""
_IDS: Final = 3
"""Maximum number of vulnerabilities that a line names."""
_ID: Final = 17
"""Columns of an identifier."""
_BASES: Final = 3
"""Maximum number of base images on the first screen."""
_NAMES: Final = 3
"""Maximum number of images that a base image names."""


class PackageWriter:
    """Writer of the lines of packages, with aligned columns. packages: those whose lines follow each other."""

    def __init__(self, terminal: Terminal, packages: Sequence[FleetPackage]) -> None:
        self._room = max(terminal.width - _LEVEL, 28)
        upgrades = (cells(self._describe_upgrade(package)) for package in packages)
        self._upgrade = min(max(upgrades, default=0), self._room * 55 // 100)
        images = (cells(self._describe_images(package)) for package in packages)
        self._images = min(max(images, default=0), self._room // 4)

    def write(self, terminal: Terminal, package: FleetPackage) -> None:
        """Write a package: its upgrade, its images and vulnerabilities, then where it runs."""
        rest = self._room - self._upgrade - self._images - 4 - (11 if package.is_exploited else 0)
        ids = _join_ids(package.ids, rest)
        terminal.line(
            Span(f"{package.level.label.upper():8}", f"bold {package.level.colour}", whole=True),
            "  ",
            *([Span("NEW ", "bold red")] if package.is_new else []),
            Span(_pad(self._describe_upgrade(package), self._upgrade), "bold", whole=True),
            "  ",
            Span(_pad(self._describe_images(package), self._images, keeps_end=True), whole=True),
            "  ",
            Span(ids, "cyan", whole=True),
            *([Span("  exploited", "bold red", whole=True)] if package.is_exploited else []),
            indent=2,
            hang=10,
        )
        if package.containers:
            self._write_containers(terminal, package.containers)

    def write_group(self, terminal: Terminal, packages: Sequence[FleetPackage]) -> None:
        """Write a package, or packages of images that workloads run: the images and workloads, then each package."""
        first = packages[0]
        if not first.containers:
            self.write(terminal, first)
            return
        terminal.line(
            Span(f"{first.level.label.upper():8}", f"bold {first.level.colour}", whole=True),
            "  ",
            *([Span("NEW ", "bold red")] if first.is_new else []),
            Span(shorten_start(self._describe_images(first), self._room), "bold", whole=True),
            indent=2,
            hang=10,
        )
        self._write_containers(terminal, first.containers)
        size = max(cells(self._describe_upgrade(package)) for package in packages)
        size = min(size, self._room - _ID - 4)
        for package in packages[:_PER_IMAGE]:
            room = self._room - size - 2 - (11 if package.is_exploited else 0)
            terminal.line(
                Span(f"{package.level.label.upper():>8}", package.level.colour, whole=True),
                "  ",
                Span(_pad(self._describe_upgrade(package), size), whole=True),
                "  ",
                Span(_join_ids(package.ids, room), "cyan", whole=True),
                *([Span("  exploited", "bold red", whole=True)] if package.is_exploited else []),
                indent=2,
                hang=10,
            )
        if len(packages) > _PER_IMAGE:
            rest = count_noun(len(packages) - _PER_IMAGE, "more package")
            terminal.line(Span(f"… and {rest} (--view package)", "dim"), indent=_LEVEL)

    def _write_containers(self, terminal: Terminal, containers: Sequence[WorkloadContainer]) -> None:
        text = describe_containers(containers)
        terminal.line(Span(shorten(text, 3 * self._room - _LEVEL), "dim"), indent=_LEVEL, hang=0)

    @staticmethod
    def _describe_upgrade(package: FleetPackage) -> str:
        step = f"→ {package.fixed_version}" if package.fixed_version else "(no fix)"
        return f"{package.package} {package.version} {step}"

    @staticmethod
    def _describe_images(package: FleetPackage) -> str:
        if len(package.subjects) > 1:
            is_image = any(subject.kind == IMAGE_KIND for subject in package.subjects)
            return count_noun(len(package.subjects), "image" if is_image else "SBOM")
        return package.subjects[0].name or package.subjects[0].label


def write_bases(terminal: Terminal, bases: Sequence[FleetBase], limit: int = _BASES) -> None:
    """Write the base images with the number of images and of the vulnerabilities that come from them."""
    if not bases:
        return
    terminal.line(Span("Base images", "bold"))
    room = max(terminal.width * 2 // 5, 20)
    rows = [
        [
            Span(
                shorten_start(base.name, room) if base.name else shorten(_describe_base(base), room), "bold", whole=True
            ),
            Span(count_noun(len(base.images), "image"), whole=True),
            Span(_describe_share(base), whole=True),
        ]
        for base in bases[:limit]
    ]
    terminal.table(rows, indent=2, left=3)
    if len(bases) > limit:
        terminal.line(Span(f"… and {count_noun(len(bases) - limit, 'more base image')} (--view base)", "dim"), indent=2)
    terminal.line()


def _describe_base(base: FleetBase) -> str:
    layers = count_noun(base.layers, "common layer")
    return f"{base.distribution or 'unknown base'}, {layers}"


def _describe_share(base: FleetBase) -> str:
    total = len(base.ids | base.own_ids)
    if not total:
        return "no known vulnerabilities"
    return f"source of {len(base.ids):,} of {count_noun(total, 'vulnerability')}"


def write_view(terminal: Terminal, assessment: Assessment, view: View) -> None:
    """Write all packages, images or base images of a scan."""
    fleet = build_fleet(iterate_subjects(assessment))
    if not fleet.images:
        terminal.line("No image or SBOM was compared with advisories.")
        terminal.line()
        return
    _VIEWS[view](terminal, fleet)


def _write_packages(terminal: Terminal, fleet: Fleet) -> None:
    ids = {name for package in fleet.packages for name in package.ids}
    count = count_noun(len(fleet.packages), "package version")
    images = count_noun(len(fleet.images), "image")
    terminal.line(Span(f"{count} with {count_noun(len(ids), 'vulnerability')} in {images}", "bold"))
    terminal.line()
    writer = PackageWriter(terminal, fleet.packages)
    for package in fleet.packages:
        writer.write(terminal, package)
    terminal.line()


def _write_images(terminal: Terminal, fleet: Fleet) -> None:
    for image in fleet.images:
        _write_image(terminal, image)
    terminal.line()


def _write_image(terminal: Terminal, image: FleetImage) -> None:
    facts = [image.distribution, count_noun(image.packages, "package")]
    terminal.line(
        Span(shorten_start(image.reference, terminal.width - 2), "bold", whole=True),
        Span(f"  {' · '.join(filter(None, facts))}", "dim"),
    )
    figures: list[Span | str] = [Span("no known vulnerabilities", "green")]
    if image.scores:
        more = [f"{image.fixable:,} with a fix"]
        more += [f"{image.exploited:,} known to be exploited"] if image.exploited else []
        total = count_noun(len(image.scores), "vulnerability")
        figures = [f"{total}: ", *count_levels(image.levels, "bold"), f" · {' · '.join(more)}"]
    elif image.unassessed:
        figures = [Span("no known vulnerabilities in the packages that were assessed", "yellow")]
    if image.unassessed:
        figures.append(
            Span(f" · {image.unassessed:,} of {count_noun(image.packages, 'package')} not assessed", "yellow")
        )
    terminal.line(*figures, indent=2)
    for container in image.containers:
        terminal.line(Span(describe_containers([container]), "dim"), indent=2, hang=2)


def _write_bases(terminal: Terminal, fleet: Fleet) -> None:
    if not fleet.bases:
        terminal.line("No two images have a layer in common.")
    for base in fleet.bases:
        terminal.line(Span(base.name or _describe_base(base), "bold", whole=True), Span(f"  {_describe_share(base)}"))
        if base.name:
            terminal.line(Span(_describe_base(base), "dim"), indent=2)
        names = ", ".join(base.images[:_NAMES])
        more = f" and {len(base.images) - _NAMES:,} more" if len(base.images) > _NAMES else ""
        terminal.line(Span(f"{count_noun(len(base.images), 'image')}: {names}{more}", "dim"), indent=2, hang=2)
    terminal.line()


_VIEWS: Final[dict[View, Callable[[Terminal, Fleet], None]]] = {
    View.PACKAGE: _write_packages,
    View.IMAGE: _write_images,
    View.BASE: _write_bases,
}


def _join_ids(ids: Sequence[str], room: int) -> str:
    """Return the first identifiers that fit, and the number of the others."""
    shown = max(1, min(_IDS, (room - 5) // _ID, len(ids)))
    rest = len(ids) - shown
    return " ".join(ids[:shown]) + (f" +{rest}" if rest else "")


def _pad(text: str, size: int, *, keeps_end: bool = False) -> str:
    short = shorten_start(text, size - 1) if keeps_end and cells(text) > size else text
    short = shorten(short, size - 1) if cells(short) > size else short
    return f"{short}{' ' * max(0, size - cells(short))}"


def list_shown(group: Sequence[FleetPackage]) -> Sequence[FleetPackage]:
    """Return the packages of a group that the first screen has."""
    return group[:_PER_IMAGE]


def count_findings(packages: Iterable[FleetPackage]) -> int:
    """Return the number of findings about packages: one for each vulnerability of each image."""
    return len({(id(subject), name) for package in packages for subject in package.subjects for name in package.ids})
