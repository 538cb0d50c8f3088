"""The GitHub action: install Kubekeep, scan once, and hand the results to the job.

Reads all inputs from environment variables, uses only the standard library, and never runs a shell. Always writes a
SARIF file; the job fails after all reports are written. Connects to the network only to install and to comment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

LOCK = Path(__file__).with_name("requirements.lock")
OPTIONS = {
    "--framework": "FRAMEWORKS",
    "--fail-on": "FAIL_ON",
    "--severity-threshold": "SEVERITY_THRESHOLD",
    "--compliance-threshold": "COMPLIANCE_THRESHOLD",
    "--baseline": "BASELINE",
}
"""Options of a scan with the inputs that set them."""
PRIORITIES = ("critical", "high", "medium", "low")
UNREAD = 3
"""Exit code of a scan that could not read a part of its input."""
MAX_ROWS = 20
"""Findings in a comment; the others are in the reports."""
MAX_TEXT = 300
PAGE = 100
MAX_PAGES = 30
MAX_RESPONSE_BYTES = 32 << 20
TIMEOUT_SECONDS = 20


class ActionError(Exception):
    """A wrong input or a failed installation; the message says what to change."""


class Finding(NamedTuple):
    """The parts of a SARIF result that a comment shows."""

    priority: str
    control: str
    title: str
    link: str
    resource: str
    location: str
    is_new: bool


class Result(NamedTuple):
    """The findings of a scan. is_complete: the SARIF file may be uploaded, because the scan assessed something."""

    exit_code: int
    sarif: Path
    findings: list[Finding]
    is_complete: bool

    @property
    def new(self) -> list[Finding]:
        """Findings that are not in the baseline; without a baseline, all findings."""
        return [finding for finding in self.findings if finding.is_new]


def main(environment: Mapping[str, str]) -> int:
    """Run the action with the inputs in `environment`, and return the exit code of the job."""
    folder = Path(tempfile.mkdtemp(prefix="kubekeep-", dir=environment.get("RUNNER_TEMP")))
    error = ""
    code, fixed_files = 2, 0
    try:
        arguments = build_arguments(environment, folder / "kubekeep")
        program = find_program(environment)
        code = scan([program, *arguments], environment)
        if is_true(environment, "FIX_FILES"):
            fixed_files = fix_files(program, environment, folder / "kubekeep.patch")
    except ActionError as caught:
        error = str(caught)
    result = read_result(folder / "kubekeep.sarif", code, error)
    write_annotations(folder / "kubekeep.github.txt", result, error)
    write_summary(environment.get("GITHUB_STEP_SUMMARY", ""), folder / "kubekeep.md", error)
    write_outputs(environment.get("GITHUB_OUTPUT", ""), result, folder, fixed_files)
    if result.is_complete and is_true(environment, "COMMENT"):
        comment(environment, result)
    return result.exit_code


# Inputs


def read_input(environment: Mapping[str, str], name: str) -> str:
    """Return an input of the action without surrounding space."""
    return environment.get(f"INPUT_{name}", "").strip()


def is_true(environment: Mapping[str, str], name: str) -> bool:
    """Return a boolean input. Raises ActionError for other texts, because a misspelt `true` must not disable a gate."""
    text = read_input(environment, name).lower()
    if text not in {"", "false", "true"}:
        raise ActionError(f"{name.lower().replace('_', '-')}: {text!r} is not true or false")
    return text == "true"


def build_arguments(environment: Mapping[str, str], output: Path) -> list[str]:
    """Return the arguments of `kubekeep`; reports are written to `output` with the extensions of their formats."""
    try:
        extra = shlex.split(environment.get("INPUT_ARGS", ""))
    except ValueError as error:
        raise ActionError(f"args: {error}") from None
    if "--" in extra:
        raise ActionError("args: `--` is not allowed; name files and folders in the input paths")
    for name in ("FAIL_ON_NEW", "CHANGED_FILES_ONLY", "FIX_FILES", "COMMENT"):
        is_true(environment, name)
    arguments = ["scan", *extra]
    arguments += [f"{option}={text}" for option, name in OPTIONS.items() if (text := read_input(environment, name))]
    arguments += [f"--exceptions={path}" for path in read_lines(environment, "EXCEPTIONS")]
    if is_true(environment, "FAIL_ON_NEW"):
        arguments.append("--fail-on-new")
    if is_true(environment, "CHANGED_FILES_ONLY") and (base := find_base(environment)):
        arguments.append(f"--changed-since={base}")
    formats = ["sarif", "markdown", "github", *filter(None, read_input(environment, "FORMATS").split(","))]
    # After args, so that the reports are where this script looks for them.
    arguments += [f"--format={','.join(dict.fromkeys(map(str.strip, formats)))}", f"--output={output}", "--"]
    if controls := read_input(environment, "CONTROLS"):
        arguments += ["control", controls]
    return arguments + read_paths(environment)


def read_paths(environment: Mapping[str, str]) -> list[str]:
    """Return the paths to scan. Raises ActionError for a missing one, because the alerts of its files would be closed."""
    paths = read_lines(environment, "PATHS") or ["."]
    for path in paths:
        # Addresses contain a colon; the scan itself resolves patterns.
        if path != "-" and not re.search(r"[:*?[]", path) and not os.path.lexists(path):
            raise ActionError(f"paths: {path}: no such file or folder")
    return paths


def read_lines(environment: Mapping[str, str], name: str) -> list[str]:
    """Return the lines of an input that are not empty."""
    return [line.strip() for line in read_input(environment, name).splitlines() if line.strip()]


def read_pull_request(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the pull request of the event that started the workflow; empty for other events."""
    path = environment.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    try:
        pull_request = json.loads(Path(path).read_bytes()).get("pull_request")
    except (OSError, ValueError) as error:
        raise ActionError(f"GITHUB_EVENT_PATH: {error}") from None
    return pull_request if isinstance(pull_request, dict) else {}


def find_base(environment: Mapping[str, str]) -> str:
    """Return the commit of the base branch; empty if the event is not a pull request."""
    sha = str(read_pull_request(environment).get("base", {}).get("sha", ""))
    if not sha:
        print("changed-files-only: not a pull request, so all resources are reported")
        return ""
    if not re.fullmatch(r"[0-9a-f]{40,64}", sha):
        raise ActionError("changed-files-only: the event has no commit of the base branch")
    return sha


# Installation and scan


def find_program(environment: Mapping[str, str]) -> str:
    """Return the program `kubekeep`, installed on request."""
    choice = read_input(environment, "INSTALL") or "lock"
    if choice == "none":
        return "kubekeep"
    wheel = Path(choice) if choice.endswith(".whl") else None
    if wheel is not None and not wheel.is_file():
        raise ActionError(f"install: {choice}: no such file")
    if choice != "lock" and wheel is None:
        raise ActionError(f"install: {choice!r} is not lock, none or a path ending in .whl")
    if sys.version_info < (3, 11):  # noqa: UP036 - the Python of the runner
        raise ActionError("Kubekeep requires Python 3.11 or newer: add actions/setup-python before this action")
    lock = LOCK.read_text(encoding="utf-8")
    is_locked = re.search(r"^kubekeep==", lock, re.MULTILINE) is not None
    if wheel is None and not is_locked:
        raise ActionError("this commit of the action has no locked version: use a release, or the input install")
    folder = Path(tempfile.mkdtemp(prefix="kubekeep-install-", dir=environment.get("RUNNER_TEMP")))
    create = [sys.executable, "-I", "-m", "venv", str(folder)]
    run(create, environment, "the virtual environment could not be created")
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    # Isolated: a folder `pip` in the repository must not be imported.
    pip = [str(programs / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    requirements = folder / "requirements.lock"
    requirements.write_text(lock if wheel is None else re.sub(r"(?m)^kubekeep==.*(\n[ \t].*)*\n", "", lock), "utf-8")
    only_checked = ["--require-hashes", "--only-binary=:all:", "-r", str(requirements)]
    run([*pip, *only_checked], environment, "the installation failed; its messages are above")
    if wheel is not None:
        run([*pip, "--no-index", "--no-deps", str(wheel)], environment, f"install: {choice} could not be installed")
    return str(programs / "kubekeep")


def run(command: list[str], environment: Mapping[str, str], error: str) -> None:
    """Run a program of the installation. Raises ActionError with `error` if it fails."""
    if run_without_token(command, environment):
        raise ActionError(error)


def scan(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the scan and return its exit code."""
    # Names of files must not become commands to the runner.
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        code = run_without_token(command, environment)
    finally:
        print(f"\n::{token}::", flush=True)
    return code if code >= 0 else 128 - code


def fix_files(program: str, environment: Mapping[str, str], patch: Path) -> int:
    """Fix the files of the paths, and return the number of changed files. Never commits."""
    paths = [path for path in read_paths(environment) if path != "-" and ":" not in path]
    names = [f"--framework={text}"] if (text := read_input(environment, "FRAMEWORKS")) else []
    controls = ["control", text] if (text := read_input(environment, "CONTROLS")) else []
    if not paths:
        return 0
    scan([program, "fix", *names, f"--output={patch}", "--", *controls, *paths], environment)
    try:
        changes = patch.read_bytes()
    except FileNotFoundError:
        return 0
    if changes and run_without_token(["git", "apply", "--whitespace=nowarn", str(patch)], environment):
        raise ActionError("fix-files: the changes could not be applied; they are in kubekeep.patch of the reports")
    return len(re.findall(rb"^\+\+\+ ", changes, re.MULTILINE))


def run_without_token(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a program that gets neither the token nor input, and return its exit code."""
    variables = {name: value for name, value in environment.items() if name != "INPUT_TOKEN"}
    try:
        # One stream, because the runner reads two in any order.
        return subprocess.run(
            command, env=variables, check=False, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
        ).returncode
    except OSError as problem:
        raise ActionError(
            f"{Path(command[0]).name} cannot be run: {problem.strerror}; check the input install"
        ) from None


# Results


def read_result(sarif: Path, code: int, error: str) -> Result:
    """Return the results of the scan. Writes a SARIF file with the error, which never passes, if the scan wrote none."""
    try:
        log = json.loads(sarif.read_bytes())["runs"][0]
        # Nothing was assessed, or only parts without a finding: all alerts would be closed.
        is_empty = code == UNREAD and not log["results"]
        return Result(code, sarif, list(read_findings(log)), is_complete=not is_empty)
    except (OSError, ValueError):
        code = code or UNREAD
        text = error or f"the scan wrote no report and ended with {code}; its messages are in the log of the job"
        notification = {"level": "error", "message": {"text": text}}
        invocation = {"executionSuccessful": False, "exitCode": code, "toolExecutionNotifications": [notification]}
        driver = {"name": "kubekeep", "informationUri": "https://kubekeep.io", "rules": []}
        empty_run = {"tool": {"driver": driver}, "invocations": [invocation], "results": []}
        schema = "https://json.schemastore.org/sarif-2.1.0.json"
        sarif.write_text(json.dumps({"$schema": schema, "version": "2.1.0", "runs": [empty_run]}), "utf-8")
        return Result(code, sarif, [], is_complete=False)


def read_findings(log: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the open findings of a SARIF run, without excepted and resolved ones."""
    rules = log["tool"]["driver"]["rules"]
    for result in log["results"]:
        state = result.get("baselineState", "new")
        if result.get("suppressions") or state == "absent":
            continue
        rule = rules[result["ruleIndex"]]
        first = (result.get("locations") or [{}])[0]
        location = first.get("physicalLocation", {})
        uri = urllib.parse.unquote(location.get("artifactLocation", {}).get("uri", ""))
        line = location.get("region", {}).get("startLine")
        yield Finding(
            priority=result.get("properties", {}).get("priority", "").lower(),
            control=rule["id"],
            title=rule["shortDescription"]["text"],
            link=rule.get("helpUri", ""),
            resource=(first.get("logicalLocations") or [{}])[0].get("fullyQualifiedName", ""),
            location=f"{uri}:{line}" if line else uri,
            is_new=state in {"new", "updated"},
        )


def count_priorities(findings: list[Finding]) -> dict[str, int]:
    """Return the number of findings of each priority."""
    return {name: sum(finding.priority == name for finding in findings) for name in PRIORITIES}


def write_annotations(report: Path, result: Result, error: str) -> None:
    """Print the annotations of the report, which are escaped and at most ten of each level, or the error."""
    if error:
        print(f"::error title=Kubekeep::{escape_command(error)}", flush=True)
    elif not result.is_complete:
        text = f"Nothing was assessed (exit code {result.exit_code}); the messages of the scan are above"
        print(f"::error title=Kubekeep::{text}", flush=True)
    with contextlib.suppress(FileNotFoundError):
        sys.stdout.buffer.write(report.read_bytes())
        sys.stdout.flush()


def escape_command(text: str) -> str:
    """Return a text for the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def write_summary(summary: str, report: Path, error: str) -> None:
    """Append the Markdown report to the summary of the job, or a line that says why there is none."""
    if not summary:
        return
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    if not text:
        text = f"## Kubekeep: no results\n\n{escape_markdown(error or 'The log of the job has the reason.')}\n"
    with Path(summary).open("a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")


def write_outputs(path: str, result: Result, folder: Path, fixed_files: int) -> None:
    """Append the outputs of the step; all values are numbers or paths of this script."""
    outputs = {
        "exit-code": result.exit_code,
        "scanned": str(result.is_complete).lower(),
        "sarif": result.sarif,
        "reports": folder,
        "findings": len(result.findings),
        "new-findings": len(result.new),
        "fixed-files": fixed_files,
        **count_priorities(result.findings),
    }
    if path:
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.writelines(f"{name}={value}\n" for name, value in outputs.items())


# Comment


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refusal of redirects, because urllib would send the token to the other server."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect; urllib then raises the response as an error."""


def comment(environment: Mapping[str, str], result: Result) -> None:
    """Write or update the comment of this job. A failure is a warning: the findings are in the other reports."""
    number = read_pull_request(environment).get("number")
    repository = environment.get("GITHUB_REPOSITORY", "")
    token = read_input(environment, "TOKEN")
    if not isinstance(number, int) or not token or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        print("comment: not a pull request, or no token: no comment is written")
        return
    api = f"{environment.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}/issues"
    marker = build_marker(environment)
    body = render_comment(environment, result, marker)
    try:
        identifier = find_comment(api, number, token, marker)
        if identifier is not None:
            request("PATCH", f"{api}/comments/{identifier}", token, {"body": body})
        elif result.new:
            request("POST", f"{api}/{number}/comments", token, {"body": body})
    except urllib.error.HTTPError as error:
        hint = "; add `permissions: pull-requests: write` to the job" if error.code in {401, 403, 404} else ""
        print(f"::warning title=Kubekeep::The comment was not written: HTTP {error.code}{hint}")
    except (OSError, ValueError) as error:
        print(f"::warning title=Kubekeep::The comment was not written: {escape_command(type(error).__name__)}")


def find_comment(api: str, number: int, token: str, marker: str) -> int | None:
    """Return the id of the comment with this marker.

    Only comments of a bot count: another user could write the marker, and then edit the comment.
    """
    for page in range(1, MAX_PAGES + 1):
        comments = request("GET", f"{api}/{number}/comments?per_page={PAGE}&page={page}", token)
        for entry in comments:
            author = entry.get("user") or {}
            if author.get("type") == "Bot" and (entry.get("body") or "").startswith(marker):
                return int(entry["id"])
        if len(comments) < PAGE:
            break
    return None


def request(method: str, url: str, token: str, document: dict[str, str] | None = None) -> Any:
    """Send one request to GitHub's REST API and return the document of the response."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("GITHUB_API_URL is not an HTTP address")
    body = None if document is None else json.dumps(document).encode()
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "User-Agent": "kubekeep-action",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    message = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - checked above
    with urllib.request.build_opener(NoRedirects).open(message, timeout=TIMEOUT_SECONDS) as response:
        return json.loads(response.read(MAX_RESPONSE_BYTES))


def build_marker(environment: Mapping[str, str]) -> str:
    """Return an invisible line that identifies the comment: one for each job and selection of inputs."""
    names = ("GITHUB_WORKFLOW", "GITHUB_JOB", "INPUT_PATHS", "INPUT_FRAMEWORKS", "INPUT_CONTROLS")
    identity = "\0".join(environment.get(name, "") for name in names)
    return f"<!-- kubekeep {hashlib.sha256(identity.encode('utf-8', 'surrogateescape')).hexdigest()[:16]} -->"


def render_comment(environment: Mapping[str, str], result: Result, marker: str) -> str:
    """Return the text of the comment: the most urgent new findings, and a link to the run."""
    order = {name: index for index, name in enumerate(PRIORITIES)}
    findings = sorted(result.new, key=lambda finding: order.get(finding.priority, len(order)))
    noun = "new finding" if read_input(environment, "BASELINE") else "finding"
    lines = [marker, f"### Kubekeep: {len(findings) or 'no'} {noun}{'' if len(findings) == 1 else 's'}", ""]
    if findings:
        lines += ["| Priority | Control | Resource | Location |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {finding.priority.capitalize()} | {render_control(finding)} | "
            f"{escape_markdown(finding.resource)} | {escape_markdown(finding.location)} |"
            for finding in findings[:MAX_ROWS]
        ]
    if len(findings) > MAX_ROWS:
        lines += ["", f"{len(findings) - MAX_ROWS} more are in the summary of the run."]
    if result.exit_code:
        meaning = {1: "A gate failed.", 3: "Some input was not read."}.get(result.exit_code, "The scan failed.")
        lines += ["", f"**{meaning}**"]
    server, run_id = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_RUN_ID", "")
    if server and run_id.isdigit():
        lines += ["", f"[Run]({server}/{environment['GITHUB_REPOSITORY']}/actions/runs/{run_id})"]
    return "\n".join(lines) + "\n"


def render_control(finding: Finding) -> str:
    """Return the control's title and its id, with a link if its address holds no markup."""
    name = escape_markdown(finding.control)
    if re.fullmatch(r"https://[\w./-]+", finding.link):
        name = f"[{name}]({finding.link})"
    return f"{escape_markdown(finding.title)} {name}"


def escape_markdown(text: str) -> str:
    """Return a text as code that holds no markup, no mention and no link."""
    short = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in short)
    escaped = re.sub(r"[^\w ./…-]|_", lambda match: f"&#{ord(match[0])};", printable)
    return f"<code>{escaped}</code>" if escaped else ""


if __name__ == "__main__":
    sys.exit(main(os.environ))
