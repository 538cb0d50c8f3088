"""Shell completion of the names of frameworks, controls and formats. Loads the library only while completing."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from kubekeep import reports


def complete_frameworks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return the frameworks whose names begin with the last of the comma-separated words."""
    from kubekeep.usecases.catalog import list_frameworks  # noqa: PLC0415 - only while completing

    return _complete(((framework.slug, framework.title) for framework in list_frameworks()), incomplete)


def complete_controls(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return the controls whose numbers or slugs begin with the last of the comma-separated words."""
    from kubekeep.usecases.catalog import list_controls  # noqa: PLC0415 - only while completing

    names = ((name, control.title) for control in list_controls() for name in (*control.ids, control.slug))
    return _complete(names, incomplete)


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the controls and frameworks whose names begin with the word."""
    return [*complete_controls(ctx, param, incomplete), *complete_frameworks(ctx, param, incomplete)]


def complete_formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Return the formats of reports that begin with the last of the comma-separated words."""
    return _complete(((name, "") for name in reports.names()), incomplete)


def complete_words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return names after `framework` and `control`, and files elsewhere."""
    words = tuple(ctx.params.get(param.name or "") or ())
    if words == ("framework",):
        return complete_frameworks(ctx, param, incomplete)
    if words == ("control",):
        return complete_controls(ctx, param, incomplete)
    tasks = [] if words else _complete(((word, "") for word in ("framework", "control", "workload")), incomplete)
    return [*tasks, CompletionItem(incomplete, type="file")]


def _complete(names: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(f"{before}{comma}{name}", help=text or None)
        for name, text in names
        if name.casefold().startswith(last.casefold())
    ]
