"""Keys of the configuration file: one for every option of a scan, with the same effect."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubekeep.cli.console.config_keys import KeyType, create_schema, list_keys
from kubekeep.cli.console.configured import FileError, is_from_file
from kubekeep.cli.scan import command as scan
from kubekeep.model.severity import Severity

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "configuration.md"
KEYS = list_keys(scan)
NAMED_ONLY = {name for name, key in KEYS.items() if key.is_explicit_only}
HARMLESS = {
    *("framework", "kubernetes-version", "snapshot", "cloud-provider", "cluster-policies", "format", "verbose", "view"),
    *("full", "quiet", "color", "kubescape-metrics", "fail-on", "strict"),
    *("severity-threshold", "compliance-threshold", "fail-coverage-below", "max-failures", "only-fixable"),
    "only-exposed",
    *("fail-on-new", "baseline-severity-threshold", "baseline-granularity", "min-severity", "max-severity"),
    *("exclude-controls", "include-namespaces", "exclude-namespaces", "include-kinds", "exclude-kinds"),
    "label-selector",
    "incremental",
    *("platform", "containerd-namespace", "max-db-age"),
    *("set", "set-string", "set-json", "release-name", "release-namespace", "namespace", "api-versions"),
    *("exclude-path", "no-ignore-file", "branch", "changed-since", "blame", "hide", "encrypt"),
    *("exception-set", "honor-inline-exceptions", "audit-exceptions"),
}
"""Keys that let a scanned tree neither access files elsewhere nor run programs. Review every addition."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with a file and a folder to name, and return it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "there.yaml").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def parse_arguments(*arguments: str) -> click.Context:
    """Return the parsed arguments of `kubekeep scan`, without running it."""
    return scan.make_context("scan", [*arguments, "."])


def parse_configuration(text: str, *arguments: str) -> click.Context:
    """Return the parsed arguments with an explicit configuration file."""
    Path("kubekeep.yaml").write_text(text)
    return parse_arguments("--config", "kubekeep.yaml", *arguments)


def create_example(name: str) -> Any:
    """Return a valid value of the option."""
    key = KEYS[name]
    if isinstance(key.option.type, click.Choice):
        return key.option.type.choices[-1]
    if isinstance(key.option.type, click.Path):
        return "there.yaml" if key.option.type.file_okay else "folder"
    texts = {
        "label-selector": "app=web,env in (a, b),!old",
        "platform": "linux/arm64",
        "max-db-age": "3d",
        "mirror": "docker.io=mirror.example/hub",
    }
    if name in texts:
        return texts[name]
    values = {
        KeyType.BOOLEAN: True,
        KeyType.INTEGER: 1,
        KeyType.NUMBER: 50.5,
        KeyType.KEY_AND_FILE: "a=there.yaml",
        KeyType.LIMITS: "nsa=80,overall=70.5",
        KeyType.COUNTS: "high=0,total=5",
    }
    return values.get(key.kind, "1.30")


def test_every_option_has_a_key() -> None:
    options = [option for option in scan.params if isinstance(option, click.Option)]
    flags = {next(flag for flag in option.opts if flag[:2] == "--") for option in options}
    assert {f"--{name}" for name in KEYS} == flags - {"--config", "--no-config", "--debug"}


@pytest.mark.parametrize("name", KEYS)
def test_key_has_the_effect_of_its_option(name: str) -> None:
    key, value = KEYS[name], create_example(name)
    parameter = key.option.name or ""
    flags = ["--no-config", f"--{name}"] if key.kind is KeyType.BOOLEAN else ["--no-config", f"--{name}", str(value)]
    by_flag, by_file = parse_arguments(*flags), parse_configuration(yaml.safe_dump({name: value}))
    assert is_from_file(by_file, parameter)
    assert by_file.params[parameter] == by_flag.params[parameter]
    assert by_file.params == by_flag.params


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.option.multiple])
def test_list_equals_repeated_option(name: str) -> None:
    value = str(create_example(name))
    assert (
        parse_configuration(yaml.safe_dump({name: [value, value]})).params
        == parse_arguments("--no-config", *[f"--{name}", value] * 2).params
    )


@pytest.mark.parametrize("name", KEYS)
def test_value_of_wrong_type_is_rejected_with_location(name: str) -> None:
    key = KEYS[name]
    number = key.kind in {KeyType.BOOLEAN, KeyType.INTEGER, KeyType.NUMBER}
    wrong_value: tuple[Any, ...] = ({"a": 1}, None, "x" if number else True if key.kind is KeyType.LIMITS else 1.30)
    for value in (*wrong_value, *([] if key.option.multiple else [[]])):
        with pytest.raises(FileError, match=rf"^kubekeep\.yaml:2:1: {name}: {key.kind.description} expected, found "):
            parse_configuration(f"# a comment\n{name}: {yaml.safe_dump(value, default_flow_style=True)}")


def test_number_in_place_of_text_has_a_hint() -> None:
    with pytest.raises(FileError, match="kubernetes-version: text expected, found a number: quote the value"):
        parse_configuration("kubernetes-version: 1.30")


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("on", True), ("no", False), ("false", False)])
def test_flag_accepts_yaml_booleans(text: str, *, value: bool) -> None:
    assert parse_configuration(f"snapshot: {text}").params["snapshot"] is value


@pytest.mark.parametrize("name", sorted(NAMED_ONLY))
def test_keys_that_write_or_run_require_an_explicit_file(name: str) -> None:
    Path("kubekeep.yaml").write_text(yaml.safe_dump({name: create_example(name)}))
    with pytest.raises(
        FileError, match=rf"^kubekeep\.yaml:1:1: {name}: this key is allowed only in a file named with --config"
    ):
        parse_arguments()


def test_keys_for_discovered_files_are_listed() -> None:
    path_keys = {name for name, key in KEYS.items() if key.kind in {KeyType.PATH, KeyType.KEY_AND_FILE}}
    assert set(KEYS) == NAMED_ONLY | path_keys | HARMLESS
    assert not HARMLESS & (NAMED_ONLY | path_keys)


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if "FILE" in (key.option.metavar or "")])
def test_file_options_have_a_path_kind(name: str) -> None:
    assert KEYS[name].kind in {KeyType.PATH, KeyType.KEY_AND_FILE}


@pytest.mark.parametrize("name", sorted({"controls-config", "exceptions", "policies", "values"}))
def test_discovered_file_cannot_name_outside_paths(name: str) -> None:
    Path("kubekeep.yaml").write_text(yaml.safe_dump({name: "/etc/hosts"}))
    with pytest.raises(FileError, match=rf"^kubekeep\.yaml:1:1: {re.escape('/etc/hosts')} is outside of "):
        parse_arguments()


@pytest.mark.parametrize(
    "assignment", ["a=/etc/hosts", "a=there.yaml,b=/etc/hosts", "a={/etc/hosts}", "=there.yaml", "a"]
)
def test_discovered_helm_values_cannot_name_outside_files(assignment: str) -> None:
    Path("kubekeep.yaml").write_text(yaml.safe_dump({"set-file": [assignment]}))
    with pytest.raises(FileError, match=r"^kubekeep\.yaml:2:3: "):
        parse_arguments()


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.kind is KeyType.TEXT])
def test_text_cannot_inject_program_arguments(name: str) -> None:
    with pytest.raises(
        FileError, match=rf"^kubekeep\.yaml:1:1: {name}: (the text contains a NUL character|.* not one of)"
    ):
        parse_configuration(f'{name}: "a=b\\0c"')


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from([*KEYS, "charts", "other"]), VALUES, min_size=1, max_size=3))
def test_random_file_is_accepted_or_rejected_with_a_location(content: dict[str, Any]) -> None:
    Path("kubekeep.yaml").write_text(json.dumps(content))
    try:
        parse_arguments()
        outcome = ""
    except FileError as error:
        outcome = str(error)
    assert not outcome or re.fullmatch(r"kubekeep\.yaml:\d+:\d+: .*", outcome)


def test_schema_agrees_with_parser() -> None:
    json_schema = create_schema(KEYS)
    jsonschema.Draft7Validator.check_schema(json_schema)
    validator = jsonschema.Draft7Validator(json_schema)
    for name, key in KEYS.items():
        assert validator.is_valid({name: create_example(name)}), name
        assert validator.is_valid({name: [create_example(name)]}) == key.option.multiple, name
        assert not validator.is_valid({name: {"a": 1}}), name
        assert not validator.is_valid({f"{name}x": create_example(name)}), name
    assert not validator.is_valid({"compliance-threshold": 101})
    assert not validator.is_valid({"severity-threshold": "terrible"})
    assert not validator.is_valid({"kubernetes-version": 1.30})


def test_schema_describes_charts() -> None:
    validator = jsonschema.Draft7Validator(create_schema(KEYS))
    chart = {"values": ["a.yaml"], "set": {"image.tag": "v2", "hosts": [1, None]}, "set-file": {"a": "b"}}
    assert validator.is_valid({"charts": {"deploy/web": chart, "x.tgz": {"values": "b.yaml"}, "c": {}}})
    wrong_value: tuple[Any, ...] = ({"value": "a"}, {"values": [1]}, {"set": ["a=b"]}, {"set-file": {"a": 1}}, [])
    for content in wrong_value:
        assert not validator.is_valid({"charts": {"deploy/web": content}})


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
def test_examples_of_the_guide_are_valid(here: Path, text: str) -> None:
    for file in ("common/values.yaml", "deploy/web/Chart.yaml", "deploy/web/values-prod.yaml"):
        (here / file).parent.mkdir(parents=True, exist_ok=True)
        (here / file).touch()
    assert not list(jsonschema.Draft7Validator(create_schema(KEYS)).iter_errors(yaml.safe_load(text)))
    Path("kubekeep.yaml").write_text(text)
    assert parse_arguments().params["severity"] is Severity.HIGH
