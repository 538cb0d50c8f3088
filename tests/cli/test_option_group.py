"""An option of a group is stated once: click, help, configuration file, uses and the Python API follow from its field."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from scripts import api_arguments

from kubekeep import api
from kubekeep.cli.console.arguments import leave_out_options
from kubekeep.cli.console.config_keys import list_keys
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import (
    DeclaredOption,
    HelpSection,
    Key,
    Option,
    OptionGroup,
    Use,
    add_groups,
    create_option,
    list_names,
)

TEXT = "Sail these ships; repeatable."


def create_group(key: Key = Key.NONE) -> type[OptionGroup]:
    """Return a group with one option."""
    option = Option("-S --ship", TEXT, key, metavar="NAME", aliases=("--boat",), api=("scan",), api_name="fleet")
    field = ("ships", Annotated[tuple[str, ...], option], ())
    namespace = {"section": HelpSection.REGISTRIES, "uses": Use.IMAGES}
    group = msgspec.defstruct("ShipOptions", [field], bases=(OptionGroup,), namespace=namespace, frozen=True)
    assert issubclass(group, OptionGroup)
    return group


def create_command(group: type[OptionGroup], use: Use = Use.IMAGES) -> ConfiguredCommand:
    """Return a command that prints the values of a group, with the options of no other group."""

    def command(**arguments: Any) -> None:
        click.echo(repr(arguments["options"]))

    decorated = leave_out_options(use)(add_groups(lambda options: {"options": options}, group)(command))
    for number in range(20):
        decorated = click.option(f"--other-{number}", expose_value=False)(decorated)
    return click.command(cls=ConfiguredCommand, target=lambda _: ".")(decorated)


def run(command: click.Command, *arguments: str) -> str:
    """Return the output of a command."""
    result = CliRunner().invoke(command, arguments)
    return result.output if result.exception is None or isinstance(result.exception, SystemExit) else repr(result)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_field_makes_the_option_of_click() -> None:
    option = next(each for each in create_command(create_group()).params if isinstance(each, DeclaredOption))
    assert (option.name, option.opts, option.multiple, option.help) == ("ships", ["-S", "--ship"], True, TEXT)
    assert option.metavar == "NAME"


@pytest.mark.parametrize("arguments", [("--ship", "a", "-S", "b"), ("--boat", "a", "--ship", "b")])
def test_values_are_in_the_struct(arguments: tuple[str, ...]) -> None:
    assert run(create_command(create_group()), *arguments) == "ShipOptions(ships=('a', 'b'))\n"
    assert run(create_command(create_group())) == "ShipOptions(ships=())\n"


def test_option_is_in_the_section_of_its_group() -> None:
    text = run(create_command(create_group()), "--help")
    section = text.split(f"{HelpSection.REGISTRIES.value}:\n")[1].split("\n\n")[0]
    assert section.split() == ["-S,", "--ship", "NAME", *TEXT.split()]


def test_option_is_no_key_of_the_configuration_unless_it_says_so(here: Path) -> None:
    (here / "kubekeep.yaml").write_text("ship: a\n")
    assert list_keys(create_command(create_group())) == {}
    assert "kubekeep.yaml:1:1: unknown key ship" in run(create_command(create_group()))
    assert "unknown key ship" in run(create_command(create_group()), "--config", "kubekeep.yaml")


def test_explicit_key_is_rejected_in_the_file_of_a_scanned_tree(here: Path) -> None:
    (here / "kubekeep.yaml").write_text("ship: a\n")
    command = create_command(create_group(Key.EXPLICIT))
    assert "ship: this key is allowed only in a file named with --config" in run(command)
    assert "ShipOptions(ships=('a',))" in run(command, "--config", "kubekeep.yaml")


def test_discovered_key_is_read_from_the_file_of_a_scanned_tree(here: Path) -> None:
    (here / "kubekeep.yaml").write_text("boat: [a, b]\n")
    assert "ShipOptions(ships=('a', 'b'))" in run(create_command(create_group(Key.DISCOVERED)))


def test_option_of_another_use_is_left_out_with_its_default() -> None:
    command = create_command(create_group(), Use.WATCH)
    assert "No such option" in run(command, "--ship", "a")
    assert run(command) == "ShipOptions(ships=())\n"


def test_option_is_an_argument_of_the_api() -> None:
    arguments = list(api_arguments.list_arguments("scan", [create_group()]))
    assert [(each.name, each.default, each.annotation) for each in arguments] == [("fleet", (), Iterable[str])]
    assert list(api_arguments.list_arguments("scan_cluster", [create_group()])) == []


def test_arguments_of_the_api_are_those_of_the_options() -> None:
    text = Path(api.__file__).read_text(encoding="utf-8")
    assert api_arguments.render_file(text) == text, "run scripts/api_arguments.py"


def test_function_of_the_api_without_marked_lines_is_an_error() -> None:
    text = api_arguments.FILE.read_text(encoding="utf-8").replace(api_arguments.BEGIN, "", 1)
    with pytest.raises(ValueError, match="no marked lines for the options of scan"):
        api_arguments.render_file(text)
    for function in (api.scan, api.scan_cluster):
        signature = inspect.signature(function, eval_str=True)
        expected = list(api_arguments.list_arguments(function.__name__, api_arguments.list_groups()))
        assert expected
        assert [signature.parameters[argument.name] for argument in expected] == expected


def test_one_option_of_a_group_can_be_used_alone() -> None:
    @click.command
    @create_option(create_group(), "ships")
    def command(ships: tuple[str, ...]) -> None:
        click.echo(str(ships))

    assert run(command, "-S", "a") == "('a',)\n"
    assert list_names(create_group()) == ("ships",)


@pytest.mark.parametrize(("value_type", "default"), [(int, 0), (int, 3), (str, ""), (bool, False), (bool, True)])
def test_default_is_that_of_the_field(value_type: type, default: object) -> None:
    field = ("level", Annotated[value_type, Option("--level", "Set the level.")], default)
    group = msgspec.defstruct("LevelOptions", [field], bases=(OptionGroup,), frozen=True)
    assert issubclass(group, OptionGroup)
    assert run(create_command(group)) == f"LevelOptions(level={default!r})\n"


def test_field_without_an_option_is_an_error() -> None:
    class Incomplete(OptionGroup, frozen=True):
        ship: Annotated[str, "no option"] = ""

    Incomplete.__annotations__["ship"] = Annotated[str, "no option"]
    with pytest.raises(TypeError, match=r"^Incomplete\.ship states no option$"):
        add_groups(lambda _: {}, Incomplete)
