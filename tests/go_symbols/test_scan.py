"""Scans of images with real Go programs and real records of the Go vulnerability database, by the real program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import run_command_line
from tests.go_symbols.programs import RECORDS, GoPrograms
from tests.images.building import LayoutBuilder
from tests.images.layer_files import build_tar

KUBEKEEP = Path(sys.executable).parent / "kubekeep"
PROGRAM = """package main

import (
	"os"

	"{path}"
)

func main() {{ println({code}, os.Args[0]) }}
"""
LANGUAGE, WIDTH, HTML = "golang.org/x/text/language", "golang.org/x/text/width", "golang.org/x/net/html"
STRIPPED = ("-trimpath", "-ldflags=-s -w")
ACCEPT_LANGUAGE = "CVE-2022-32149"
RENDER = "CVE-2023-3978"
PARSE = "CVE-2024-45338"
ABSENT = "no vulnerable symbol of golang.org/x/text/language is linked into the executable"


def kubekeep(*arguments: str, folder: Path, code: int = 0) -> str:
    variables = {"XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1", "COLUMNS": "200"}
    done = run_command_line(*arguments, folder=folder, variables=variables)
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def write_image(folder: Path, *layers: dict[str, Path]) -> str:
    """Write an image of executables without anything else."""
    layout = LayoutBuilder(folder / "layout")
    archives = [build_tar({path: target.read_bytes() for path, target in layer.items()}) for layer in layers]
    layout.write_index([layout.add_image(archives)])
    return f"oci:{layout.folder}"


def scan(image: str, folder: Path, *advisories: Path) -> dict[str, dict[str, Any]]:
    """Return the vulnerabilities of a scan by identifier."""
    options = [option for path in advisories or (RECORDS,) for option in ("--advisories", str(path))]
    kubekeep("image", "scan", image, *options, "-f", "json", "-o", "report.json", folder=folder)
    report = json.loads((folder / "report.json").read_text())
    return {entry["id"]: entry for entry in report.get("vulnerabilities", ())}


@pytest.mark.parametrize(
    ("path", "code", "expected"),
    [
        (LANGUAGE, 'language.ParseAcceptLanguage("x")', {ACCEPT_LANGUAGE}),
        (LANGUAGE, 'language.Make("x")', set()),
        (WIDTH, 'width.Fold("x")', set()),
        (HTML, 'html.Render()("x")', {RENDER}),
        (HTML, 'html.EscapeString("x")', set()),
    ],
)
def test_only_linked_functions_are_vulnerable(
    path: str, code: str, expected: set[str], programs: GoPrograms, tmp_path: Path
) -> None:
    target = programs.build(PROGRAM.format(path=path, code=code), *STRIPPED)
    assert scan(write_image(tmp_path, {"bin/app": target}), tmp_path).keys() == expected


def test_cached_layers_give_the_same_result(programs: GoPrograms, tmp_path: Path) -> None:
    """An SBOM is made without symbols; a scan does not use what its reading of the layers left in the cache."""
    vulnerable = programs.build(PROGRAM.format(path=LANGUAGE, code='language.ParseAcceptLanguage("x")'), *STRIPPED)
    safe = programs.build(PROGRAM.format(path=LANGUAGE, code='language.Make("x")'), *STRIPPED)
    image = write_image(tmp_path, {"bin/app": vulnerable}, {"bin/app": safe})
    kubekeep("image", "sbom", image, "-o", "sbom.json", folder=tmp_path)
    assert "golang.org/x/text" in (tmp_path / "sbom.json").read_text()
    for _ in range(2):
        assert not scan(image, tmp_path)
    kubekeep("image", "sbom", image, "-o", "other.json", folder=tmp_path)
    assert (tmp_path / "other.json").read_text() == (tmp_path / "sbom.json").read_text()


def test_one_of_two_executables_is_vulnerable(programs: GoPrograms, tmp_path: Path) -> None:
    vulnerable = programs.build(PROGRAM.format(path=LANGUAGE, code='language.ParseAcceptLanguage("x")'), *STRIPPED)
    safe = programs.build(PROGRAM.format(path=LANGUAGE, code='language.Make("x")'), *STRIPPED)
    assert scan(write_image(tmp_path, {"bin/a": safe, "bin/b": vulnerable}), tmp_path).keys() == {ACCEPT_LANGUAGE}


def test_explanation_names_the_reason(programs: GoPrograms, tmp_path: Path) -> None:
    options = ("--advisories", str(RECORDS))
    safe = programs.build(PROGRAM.format(path=LANGUAGE, code='language.Make("x")'), *STRIPPED)
    image = write_image(tmp_path, {"bin/app": safe})
    assert ABSENT in kubekeep("image", "explain", image, ACCEPT_LANGUAGE, *options, folder=tmp_path)
    other = programs.build(PROGRAM.format(path=WIDTH, code='width.Fold("x")'), *STRIPPED)
    image = write_image(tmp_path / "other", {"bin/app": other})
    text = kubekeep("image", "explain", image, ACCEPT_LANGUAGE, *options, folder=tmp_path)
    assert "the vulnerable import paths (golang.org/x/text/language) are not linked into the executable" in text
    # An SBOM has no functions.
    kubekeep("image", "sbom", image, "-o", "sbom.json", folder=tmp_path)
    text = kubekeep("image", "explain", "sbom:sbom.json", ACCEPT_LANGUAGE, *options, folder=tmp_path)
    assert "0.3.7 is in < 0.3.8" in text


def test_comparison_of_images(programs: GoPrograms, tmp_path: Path) -> None:
    vulnerable = programs.build(PROGRAM.format(path=LANGUAGE, code='language.ParseAcceptLanguage("x")'), *STRIPPED)
    safe = programs.build(PROGRAM.format(path=LANGUAGE, code='language.Make("x")'), *STRIPPED)
    old = write_image(tmp_path / "old", {"bin/app": vulnerable})
    new = write_image(tmp_path / "new", {"bin/app": safe})
    text = kubekeep("image", "diff", old, new, "--advisories", str(RECORDS), folder=tmp_path)
    assert "1 resolved" in text


def test_replaced_module_has_records_under_its_own_name(programs: GoPrograms, tmp_path: Path) -> None:
    """The executable names the import path of the replaced module, and the record that of the other one."""
    replaced = "replace golang.org/x/net => github.com/Shop/net v1.0.0"
    record = next(entry for entry in map(json.loads, RECORDS.read_text().splitlines()) if entry["id"] == "GO-2023-1988")
    affected = record["affected"][0]
    affected["package"]["name"] = "github.com/Shop/net"
    affected["ranges"] = [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]
    affected["ecosystem_specific"]["imports"][0]["path"] = "github.com/Shop/net/html"
    advisories = tmp_path / "record.json"
    advisories.write_text(json.dumps(record))
    for name, code, expected in (("a", 'html.Render()("x")', {RENDER}), ("b", 'html.EscapeString("x")', set())):
        target = programs.build(PROGRAM.format(path=HTML, code=code), *STRIPPED, requires=replaced)
        assert scan(write_image(tmp_path / name, {"bin/app": target}), tmp_path, advisories).keys() == expected


def test_main_package_has_the_path_of_its_folder(programs: GoPrograms, tmp_path: Path) -> None:
    record = {
        "id": "GO-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "Go", "name": "stdlib"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
                "ecosystem_specific": {"imports": [{"path": "example.com/app", "symbols": ["serve"]}]},
            }
        ],
    }
    advisories = tmp_path / "record.json"
    for function, expected in (("serve", {"GO-2026-1"}), ("other", set())):
        record["affected"][0]["ecosystem_specific"]["imports"][0]["symbols"] = [function]  # type: ignore[index]
        advisories.write_text(json.dumps(record))
        source = 'package main\n\nimport "os"\n\n//go:noinline\nfunc serve() { println(os.Args[0]) }\n\nfunc main() { serve() }\n'
        target = programs.build(source, *STRIPPED)
        assert scan(write_image(tmp_path / function, {"bin/app": target}), tmp_path, advisories).keys() == expected
