"""Files `*.mesh` with one proxy a line: namespace, name and the age of its certificate in days."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.definition import Definition
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.location import Path as FieldPath
from kubekeep.model.source import FileType, Source
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import PASSED, Cause, Evidence, Reason, Status, Verdict
from kubekeep.sources.source import ReadContext, Root, SourceType

MAX_AGE = 30
_FILE_TYPE = FileType("mesh", "mesh")


class ExpiredCertificate(Definition, frozen=True, kw_only=True):
    """A certificate that is too old."""

    @property
    def kind(self) -> str:
        return "expiry"


EXPIRED = ExpiredCertificate(
    slug="mesh-certificate-age",
    ids=("MESH-1",),
    title="The certificate of a proxy is too old",
    severity=9.5,
    why="A stolen certificate is valid for too long.",
    fix="Rotate the certificate.",
    references=("https://example.com/rotation",),
)


class Proxy(Subject, frozen=True):
    """A proxy of a service mesh."""

    name: str
    namespace: str
    age: str
    source: Source
    line: int

    @property
    def has_problems(self) -> bool:
        return True

    def locate(self, path: FieldPath) -> Location:
        del path
        position = Position(self.line, 1)
        return Location(self.source.path, Region(position, position))

    def list_problems(self) -> Iterator[tuple[Definition, Verdict]]:
        if not self.age.isdecimal():
            yield EXPIRED, Verdict(Status.NOT_EVALUATED, reason=Reason(Cause.MALFORMED, "the age is no number"))
        elif int(self.age) <= MAX_AGE:
            yield EXPIRED, PASSED
        else:
            message = f"certificate is {self.age} days old"
            yield (
                EXPIRED,
                Verdict(Status.FAILED, (Evidence("age", exists=True, location=self.locate(()), message=message),)),
            )


class MeshSource(SourceType):
    """Files of proxies."""

    name = "mesh"
    order = 1000

    def matches_file(self, name: str) -> bool:
        return name.endswith(".mesh")

    def matches_entry(self, name: str) -> bool:
        return name.endswith(".mesh")

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Subject | UnreadInput]:
        for root in roots:
            context.files += 1
            lines = Path(root.path).read_text(encoding="utf-8").splitlines()
            for number, line in enumerate(lines, start=1):
                namespace, name, age = line.split()
                yield Proxy(name, namespace, age, Source(root.shown_path, os.getcwd(), _FILE_TYPE, 0), number)  # noqa: PTH109


SOURCE = MeshSource()
