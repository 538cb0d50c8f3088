"""`kubekeep fix`: output, prompts, writes and rejected input."""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts.terminal import run_in_terminal
from tests.command_line import run_command_line

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: debug
spec:
  containers:
    - name: shell # by hand
      image: registry.example.com/shell:1.0
      securityContext:
        privileged: true
"""
FIXED = POD.replace("privileged: true", "privileged: false")
ASKED = ("fix", "control", "C-0057")


def kubekeep(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_command_line(*arguments, folder=cwd)


def run_with_small_files(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in a process that cannot write files of more than 10 kB."""

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    return subprocess.run(
        [sys.executable, "-m", "kubekeep", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=120,
        preexec_fn=limit_file_size,
    )


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    file = tmp_path / "pod.yaml"
    file.write_bytes(POD.encode())
    return file


def test_fix_shows_and_writes_change_once(pod: Path) -> None:
    first = kubekeep(*ASKED, "pod.yaml", "--yes", cwd=pod.parent)
    assert first.returncode == 0
    assert "@@ -7,4 +7,4 @@ C-0057\n" in first.stdout
    assert "-        privileged: true\n+        privileged: false\n" in first.stdout
    assert "\x1b" not in first.stdout
    assert "changed 1 file, 1 finding fixed" in first.stderr
    assert pod.read_text() == FIXED
    second = kubekeep(*ASKED, "pod.yaml", "--yes", cwd=pod.parent)
    assert (second.returncode, second.stdout) == (0, "")
    assert [entry.name for entry in pod.parent.iterdir()] == ["pod.yaml"]


def test_dry_run_writes_nothing(pod: Path) -> None:
    result = kubekeep(*ASKED, ".", "--dry-run", cwd=pod.parent)
    assert result.returncode == 0
    assert "+        privileged: false" in result.stdout
    assert pod.read_text() == POD


def test_missing_terminal_is_a_usage_error(pod: Path) -> None:
    result = kubekeep(*ASKED, ".", cwd=pod.parent)
    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert pod.read_text() == POD


@pytest.mark.parametrize(
    "words", [("-",), ("https://example.com/a.yaml",), (), ("--value", "x", "."), ("--severity", "x", ".")]
)
def test_usage_errors(words: tuple[str, ...], pod: Path) -> None:
    assert kubekeep("fix", *words, "--yes", cwd=pod.parent).returncode == 2


@pytest.mark.parametrize("address", ["image:nginx:1.29", "oci:layout", "dir:.", "sbom:app.cdx.json"])
def test_images_cannot_be_fixed(address: str, pod: Path) -> None:
    result = kubekeep("fix", address, "--dry-run", cwd=pod.parent)
    assert result.returncode == 2
    message = f"{address} cannot be fixed: name the folder with its Dockerfile or manifests"
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(("answer", "code", "after"), [("y", 0, FIXED), ("n", 1, POD), ("", 1, POD)])
def test_terminal_prompts_for_confirmation(answer: str, code: int, after: str, pod: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kubekeep", *ASKED, "pod.yaml"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=pod.parent,
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": ""},
    )
    os.close(terminal)
    output = b""
    while b"[y/N]" not in output:
        output += os.read(controller, 4096)
    os.write(controller, f"{answer}\n".encode())
    assert process.wait(60) == code
    os.close(controller)
    shown = output.decode()
    assert "# C-0057 Containers do not run privileged" in shown
    assert "\x1b[32m+        privileged: false\x1b[0m" in shown
    assert "Apply this 1 change to 1 file? [y/N]" in shown
    assert pod.read_text() == after


def test_terminal_masks_secrets_of_the_context(tmp_path: Path) -> None:
    """Check the diff on a terminal; a pipe gets the text of the file, which git can apply."""
    manifest = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: nginx:1.29\n"
        "    env:\n    - name: DB_PASSWORD\n      value: Hunter2-Plain-9x\n"
        "    securityContext:\n      privileged: true\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
        "data: {a: SHVudGVyMi1QbGFpbi05eA==}\n"
    )
    (tmp_path / "pod.yaml").write_text(manifest)
    command = ["fix", "control", "C-0057", str(tmp_path / "pod.yaml"), "--dry-run"]
    shown = run_in_terminal([sys.executable, "-m", "kubekeep", *command], 120, dict(os.environ))
    assert "value: XXXXXX" in shown
    assert "Hunter2" not in shown
    assert "SHVudGVy" not in shown
    assert "+      privileged: false" in shown
    assert "Hunter2-Plain-9x" in kubekeep(*command, cwd=tmp_path).stdout


@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-p1", "--binary", "-s", "-i"]])
def test_patch_equals_written_change(tool: list[str], tmp_path: Path) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        shutil.copytree(SHOP, folder / "shop")
        (folder / "shop" / "with space é.yaml").write_bytes(POD.encode().replace(b"\n", b"\r\n"))
        (folder / "shop" / "unended.yaml").write_bytes(POD.encode().rstrip())
    assert kubekeep("fix", "shop", "--yes", cwd=one).returncode == 0
    assert kubekeep("fix", "shop", "-o", "fix.patch", cwd=other).returncode == 0
    assert (other / "shop" / "unended.yaml").read_bytes() == POD.encode().rstrip()
    subprocess.run([*tool, "fix.patch"], cwd=other, check=True)
    for file in sorted((one / "shop").rglob("*.yaml")):
        assert (other / file.relative_to(one)).read_bytes() == file.read_bytes(), file


def test_bytes_around_the_change_are_preserved(pod: Path) -> None:
    pod.write_bytes(b"\xef\xbb\xbf" + POD.rstrip().replace("\n", "\r\n").encode())
    pod.chmod(0o640)
    assert kubekeep(*ASKED, ".", "--yes", cwd=pod.parent).returncode == 0
    assert pod.read_bytes() == b"\xef\xbb\xbf" + FIXED.rstrip().replace("\n", "\r\n").encode()
    assert pod.stat().st_mode & 0o777 == 0o640


def test_symbolic_link_is_preserved(pod: Path) -> None:
    (pod.parent / "folder").mkdir()
    real = pod.rename(pod.parent / "folder" / "real.yaml")
    pod.symlink_to("folder/real.yaml")
    assert kubekeep(*ASKED, "pod.yaml", "--yes", cwd=pod.parent).returncode == 0
    assert pod.is_symlink()
    assert real.read_text() == FIXED


def test_read_only_file_is_not_changed(pod: Path) -> None:
    pod.chmod(0o444)
    result = kubekeep(*ASKED, ".", "--yes", cwd=pod.parent)
    assert result.returncode == 3
    assert "not written: pod.yaml: it is read-only" in result.stderr
    assert pod.read_text() == POD


def test_full_disk_leaves_the_file_unchanged(pod: Path) -> None:
    pod.write_text(POD + "# " + "x" * 20_000 + "\n")
    result = run_with_small_files(*ASKED, ".", "--yes", cwd=pod.parent)
    assert "Traceback" not in result.stderr
    assert result.returncode == 3
    assert "the changes could not be verified" in result.stderr
    assert pod.read_text().startswith(POD)
    assert [entry.name for entry in pod.parent.iterdir()] == ["pod.yaml"]


def test_utf_16_is_rejected_with_reason(pod: Path) -> None:
    pod.write_bytes(POD.encode("utf-16"))
    result = kubekeep(*ASKED, ".", "--yes", cwd=pod.parent)
    assert result.returncode == 1
    assert "UTF-16" in result.stderr


def test_unread_input_is_reported(pod: Path) -> None:
    (pod.parent / "broken.yaml").write_text("a: b: c\n")
    os.mkfifo(pod.parent / "pipe.yaml")
    result = kubekeep(*ASKED, ".", "--yes", cwd=pod.parent)
    assert result.returncode == 3
    assert "not read: broken.yaml:1" in result.stderr
    assert "not read: pipe.yaml" in result.stderr
    assert pod.read_text() == FIXED


def test_user_values_complete_findings_without_fix(pod: Path) -> None:
    arguments = ("fix", "control", "C-0271,C-0004", "pod.yaml", "--yes")
    unfixed_result = kubekeep(*arguments, cwd=pod.parent)
    assert "no fix is known" in unfixed_result.stderr
    assert pod.read_text() == POD
    values = ("--value", "limits.memory=256Mi", "--value", "requests.memory=64Mi")
    assert kubekeep(*arguments, *values, cwd=pod.parent).returncode == 0
    assert "limits:\n          memory: " in pod.read_text()
    assert "256Mi" in pod.read_text()


def test_report_selects_the_findings(pod: Path) -> None:
    other = pod.parent / "other.yaml"
    other.write_text(POD.replace("debug", "other"))
    report = pod.parent / "report.json"
    kubekeep("scan", "control", "C-0057", "pod.yaml", "-f", "json", "-o", report, cwd=pod.parent)
    result = kubekeep("fix", "--report", report, "--yes", "--include-risky", cwd=pod.parent)
    assert result.returncode == 0, result.stderr
    assert pod.read_text() == FIXED
    assert "privileged: true" in other.read_text()


def test_report_older_than_the_file_is_stale(pod: Path) -> None:
    report = pod.parent / "report.json"
    kubekeep("scan", "control", "C-0057", "pod.yaml", "-f", "json", "-o", report, cwd=pod.parent)
    os.utime(pod, (time.time() + 60, time.time() + 60))
    result = kubekeep("fix", "--report", report, "--yes", cwd=pod.parent)
    assert result.returncode == 3
    assert "pod.yaml has changed since the report was written" in result.stderr
    assert pod.read_text() == POD


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"generationTime": "yesterday"})])
def test_invalid_report_is_rejected(text: str, pod: Path) -> None:
    (pod.parent / "report.json").write_text(text)
    result = kubekeep("fix", "--report", "report.json", "--yes", cwd=pod.parent)
    assert result.returncode == 2
    assert "not a report" in result.stderr


def test_volumes_are_removed_only_for_named_control(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(POD + "  volumes:\n    - name: root\n      hostPath: {path: /}\n")
    result = kubekeep("fix", ".", "--dry-run", cwd=tmp_path)
    assert "name the control" in result.stderr
    assert "-    - name: root" not in result.stdout
    named = kubekeep("fix", "control", "C-0048", ".", "--dry-run", cwd=tmp_path)
    assert "-    - name: root" in named.stdout


def test_no_patch_without_a_change(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(FIXED)
    result = kubekeep(*ASKED, "pod.yaml", "-o", "fix.patch", cwd=tmp_path)
    assert "no finding can be fixed: fix.patch was not written" in result.stderr
    assert not (tmp_path / "fix.patch").exists()


def summary(errors: str) -> list[str]:
    """Return the lines with numbers of findings."""
    return [line for line in errors.splitlines() if not line.startswith((" ", "warning: "))]


def test_fix_counts_findings_like_a_scan() -> None:
    scanned = kubekeep("scan", "online-shop", cwd=SHOP.parent)
    known = "40 findings with a known fix"
    unfixed = ["input required: 2 findings", "no fix is known: 38 findings; use --verbose to list them"]
    assert f"kubekeep fix online-shop                   {known}\n" in scanned.stdout
    result = kubekeep("fix", "online-shop", "--dry-run", cwd=SHOP.parent)
    risky = "can stop a program: 27 findings; use --include-risky to fix them too and --verbose to list them"
    assert summary(result.stderr) == [
        f"{known}; 12 can be fixed by 13 changes (1 only in part)",
        unfixed[0],
        risky,
        unfixed[1],
    ]
    result = kubekeep("fix", "online-shop", "--dry-run", "--include-risky", cwd=SHOP.parent)
    assert summary(result.stderr) == [f"{known}; 38 can be fixed by 43 changes", *unfixed]


def test_fix_without_known_fixes(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(FIXED)
    result = kubekeep(*ASKED, "pod.yaml", "--dry-run", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "no findings with a known fix\n")


def test_misspelt_field_leaves_the_fix_unverified(pod: Path) -> None:
    pod.write_text(POD + "        runAsNonroot: true\n")
    result = kubekeep(*ASKED, "pod.yaml", "--yes", cwd=pod.parent)
    assert result.returncode == 1
    assert "the fix cannot be verified: unknown field spec.containers[0].securityContext.runAsNonroot" in result.stderr
    assert pod.read_text() == POD + "        runAsNonroot: true\n"


def test_changes_that_can_stop_a_program_have_warnings(pod: Path) -> None:
    result = kubekeep("fix", "control", "C-0013,C-0017", "pod.yaml", "--dry-run", cwd=pod.parent)
    assert "warning: runAsNonRoot: the container does not start if its image runs as root" in result.stderr
    assert "warning: readOnlyRootFilesystem: the program fails" in result.stderr
    assert "can stop" not in result.stderr
    pod.write_text(POD + "        runAsUser: 1000\n        runAsNonRoot: false\n")
    result = kubekeep("fix", "framework", "pss-restricted", "pod.yaml", "--dry-run", cwd=pod.parent)
    assert "+        runAsNonRoot: true" in result.stdout
    assert "warning: runAsNonRoot" not in result.stderr


def test_changes_that_can_stop_a_program_need_an_option(pod: Path) -> None:
    pod.write_text(POD + "    - name: web\n      image: registry.example.com/web:1.0\n")
    result = kubekeep("fix", "pod.yaml", "--yes", cwd=pod.parent)
    assert (result.returncode, "warning" in result.stderr) == (0, False)
    assert "; use --include-risky to fix them too" in result.stderr
    text = pod.read_text()
    assert text.count("allowPrivilegeEscalation: false") == 1, "the API server rejects it for a privileged container"
    assert "privileged: true" in text
    risky = ("runAsNonRoot", "runAsUser", "readOnlyRootFilesystem", "drop", "automountServiceAccountToken")
    assert [field for field in risky if field in text] == []
    verbose = kubekeep("fix", "pod.yaml", "--dry-run", "--verbose", cwd=pod.parent)
    assert "securityContext.privileged: the program may need the present value" in verbose.stderr
    result = kubekeep("fix", "pod.yaml", "--yes", "--include-risky", cwd=pod.parent)
    assert "warning: securityContext.privileged: the program may need the present value" in result.stderr
    assert "the API server rejects false" not in result.stderr
    assert pod.read_text().count("allowPrivilegeEscalation: false") == 2
    assert "readOnlyRootFilesystem: true" in pod.read_text()
    assert "privileged: true" not in pod.read_text()


def test_report_names_no_control(pod: Path) -> None:
    pod.write_text(POD + "  volumes:\n    - name: root\n      hostPath: {path: /}\n")
    report = pod.parent / "report.json"
    kubekeep("scan", "control", "C-0057,C-0048", "pod.yaml", "-f", "json", "-o", report, cwd=pod.parent)
    result = kubekeep("fix", "--report", report, "--yes", cwd=pod.parent)
    assert (result.returncode, result.stdout) == (0, "")
    assert "use --include-risky" in result.stderr
    assert "name the control" in result.stderr
    result = kubekeep("fix", "--report", report, "--yes", "--include-risky", cwd=pod.parent)
    assert pod.read_text() == FIXED + "  volumes:\n    - name: root\n      hostPath: {path: /}\n"


def test_field_that_no_template_has(tmp_path: Path) -> None:
    templates = tmp_path / "web" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (templates / "pod.yaml").write_text(POD)
    result = kubekeep("fix", "control", "C-0017,C-0057", "web", "--dry-run", cwd=tmp_path)
    assert "C-0057 Containers do not run privileged: a template sets it: " in result.stderr
    assert "a template must set it; the field is missing: " in result.stderr
