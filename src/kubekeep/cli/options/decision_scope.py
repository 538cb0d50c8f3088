"""Scope of a decision on findings of a server. Parses only."""

from typing import Annotated

from kubekeep.cli.console.arguments import parse_names
from kubekeep.cli.console.option_group import HelpSection, Option, OptionGroup


class DecisionScopeOptions(OptionGroup, frozen=True):
    """Options of a scope, as given. Values are compared literally."""

    section = HelpSection.OTHER

    control: Annotated[
        tuple[str, ...],
        Option("--control", "Decide on this control or advisory, such as C-0057; repeatable.", callback=parse_names),
    ] = ()
    source: Annotated[
        tuple[str, ...],
        Option(
            "--source",
            "Decide in this cluster, repository or registry: name, key or beginning of a key with *; repeatable.",
        ),
    ] = ()
    namespace: Annotated[
        tuple[str, ...], Option("-n --namespace", "Limit to this namespace; repeatable.", callback=parse_names)
    ] = ()
    kind: Annotated[
        tuple[str, ...],
        Option("--kind", "Limit to this kind of resource, such as Deployment; repeatable.", callback=parse_names),
    ] = ()
    name: Annotated[
        tuple[str, ...], Option("--name", "Limit to resources with this name; repeatable.", callback=parse_names)
    ] = ()
    image: Annotated[
        tuple[str, ...], Option("--image", "Limit to problems of the image with this digest; repeatable.")
    ] = ()
    repository: Annotated[
        tuple[str, ...],
        Option("--repository", "Limit to problems of images of this repository, such as ghcr.io/shop/web; repeatable."),
    ] = ()
    package: Annotated[
        tuple[str, ...],
        Option("--package", "Limit to problems of this package, such as pkg:deb/debian/openssl; repeatable."),
    ] = ()
