"""Values for single charts, from the configuration file to Helm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from kubekeep.config.chart_values import read_chart_values
from kubekeep.config.file import ConfigurationError, read_configuration
from kubekeep.sources.options import ChartValues
from tests.oracles.program import program


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a chart and a packed chart."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy" / "web").mkdir(parents=True)
    (tmp_path / "deploy" / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (tmp_path / "deploy" / "shop-1.0.0.tgz").touch()
    return tmp_path


def values(text: str, *, named: bool = False) -> dict[str, ChartValues]:
    """Return the chart values of a file with `text` in `deploy`."""
    Path("deploy/kubekeep.yaml").write_text(text)
    return read_chart_values(read_configuration("deploy/kubekeep.yaml", is_explicit=named))


def test_values_keep_their_yaml_types(working_folder: Path) -> None:
    charts = values("""
charts:
  web:
    values: [values.yaml, prod.yaml]
    set:
      image.tag: "1.10"
      replicas: 3
      tls: yes
      old: null
      hosts: [a, {b: "c,d"}]
      pod.annotations.a\\.b/c: é
    set-file: {script: run.sh}
  ./shop-1.0.0.tgz: {values: prod.yaml}
""")
    assert charts == {
        str(working_folder / "deploy" / "web"): ChartValues(
            files=("deploy/values.yaml", "deploy/prod.yaml"),
            set_json=(
                'image.tag="1.10"',
                "replicas=3",
                "tls=true",
                "old=null",
                'hosts=["a",{"b":"c,d"}]',
                'pod.annotations.a\\.b/c="é"',
            ),
            set_file=("script=deploy/run.sh",),
        ),
        str(working_folder / "deploy" / "shop-1.0.0.tgz"): ChartValues(files=("deploy/prod.yaml",)),
    }


@pytest.mark.usefixtures("working_folder")
def test_charts_are_optional() -> None:
    assert values("framework: nsa\n") == {}
    assert values("charts: {}\n") == {}


@pytest.mark.usefixtures("working_folder")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("charts: [web]", "1:1: charts: a mapping expected, found a list"),
        ("charts:", "1:1: charts: a mapping expected, found nothing"),
        ("charts:\n  webb: {}", "2:3: webb is not a chart: it has no Chart.yaml and is not an archive"),
        ("charts:\n  kubekeep.yaml: {}", "2:3: kubekeep.yaml is not a chart"),
        ("charts:\n  web: {}\n  ./web/: {}", "3:3: ./web/ occurs twice"),
        ("charts:\n  web: prod.yaml", "2:3: web: a mapping expected, found text"),
        ("charts:\n  web: {value: x}", "2:9: unknown key value: did you mean values?"),
        ("charts:\n  web:\n    values: [a.yaml, 1]", "3:22: a path expected, found a number"),
        ("charts:\n  web:\n    values: {a: b}", "3:5: a path expected, found a mapping"),
        ("charts:\n  web:\n    set: [a=b]", "3:5: set: a mapping expected, found a list"),
        ("charts:\n  web:\n    set: {'a=/etc/passwd,b': c}", "3:11: 'a=/etc/passwd,b' is not a single key of Helm"),
        (
            "charts:\n  web:\n    set-file: {'a=/etc/passwd,b': c}",
            "3:16: 'a=/etc/passwd,b' is not a single key of Helm",
        ),
        (
            "charts:\n  web:\n    set-file: {a: 'b,c=/etc/passwd'}",
            "3:16: one KEY=FILE expected, with a path without comma",
        ),
        (
            "charts:\n  web:\n    set-file: {a: '{/etc/passwd}'}",
            "3:16: one KEY=FILE expected, with a path without comma",
        ),
        ("charts:\n  web:\n    set-file: {a: ../b}", "3:16: b is outside of"),
        ("charts:\n  web:\n    values: /etc/passwd", "3:5: /etc/passwd is outside of"),
        ("charts:\n  ..: {}", "2:3: . is outside of"),
    ],
)
def test_errors_have_a_location(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        values(text)
    assert str(caught.value).startswith(f"deploy/kubekeep.yaml:{expected}")


def test_named_file_may_name_files_outside(working_folder: Path) -> None:
    charts = values("charts: {web: {values: ../prod.yaml, set-file: {a: /etc/hosts}}}", named=True)
    assert charts == {
        str(working_folder / "deploy" / "web"): ChartValues(files=("prod.yaml",), set_file=("a=/etc/hosts",))
    }


def test_helm_receives_the_configured_values(working_folder: Path) -> None:
    """`.Values` in the real helm equals the values in YAML, including types and special characters."""
    chart = working_folder / "deploy" / "web"
    (chart / "templates").mkdir()
    (chart / "templates" / "values.yaml").write_text("{{ toYaml .Values }}\n")
    (chart / "values.yaml").write_text("old: 1\nimage: {name: x}\n")
    (working_folder / "deploy" / "prod.yaml").write_text("fromFile: true\nreplicas: 1\n")
    (working_folder / "deploy" / "motd é.txt").write_text("hello, {world}=\n")
    configured = {
        "image.tag": "1.10",
        "replicas": 3,
        "on": True,
        "old": None,
        "hosts[0]": "a,b={c}\\",
        "deep": [{"a.b": "\n"}],
    }
    chart_values = values(
        yaml.safe_dump(
            {"charts": {"web": {"values": "prod.yaml", "set": configured, "set-file": {"motd": "motd é.txt"}}}}
        )
    )[str(chart)]
    helm = program("helm")
    arguments = [
        *(f"--values={file}" for file in chart_values.files),
        *(f"--set-json={text}" for text in chart_values.set_json),
        *(f"--set-file={text}" for text in chart_values.set_file),
    ]
    rendered = subprocess.run([helm, "template", chart, *arguments], check=True, capture_output=True).stdout
    assert yaml.safe_load(rendered) == {
        "image": {"name": "x", "tag": "1.10"},
        "replicas": 3,
        "on": True,
        "hosts": ["a,b={c}\\"],
        "deep": [{"a.b": "\n"}],
        "fromFile": True,
        "motd": "hello, {world}=\n",
    }
