"""Sections of options in the help text, for commands with many of them. Parses nothing."""

from __future__ import annotations

from typing import Final

import click

_SECTIONS: Final = {
    "Report": (
        "changes",
        "formats",
        "output",
        "view",
        "verbose",
        "full",
        "kubescape_metrics",
        "quiet",
        "debug",
        "color",
        "min_severity",
        "max_severity",
        "hide",
        "encrypt",
    ),
    "Rules": (
        *("frameworks", "exclude_controls", "controls_config", "kubernetes_version", "cloud_provider", "snapshot"),
        *("custom_rules", "use_from", "artifacts", "policies", "cluster_policies"),
    ),
    "Limits": (
        *("priority", "strict", "severity", "max_failures", "compliance", "coverage", "only_fixable"),
        *("baseline", "fail_on_new", "baseline_severity_threshold", "baseline_granularity"),
        *("fails_on_new", "new_severity"),
    ),
    "Resources and files": (
        *("include_namespaces", "exclude_namespaces", "include_kinds", "exclude_kinds", "label_selector"),
        *("exclude_path", "no_ignore_file", "changed_since", "branch", "blame"),
    ),
    "Exceptions": ("exceptions", "exception_sets", "honor_inline_exceptions", "audit"),
    "Charts and overlays": (
        *("values", "set_", "set_string", "set_json", "set_file", "release_name", "release_namespace"),
        *("api_versions", "enable_helm"),
    ),
    "Images": (
        *("images", "platform", "plain_http", "registry_ca", "mirror", "registry_config"),
        *("verify_signatures", "image_policy"),
        *("containerd_namespace", "containerd_root"),
    ),
    "Vulnerabilities": (
        *("no_vulnerabilities", "vex", "advisories", "with_db", "database", "grype_db", "maximum_age"),
    ),
    "Registries": (
        *("tags", "exclude", "newest", "since", "repositories", "all_platforms"),
        *("state", "parallel", "max_in_flight", "max_bytes", "max_duration", "requests_per_second"),
        *("layer_cache", "layer_cache_key", "layer_cache_trusted", "layer_cache_write", "layer_cache_sign_key"),
    ),
    "Cluster": (
        *("kubeconfig", "kube_context", "as_user", "as_groups", "as_uid", "insecure_skip_tls_verify", "dry_run"),
        *("host_scan", "host_data", "cloud", "cloud_cluster"),
    ),
}
PRESENTATION: Final = frozenset((*_SECTIONS["Report"], *_SECTIONS["Limits"]))
"""Options that change neither the input nor the rules of a scan."""
_OTHER: Final = "Other options"
_MANY: Final = 20
"""Number of options from which a command has sections."""


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options of a command, in sections if there are many."""
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    records = [(option.name, record) for option in options if (record := option.get_help_record(ctx))]
    if len(records) < _MANY:
        with formatter.section("Options"):
            formatter.write_dl([record for _, record in records])
        return
    by_name = dict(records)
    for heading, names in _SECTIONS.items():
        section = [by_name.pop(name) for name in names if name in by_name]
        if section:
            with formatter.section(heading):
                formatter.write_dl(section)
    with formatter.section(_OTHER):
        formatter.write_dl(list(by_name.values()))
