"""`kubekeep image scan`: a scan of images for secrets, configuration and licences.

Parses; never opens an image itself.
"""

from __future__ import annotations

from typing import Final

import click
import msgspec

from kubekeep.cli import scan
from kubekeep.cli.arguments import without_options
from kubekeep.cli.configured import ConfiguredCommand
from kubekeep.cli.exception_options import ExceptionSettings
from kubekeep.cli.gate_options import BaselineOptions, gate_options
from kubekeep.cli.image import REFERENCE_HELP
from kubekeep.cli.image_options import create_image_options, image_options
from kubekeep.cli.privacy_options import PrivacyOptions, privacy_options
from kubekeep.cli.report_options import OutputOptions, report_options
from kubekeep.cli.request_options import request_options
from kubekeep.images.access.options import AccessOptions
from kubekeep.posture.gate import Gates
from kubekeep.sources.images.address import to_address
from kubekeep.usecases.request import ScanRequest
from kubekeep.usecases.rule_selection import IMAGE_FRAMEWORK

_NO_IMAGE_OPTIONS: Final = (
    *("kubernetes_version", "snapshot", "cloud_provider", "policies", "cluster_policies", "incremental"),
    *("include_namespaces", "exclude_namespaces", "include_kinds", "exclude_kinds", "label_selector"),
    *("values", "set_", "set_string", "set_json", "set_file", "release_name", "release_namespace", "api_versions"),
    *("enable_helm", "blame", "changed_since", "branch", "exclude_path", "no_ignore_file", "honor_inline_exceptions"),
    *("kubeconfig", "kube_context", "as_user", "as_groups", "as_uid", "insecure_skip_tls_verify"),
    *("host_scan", "host_data", "cloud", "cloud_cluster"),
)


@click.command(
    short_help="Scan images for secrets, configuration and licences.",
    cls=ConfiguredCommand,
    target=lambda _: ".",
    epilog=REFERENCE_HELP,
)
@without_options(*_NO_IMAGE_OPTIONS)
@request_options("image scan", "[framework NAMES | control IDS] REFERENCE...")
@privacy_options
@gate_options
@report_options
@image_options
def command(
    request: ScanRequest,
    exception_settings: ExceptionSettings,
    gates: Gates,
    baseline: BaselineOptions | None,
    privacy: PrivacyOptions,
    output_options: OutputOptions,
    access: AccessOptions,
) -> None:
    """Scan images for secrets, insecure configuration and licences.

    \b
    kubekeep image scan nginx:1.29
    kubekeep image scan oci:build/ --format sarif --output image.sarif
    """  # noqa: D301 - click takes the character itself
    if not request.input.paths:
        raise click.UsageError("no REFERENCE: name an image, such as nginx:1.29")
    rules = request.rules
    if not (rules.frameworks or rules.controls):
        rules = msgspec.structs.replace(rules, frameworks=(IMAGE_FRAMEWORK,))
    read = msgspec.structs.replace(request.input.read, images=create_image_options(access))
    source = msgspec.structs.replace(request.input, paths=tuple(map(to_address, request.input.paths)), read=read)
    request = msgspec.structs.replace(request, input=source, rules=rules)
    scan.run(request, exception_settings, gates, baseline, privacy, output_options)
