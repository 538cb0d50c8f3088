"""Charts and kustomizations: findings of unsaved texts at the template, the values, the base and the patch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.lsp.client import WITHOUT_PACKAGES, Editor
from tests.lsp.samples import POD, TEMPLATE, VALUES, find_line, write_chart, write_files

HOST_NETWORK = "C-0041"
OVERLAY = {
    "base/pod.yaml": POD,
    "base/kustomization.yaml": "resources: [pod.yaml]\n",
    "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
    "prod/patch.yaml": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: debug, namespace: shop}\nspec:\n  hostNetwork: false\n"
    ),
}


def find(diagnostics: list[dict[str, Any]], code: str) -> dict[str, Any]:
    return next(each for each in diagnostics if each.get("code") == code)


def test_findings_of_a_chart_are_at_the_template_and_the_values(tmp_path: Path) -> None:
    with Editor(write_chart(tmp_path)) as editor:
        values, template = editor.open("web/values.yaml"), editor.open("web/templates/pod.yaml", language="helm")
        cause, effect = (find(editor.diagnostics(path), HOST_NETWORK) for path in (values, template))
        assert cause["range"]["start"]["line"] == find_line(VALUES, "hostNetwork")
        assert effect["range"]["start"]["line"] == find_line(TEMPLATE, "hostNetwork")
        assert cause["relatedInformation"][0]["location"]["uri"] == template.as_uri()
        assert effect["relatedInformation"][0]["location"]["uri"] == values.as_uri()
        editor.change(values, VALUES.replace("true", "false"))
        assert HOST_NETWORK not in editor.codes(values)
        editor.wait_for_codes(template, lambda codes: HOST_NETWORK not in codes)
        editor.change(template, TEMPLATE.replace("privileged: false", "privileged: true"))
        assert "C-0057" in editor.codes(template)


def test_error_in_a_chart_is_a_diagnostic_of_every_open_part(tmp_path: Path) -> None:
    with Editor(write_chart(tmp_path)) as editor:
        values, template = editor.open("web/values.yaml"), editor.open("web/templates/pod.yaml", language="helm")
        editor.diagnostics(template)
        text = TEMPLATE.replace("{{ .Values.image }}", "{{ .Values.image.name }}")
        editor.change(template, text)
        (error,) = editor.diagnostics(template)
        assert "cannot be rendered" in error["message"]
        assert error["range"]["start"]["line"] == find_line(text, "image.name")
        message = editor.wait_for(
            lambda message: "cannot be rendered" in str(message) and values.as_uri() in str(message)
        )
        (other,) = message["params"]["diagnostics"]
        assert other["relatedInformation"][0]["location"]["uri"] == template.as_uri()


def test_hover_shows_the_value_and_its_place(tmp_path: Path) -> None:
    with Editor(write_chart(tmp_path)) as editor:
        values, template = editor.open("web/values.yaml"), editor.open("web/templates/pod.yaml", language="helm")
        line = find_line(TEMPLATE, ".Values.image")
        text = editor.hover(template, line, TEMPLATE.splitlines()[line].index("Values"))
        assert '"registry.example.com/web:1.0"' in text
        assert "web/values.yaml:1 image" in text
        editor.change(values, VALUES.replace("web:1.0", "web:2.0"))
        assert "web:2.0" in editor.hover(template, line, TEMPLATE.splitlines()[line].index("Values"))
        editor.change(template, TEMPLATE.replace(".Values.image", ".Values.absent"))
        assert "not set" in editor.hover(template, line, TEMPLATE.splitlines()[line].index("Values"))


def test_overlay_is_built_with_the_unsaved_texts(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    with Editor(write_files(tmp_path / "work", OVERLAY), environment={"TMPDIR": str(copies)}) as editor:
        base, patch = editor.open("base/pod.yaml"), editor.open("prod/patch.yaml")
        finding = find(editor.diagnostics(base), "C-0057")
        assert finding["range"]["start"]["line"] == find_line(POD, "privileged")
        editor.change(patch, OVERLAY["prod/patch.yaml"].replace("false", "true"))
        finding = find(editor.diagnostics(patch), HOST_NETWORK)
        assert finding["range"]["start"]["line"] == find_line(OVERLAY["prod/patch.yaml"], "hostNetwork")
        editor.change(base, POD.replace("privileged: true", "privileged: false"))
        assert "C-0057" not in editor.codes(base)
        kustomization = editor.open("prod/kustomization.yaml")
        editor.change(kustomization, "resources: [../base, missing.yaml]\n")
        assert "missing.yaml" in editor.diagnostics(kustomization)[0]["message"]
        (folder,) = copies.iterdir()
        assert not list(folder.glob("*/base/pod.yaml"))
        assert editor.end() == 0
    assert not list(copies.iterdir())


def test_missing_renderer_is_one_information(tmp_path: Path) -> None:
    command = (sys.executable, "-c", WITHOUT_PACKAGES, "helm_python")
    with Editor(write_chart(tmp_path), environment={"PATH": "/nonexistent"}, command=command) as editor:
        (problem,) = editor.diagnostics(editor.open("web/values.yaml"))
        assert problem["severity"] == 3
        assert "kubekeep[helm]" in problem["message"]


def test_replaced_versions_of_a_chart_are_not_rendered(tmp_path: Path) -> None:
    with Editor(write_chart(tmp_path), options={"debounce": 0}) as editor:
        values = editor.open("web/values.yaml")
        editor.diagnostics(values)
        before = len(editor.notifications)
        for number in range(40):
            editor.change(values, VALUES.replace("web:1.0", f"web:2.{number}"))
        editor.change(values, VALUES.replace("true", "false"))
        assert HOST_NETWORK not in editor.codes(values)
        assert len(editor.notifications) - before < 30


def test_overlay_depends_on_the_unsaved_text_of_a_shared_base(tmp_path: Path) -> None:
    files = {**OVERLAY, "test/kustomization.yaml": "resources: [../base]\n"}
    with Editor(write_files(tmp_path, files)) as editor:
        patch, base = editor.open("prod/patch.yaml"), editor.open("base/pod.yaml")
        editor.change(patch, OVERLAY["prod/patch.yaml"].replace("hostNetwork: false", "hostNetwork: true"))
        assert HOST_NETWORK in editor.codes(patch)
        editor.change(base, "kind: [\n")
        editor.wait_for_codes(patch, lambda codes: HOST_NETWORK not in codes)


def test_values_file_of_the_configuration_belongs_to_the_chart(tmp_path: Path) -> None:
    folder = write_chart(tmp_path)
    prod = "pod:\n  hostNetwork: false\n"
    write_files(folder, {"prod.yaml": prod, "kubekeep.yaml": "charts:\n  web:\n    values: prod.yaml\n"})
    with Editor(folder) as editor:
        path = editor.open("prod.yaml")
        assert HOST_NETWORK not in editor.codes(path)
        editor.change(path, prod.replace("false", "true"))
        finding = find(editor.diagnostics(path), HOST_NETWORK)
        assert finding["range"]["start"]["line"] == 1


def test_missing_kustomize_is_an_information(tmp_path: Path) -> None:
    command = (sys.executable, "-c", WITHOUT_PACKAGES, "helm_python")
    folder = write_files(tmp_path, OVERLAY)
    with Editor(folder, environment={"PATH": "/nonexistent"}, command=command) as editor:
        problems = [each for each in editor.diagnostics(editor.open("prod/patch.yaml")) if "code" not in each]
        (problem,) = problems
        assert problem["severity"] == 3
        assert "kubekeep[kustomize]" in problem["message"]


def test_hover_hides_secrets(tmp_path: Path) -> None:
    folder = write_chart(tmp_path)
    values = f"{VALUES}database:\n  password: correct-horse\n"
    write_files(folder, {"web/values.yaml": values})
    with Editor(folder) as editor:
        text = TEMPLATE.replace("{{ .Values.image }}", "{{ .Values.database.password }}")
        template = editor.open("web/templates/pod.yaml", text, language="helm")
        line = find_line(text, "password")
        hover = editor.hover(template, line, text.splitlines()[line].index("password"))
        assert "database.password" in hover
        assert "correct-horse" not in hover


def test_line_of_a_base_is_reported_once(tmp_path: Path) -> None:
    files = {**OVERLAY, "test/kustomization.yaml": "resources: [../base]\nnamePrefix: test-\n"}
    with Editor(write_files(tmp_path, files)) as editor:
        base = editor.open("base/pod.yaml")
        codes = [each["code"] for each in editor.diagnostics(base) if "privileged is true" in each["message"]]
        assert sorted(codes) == sorted(set(codes))
