"""OPA's conformance cases, read from the folder `v1/test/cases/testdata` of OPA's Go module and never copied.

`v1/test/cases/cases.go` of the same module documents their fields.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

MODULE = "github.com/open-policy-agent/opa@v1.22.2"


@dataclass(frozen=True, slots=True)
class Case:
    """Conformance case: modules, query, documents and OPA's result."""

    version: Literal["v0", "v1"]
    folder: str
    note: str
    query: str
    modules: tuple[str, ...]
    data: Any
    input: Any
    input_term: str | None
    want_result: list[dict[str, Any]] | None
    want_error_code: str | None
    want_error: str | None
    strict: bool
    sort_bindings: bool
    ignore_generated: bool

    @property
    def wants_error(self) -> bool:
        return self.want_error_code is not None or self.want_error is not None


@cache
def directory() -> Path | None:
    """Return the folder with the cases, fetched by the `go` command; None if there is no `go`."""
    go = shutil.which("go")
    if go is None:
        return None
    process = subprocess.run([go, "mod", "download", "-json", MODULE], capture_output=True, check=True)
    return Path(json.loads(process.stdout)["Dir"]) / "v1/test/cases/testdata"


def load(root: Path) -> Iterator[Case]:
    """Yield all cases in the order of their files."""
    for file in sorted(root.glob("v[01]/**/*.yaml")):
        version, folder = file.relative_to(root).parts[:2]
        document = yaml.load(file.read_text("utf-8"), Loader=_Loader)
        for entry in _as_json(document)["cases"]:
            yield _case("v0" if version == "v0" else "v1", folder, entry)


def _case(version: Literal["v0", "v1"], folder: str, entry: dict[str, Any]) -> Case:
    return Case(
        version=version,
        folder=folder,
        note=entry["note"],
        query=entry["query"],
        modules=tuple(entry.get("modules") or ()),
        data=entry.get("data"),
        input=entry.get("input"),
        input_term=entry.get("input_term"),
        want_result=entry.get("want_result"),
        want_error_code=entry.get("want_error_code"),
        want_error=entry.get("want_error"),
        strict=entry.get("strict_error", False),
        sort_bindings=entry.get("sort_bindings", False),
        ignore_generated=entry.get("ignore_generated_vars", False),
    )


_NOT_IN_GO = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")


class _Loader(yaml.CSafeLoader):
    """Loader with the scalars of Go's YAML library: 1e3 is a number, a date and `on` are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - declared so by the library
        first: [(tag, pattern) for tag, pattern in pairs if tag not in _NOT_IN_GO]
        for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _as_json(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_json(element) for element in value]
    return value


def _key(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(key)
