"""Options of scans that send their results to a server. Parses; sends nothing."""

from typing import Annotated, Final

import click
import msgspec

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.options.server import ServerAddressOptions


class SubmitOptions(OptionGroup, frozen=True):
    """Options of the submission, as given."""

    section = HelpSection.SERVER

    submit: Annotated[
        bool,
        Option(
            "--submit",
            "Send the results to a server. With --server alone, a scan only applies the decisions of the server.",
            Key.EXPLICIT,
            section=HelpSection.REPORT,
            is_common=True,
            rank=1,
        ),
    ] = False
    token_file: Annotated[
        str | None,
        Option(
            "--token-file",
            "Read the token for the server from this file. "
            "Default: KUBEKEEP_TOKEN, the file KUBEKEEP_TOKEN_FILE, or the token of `kubekeep login`.",
            Key.EXPLICIT,
            type=click.Path(dir_okay=False),
        ),
    ] = None


class SubmissionSettings(msgspec.Struct, frozen=True):
    """The options of a submission and of its server."""

    options: SubmitOptions
    address: ServerAddressOptions

    @property
    def uses_server(self) -> bool:
        """True if the decisions of a server apply to the scan."""
        return self.options.submit or bool(self.address.server)


def _create_arguments(options: SubmitOptions, address: ServerAddressOptions) -> dict[str, SubmissionSettings]:
    context = click.get_current_context()
    settings = SubmissionSettings(options, address)
    for name in (*ServerAddressOptions.__struct_fields__, "token_file"):
        if not settings.uses_server and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} requires --server or --submit")
    return {"submission": settings}


submit_options: Final = add_groups(_create_arguments, SubmitOptions, ServerAddressOptions)
"""Decorator that adds the options; they are passed on as one argument, `submission`."""
