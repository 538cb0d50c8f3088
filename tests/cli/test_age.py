"""Ages: one syntax and one message for all options."""

from __future__ import annotations

import datetime as dt

import click
import pytest

from kubekeep.cli.console.age import AGE
from kubekeep.cli.console.config_keys import KeyType, list_keys
from kubekeep.cli.db.status import command as db_status
from kubekeep.cli.image.scan import command as image_scan
from kubekeep.cli.registry.rematch import command as rematch
from kubekeep.cli.sbom.scan import command as sbom_scan


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90m", dt.timedelta(minutes=90)),
        ("12h", dt.timedelta(hours=12)),
        ("3d", dt.timedelta(days=3)),
        ("2w", dt.timedelta(weeks=2)),
        ("0d", dt.timedelta()),
    ],
)
def test_units(text: str, age: dt.timedelta) -> None:
    assert AGE.convert(text, None, None) == age
    assert AGE.convert(age, None, None) == age


@pytest.mark.parametrize(
    "text", ["", "3", "d", "3 d", "3D", "-1d", "1.5h", "1d12h", "123456d", "٣d", "3d\n", "soon\x1b"]
)
def test_other_text(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is not an age: use .* such as 90m, 12h, 3d or 2w") as raised:
        AGE.convert(text, None, None)
    assert "\x1b" not in raised.value.message


@pytest.mark.parametrize("command", [image_scan, sbom_scan, rematch])
def test_options(command: click.Command) -> None:
    options = {option for parameter in command.params for option in parameter.opts if parameter.type is AGE}
    assert options == {"--max-db-age"}
    assert list_keys(command)["max-db-age"].kind is KeyType.TEXT
    (age,) = (parameter for parameter in db_status.params if parameter.type is AGE)
    assert age.opts == ["--max-age"]
