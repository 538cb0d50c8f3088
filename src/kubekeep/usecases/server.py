"""A server as Python programs use it: submits assessments, and reads results. Never prints.

The HTTP client is loaded when a server is opened.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar
from urllib.parse import quote

from kubekeep.model.assessment import Assessment
from kubekeep.model.server_results import (
    FindingResult,
    PackageResult,
    SourceResult,
    SubmissionReceipt,
    VulnerabilityResult,
    WorkloadResult,
)

PathLike = str | os.PathLike[str]
Texts = str | Iterable[str]
"""One text, or several of which any matches."""
Numbers = int | Iterable[int]
T = TypeVar("T")
_API: Final = "/api/v1"
_PATIENCE: Final = 120.0


class _Session(Protocol):
    """Requests to a server, which `server_session` makes with the HTTP client."""

    @property
    def address(self) -> str: ...

    def submit(self, assessment: Assessment) -> SubmissionReceipt: ...

    def iterate(self, path: str, row: type[T], parameters: Mapping[str, Any]) -> Iterator[T]: ...

    def close(self) -> None: ...


class Server:
    """A Kubekeep server. Close it, or use it in `with`. One thread uses it at a time.

    address: `https://HOST`; without one, KUBEKEEP_SERVER or the login of `kubekeep login`. token: without one, KUBEKEEP_TOKEN or
    the login. authority_file: PEM certificates to trust beside those of the system. patience: seconds to wait in total for a
    server that is busy or cannot be reached. Lists are read in pages while they are iterated. Methods raise KubekeepError:
    RefusedRequestError with the status and the reason of the server, ServerLoginError, and UnreachableServerError.
    """

    def __init__(
        self, address: str = "", *, token: str = "", authority_file: PathLike = "", patience: float = _PATIENCE
    ) -> None:
        """Raises ServerAddressError, and ServerLoginError without a server or a token. Connects to nothing."""
        self._session = _open(address, token, os.fspath(authority_file), patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Server({self._session.address!r})"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def submit(self, assessment: Assessment) -> SubmissionReceipt:
        """Send an assessment of a scan with `identify=True`, and return the acknowledgement: the server has stored it.

        Results that the server cannot receive now are kept in the spool of this user; the next submission sends them, too.
        """
        return self._session.submit(assessment)

    def sources(self, *, kind: str = "", text: str = "", order: str = "") -> Iterator[SourceResult]:
        """Yield sources. kind: `cluster`, `repository` or `registry`. text: a part of the name.

        order: `name`, `critical`, `last_scan` or `silent`.
        """
        return self._session.iterate(f"{_API}/sources", SourceResult, {"kind": kind, "text": text, "order": order})

    def findings(  # noqa: PLR0913 - each filter is an argument
        self,
        *,
        source: Numbers = (),
        namespace: Texts = (),
        kind: Texts = (),
        name: Texts = (),
        owner: Texts = (),
        label: Texts = (),
        definition: Texts = (),
        definition_kind: Texts = (),
        priority: Texts = (),
        severity: Texts = (),
        text: str = "",
        opened_since: dt.datetime | None = None,
        opened_before: dt.datetime | None = None,
        state: str = "",
        due: str | None = None,
        exposed: bool | None = None,
        order: str = "",
    ) -> Iterator[FindingResult]:
        """Yield findings of workloads and other subjects, but for images, the most urgent first.

        source: numbers of sources. kind, name: of subjects. owner: `-` for subjects without one. label: `app=web`, or `app` for
        any value. definition: keys of controls. priority: `low` to `critical`. severity: of the control. state: `open`, `decided`, `suppressed` or `unknown`. due: `overdue` or `week`. exposed: True for
        subjects that can be reached from outside. order: `priority`, `severity`, `oldest` or `newest`.
        """
        filters = {name: value for name, value in locals().items() if name != "self"}
        return self._session.iterate(f"{_API}/findings", FindingResult, filters)

    def vulnerabilities(
        self,
        *,
        source: Numbers = (),
        priority: Texts = (),
        severity: Texts = (),
        text: str = "",
        exploited: bool | None = None,
        exposed: bool | None = None,
        fixable: bool | None = None,
        order: str = "",
    ) -> Iterator[VulnerabilityResult]:
        """Yield vulnerabilities of images, each once, the most urgent first.

        priority: `low` to `critical`, in the image where it is most urgent. severity: of the vulnerability. order: `priority`, `severity`, `epss`, `images` or `newest`.
        """
        filters = {name: value for name, value in locals().items() if name != "self"}
        return self._session.iterate(f"{_API}/vulnerabilities", VulnerabilityResult, filters)

    def affected_workloads(self, vulnerability: str) -> Iterator[WorkloadResult]:
        """Yield the containers that run an image with a vulnerability, those that can be reached first."""
        path = f"{_API}/vulnerabilities/{quote(vulnerability, safe='')}/workloads"
        return self._session.iterate(path, WorkloadResult, {})

    def packages(self, text: str = "") -> Iterator[PackageResult]:
        """Yield packages of images. text: a part of the name."""
        return self._session.iterate(f"{_API}/packages", PackageResult, {"text": text})

    def package_workloads(self, purl: Texts) -> Iterator[WorkloadResult]:
        """Yield the containers that run an image with one of some packages, by their package URLs."""
        return self._session.iterate(f"{_API}/packages/workloads", WorkloadResult, {"purl": purl})


def _open(address: str, token: str, authority_file: str, patience: float) -> _Session:
    from kubekeep.usecases.server_session import ServerSession, select  # noqa: PLC0415 - loads the HTTP client

    return ServerSession(select(address, token, authority_file), patience)
