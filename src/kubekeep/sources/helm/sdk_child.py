"""Child process that renders charts with the Helm SDK (helm-python-sdk) for `renderers.HelmSdk`.

Reads requests from standard input and writes each response to standard output: eight bytes of length, then JSON. It is
started by file path with the SDK's folder as argument, so it needs neither an environment nor the kubekeep package.
Opens only files named in a request.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

_LENGTH = 8
_INVALID_YAML = "YAML parse error on "
"""Prefix of Helm's error after rendering succeeded and a template printed invalid YAML."""


def main(source: BinaryIO, target: BinaryIO) -> None:
    """Answer requests until the input ends."""
    while len(head := source.read(_LENGTH)) == _LENGTH:
        request = json.loads(source.read(int.from_bytes(head, "big")))
        response = json.dumps(_handle_request(request)).encode()
        target.write(len(response).to_bytes(_LENGTH, "big") + response)
        target.flush()


def _handle_request(request: dict[str, Any]) -> dict[str, Any]:
    from helm_python import HelmError  # noqa: PLC0415 - loads 80 MB; there after the arguments are

    os.chdir(request["folder"])
    try:
        values = _merge_values(request)
        error = _check_installation(request, values)
        templates = _render_templates(request, values) if not error or _INVALID_YAML in error else {}
    except HelmError as helm_error:
        return {"error": str(helm_error)}
    except _NeedsProgramError as helm_error:
        return {"error": str(helm_error), "refused": True}
    return {"templates": templates, "error": error} if error else {"templates": templates}


class _NeedsProgramError(Exception):
    """Values that the SDK would read differently from `helm`."""


def _check_installation(request: dict[str, Any], values: dict[str, Any]) -> str:
    """Return the error of a client-side dry run of the installation, "" if there is none.

    An installation checks dependencies, versions and YAML; rendering alone does not.
    """
    from helm_python import Chart, Config, HelmError  # noqa: PLC0415 - as above

    # The chart is loaded twice because both calls modify it.
    with (
        Config(storage_driver="memory", kubeconfig_content="") as config,
        Chart.load_archive(_read_archive(request)) as chart,
    ):
        try:
            _call("helm_install", config, chart, request, values)
        except HelmError as error:
            return str(error)
    return ""


def _render_templates(request: dict[str, Any], values: dict[str, Any]) -> dict[str, str]:
    """Render the templates; returns their output by template name."""
    from helm_python import Chart  # noqa: PLC0415 - as above

    with Chart.load_archive(_read_archive(request)) as chart:
        rendered: dict[str, str] = json.loads(_call("helm_render", None, chart, request, values))
        return rendered


def _read_archive(request: dict[str, Any]) -> bytes:
    return Path(request["chart"]).read_bytes()


def _call(function: str, config: Any, chart: Any, request: dict[str, Any], values: dict[str, Any]) -> str:
    """Call the C function with Kubernetes version and API versions, which the Python wrapper does not pass."""
    from helm_python import _native  # noqa: PLC0415 - as above

    options: dict[str, Any] = {"namespace": request["namespace"]}
    if request["kube_version"]:
        options["kube_version"] = request["kube_version"]
    if request["api_versions"]:
        options["api_versions"] = request["api_versions"]
    text = json.dumps(values)
    if config is None:
        options["name"] = request["release"]
        return _native.call_string(function, chart._raw(), text, json.dumps(options))  # noqa: SLF001
    options["dry_run"] = "client"
    handle = (config._raw(), _native.HANDLE(0), chart._raw(), None, request["release"])  # noqa: SLF001
    return _native.call_string(function, *handle, text, json.dumps(options))


_LARGEST_PLAIN = 999_999
"""Largest integer printed without an exponent: JSON turns numbers into floats; Helm's own `--set` does not."""


def _merge_values(request: dict[str, Any]) -> dict[str, Any]:
    """Merge the values of files and options as `helm` does."""
    import helm_python as helm  # noqa: PLC0415 - as above

    parsers = {
        "--set-json": helm.parse_set_json,
        "--set": helm.parse_set_string,
        "--set-string": helm.parse_set_string_values,
        "--set-file": helm.parse_set_file,
    }
    values: dict[str, Any] = {}
    for file in request["files"]:
        try:
            text = Path(file).read_bytes().decode("utf-8", "replace")
            _merge(values, helm.values_from_yaml(text), "")
        except helm.HelmError as error:
            raise helm.HelmValuesError(f"failed to parse {file}: {error}", code=error.code) from error
    for option, text in request["assignments"]:
        assigned = parsers[option](text)
        if option == "--set" and _has_large_number(assigned):
            raise _NeedsProgramError("--set with a number of seven or more digits")
        _merge(values, assigned, text)
    return values


def _merge(values: dict[str, Any], stronger: dict[str, Any], assignment: str) -> None:
    for key, value in stronger.items():
        previous = values.get(key)
        if isinstance(previous, dict) and isinstance(value, dict):
            _merge(previous, value, assignment)
        elif isinstance(previous, list) and isinstance(value, list) and "[" in assignment:
            raise _NeedsProgramError(f"an assignment to an item of a list from a values file ({key})")
        else:
            values[key] = value


def _has_large_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_number, value))
    return isinstance(value, int) and abs(value) > _LARGEST_PLAIN


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    main(sys.stdin.buffer, sys.stdout.buffer)
