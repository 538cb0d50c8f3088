"""Vulnerabilities of the images that manifests refer to, from the SBOMs of the workspace, at the lines of the references."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kubekeep.vulnerabilities.database.build import build_database
from tests.lsp.client import Editor
from tests.lsp.samples import POD, TEMPLATE, VALUES, find_line, write_chart, write_files

EXAMPLES = Path(__file__).parents[2] / "examples"
IMAGE = "registry.example.com/shop/storefront:2.1"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment with a database of the advisories of the examples."""
    records = [path for path in (EXAMPLES / "advisories").iterdir() if path.suffix == ".jsonl"]
    build_database(records, tmp_path / "database")
    return {"KUBEKEEP_DATABASE": str(tmp_path / "database")}


def write_workspace(folder: Path, text: str) -> Path:
    (folder / "sboms").mkdir(parents=True)
    shutil.copy(EXAMPLES / "sboms" / "storefront.cdx.json", folder / "sboms")
    return write_files(folder, {"pod.yaml": text})


def write_pod(image: str) -> str:
    line = next(line for line in POD.splitlines() if "image:" in line)
    return POD.replace(line, f"{line[: line.index('image:')]}image: {image}")


def test_vulnerabilities_are_at_the_line_of_the_image(tmp_path: Path, environment: dict[str, str]) -> None:
    text = write_pod(IMAGE)
    with Editor(write_workspace(tmp_path / "work", text), environment=environment) as editor:
        path = editor.open("pod.yaml")
        (diagnostic,) = (each for each in editor.diagnostics(path) if IMAGE in each["message"])
        assert diagnostic["range"]["start"]["line"] == find_line(text, "image:")
        assert f"{IMAGE} has 8 vulnerabilities: " in diagnostic["message"]
        assert "upgrade werkzeug 2.3.7 to 2.3.8" in diagnostic["message"]
        assert diagnostic["code"] == "CVE-2023-46136"
        titles = [action["title"] for action in editor.actions(path, diagnostic["range"]["start"]["line"])]
        assert not any("Suppress CVE" in title for title in titles)
        assert any("exception for CVE-2023-46136" in title for title in titles)
        # Another tag is another image.
        editor.change(path, write_pod(IMAGE.replace("2.1", "2.2")))
        assert not any(IMAGE.rpartition(":")[0] in each["message"] for each in editor.diagnostics(path))


def test_without_a_database_there_are_none(tmp_path: Path) -> None:
    environment = {"KUBEKEEP_DATABASE": str(tmp_path / "none")}
    with Editor(write_workspace(tmp_path / "work", write_pod(IMAGE)), environment=environment) as editor:
        messages = [each["message"] for each in editor.diagnostics(editor.open("pod.yaml"))]
    assert messages
    assert not any(IMAGE in message for message in messages)


def test_image_of_a_chart_is_at_the_template_and_the_value(tmp_path: Path, environment: dict[str, str]) -> None:
    values = VALUES.replace("registry.example.com/web:1.0", IMAGE)
    folder = write_chart(write_workspace(tmp_path / "work", POD))
    (folder / "web" / "values.yaml").write_text(values)
    with Editor(folder, environment=environment) as editor:
        paths = editor.open("web/values.yaml"), editor.open("web/templates/pod.yaml", language="helm")
        for path, text, part in zip(paths, (values, TEMPLATE), (IMAGE, ".Values.image"), strict=True):
            (diagnostic,) = (each for each in editor.diagnostics(path) if f"{IMAGE} has 8 v" in each["message"])
            assert diagnostic["range"]["start"]["line"] == find_line(text, part)
        editor.change(paths[0], values.replace("2.1", "2.2"))
        assert not any(f"{IMAGE} has" in each["message"] for each in editor.diagnostics(paths[0]))
        editor.change(paths[0], values)
        assert any(f"{IMAGE} has" in each["message"] for each in editor.diagnostics(paths[0]))


def test_image_of_a_kustomization_is_at_the_line_that_names_it(tmp_path: Path, environment: dict[str, str]) -> None:
    name, _, tag = IMAGE.rpartition(":")
    kustomization = f"resources: [pod.yaml]\nimages:\n  - name: storefront\n    newName: {name}\n    newTag: '{tag}'\n"
    folder = write_workspace(tmp_path / "work", POD)
    write_files(folder, {"app/pod.yaml": write_pod("storefront"), "app/kustomization.yaml": kustomization})
    with Editor(folder, environment=environment) as editor:
        path = editor.open("app/kustomization.yaml")
        (diagnostic,) = (each for each in editor.diagnostics(path) if f"{IMAGE} has 8 v" in each["message"])
        assert diagnostic["range"]["start"]["line"] == find_line(kustomization, "newTag")
