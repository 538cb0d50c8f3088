"""The option for frameworks, which scans and other commands share. Parses only."""

from typing import Annotated, Final

from kubekeep.cli.console.arguments import Names, parse_names
from kubekeep.cli.console.completed_names import complete_frameworks
from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, create_option


class FrameworkOptions(OptionGroup, frozen=True):
    """The frameworks to evaluate."""

    section = HelpSection.RULES

    frameworks: Annotated[
        Names,
        Option(
            "--framework",
            "Evaluate these frameworks, comma separated; `kubekeep list frameworks` lists them.",
            Key.DISCOVERED,
            is_common=True,
            callback=parse_names,
            complete=complete_frameworks,
            show_default="recommended",
            rank=1,
            api=("scan", "scan_cluster"),
        ),
    ] = ()


framework_option: Final = create_option(FrameworkOptions, "frameworks")
"""Decorator that adds the option; it is passed on as `frameworks`."""
