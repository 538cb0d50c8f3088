"""Plans of fixes, and files that change between plan and write."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.fixes.plan import Plan, write_files
from kubekeep.fixes.proposed_changes import UnfixedCause
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: pod-{0}
spec:
  containers:
    - name: one
      image: registry.example.com/one:1.0
      securityContext:
        privileged: true
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(POD.format("a"))
    return tmp_path


def create_plan(*controls: str, paths: tuple[str, ...] = (".",)) -> Plan:
    return plan(FixRequest(scan=ScanRequest(ScanInput(paths=paths), rules=RuleOptions(controls=controls))))


def reasons(fix_plan: Plan) -> set[str]:
    return {unfixed.reason for unfixed in fix_plan.unfixed if unfixed.cause is UnfixedCause.REFUSED}


def _to_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _to_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file.write_text(POD.format("b")), "it has changed since it was scanned"),
        (lambda file: file.write_text(POD.format("a") + "\n"), "it has changed since it was scanned"),
        (Path.unlink, "No such file or directory"),
        (_to_folder, "it is no longer a file"),
        (_to_pipe, "it is no longer a file"),
    ],
)
def test_changed_files_are_not_written(change: Callable[[Path], object], reason: str, folder: Path) -> None:
    (folder / "b.yaml").write_text(POD.format("b"))
    fix_plan = create_plan("C-0057")
    change(folder / "a.yaml")
    answers: list[str] = []
    # A pipe without a writer would block a simple read.
    thread = threading.Thread(
        target=lambda: answers.extend(f"{index.name}: {index.reason}" for index in write_files(fix_plan)), daemon=True
    )
    thread.start()
    thread.join(60)
    assert answers == [f"a.yaml: {reason}"]
    assert "privileged: false" in (folder / "b.yaml").read_text()


def test_change_between_scan_and_plan_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubekeep.usecases import fix  # noqa: PLC0415 - patched below

    original_scan = scan

    def scan_then_edit(*arguments: object, **options: object) -> object:
        assessment = original_scan(*arguments, **options)  # type: ignore[arg-type]
        (folder / "a.yaml").write_text("# other\n" + POD.format("z"))
        return assessment

    monkeypatch.setattr(fix, "scan", scan_then_edit)
    fix_plan = create_plan("C-0057")
    assert fix_plan.files == ()
    assert reasons(fix_plan) == {"the file has changed since it was scanned"}


def test_fix_that_breaks_another_control_is_refused(folder: Path) -> None:
    server = """\
apiVersion: v1
kind: Pod
metadata:
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
    - name: kube-apiserver
      image: registry.k8s.io/kube-apiserver:v1.34.0
      command:
        - kube-apiserver
        - --enable-admission-plugins=NodeRestriction
"""
    (folder / "a.yaml").write_text(server)
    fix_plan = create_plan("admission-external-ips-denied")
    assert fix_plan.files == ()
    assert reasons(fix_plan) == {"C-0115 would fail after the change"}
    assert (folder / "a.yaml").read_text() == server


def test_unfixable_resource_does_not_block_others(folder: Path) -> None:
    (folder / "b.yaml").write_text(
        POD.format("b")
        .replace("securityContext:", "securityContext: &x")
        .replace("      image", "      x: *x\n      image")
    )
    (folder / "c.yaml").write_text("- &a {k: 1}\n---\n" + POD.format("c"))
    fix_plan = create_plan("C-0057")
    assert [file.name for file in fix_plan.files] == ["a.yaml", "c.yaml"]
    assert len(fix_plan.fixed) == 2


def test_shared_mapping_is_fixed_once(folder: Path) -> None:
    text = POD.format("a").replace("securityContext:", "securityContext: &safe") + (
        "    - name: two\n      image: registry.example.com/two:1.0\n      securityContext: *safe\n"
    )
    (folder / "a.yaml").write_text(text)
    fix_plan = create_plan("C-0057")
    assert write_files(fix_plan) == []
    assert (folder / "a.yaml").read_text() == text.replace("privileged: true", "privileged: false")
    assert len(fix_plan.fixed) == 2


def test_json_list_is_fixed(folder: Path) -> None:
    containers = '[{"name":"x","image":"registry.example.com/x:1.0"}]'
    spec = f'{{"hostPID":true,"containers":{containers}}}'
    resource = f'{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"x"}},"spec":{spec}}}'
    (folder / "list.json").write_text(f'{{"apiVersion":"v1","kind":"List","items":[{resource}]}}')
    fix_plan = create_plan("C-0038", paths=("list.json",))
    assert write_files(fix_plan) == []
    assert (folder / "list.json").read_text() == f'{{"apiVersion":"v1","kind":"List","items":[{resource}]}}'.replace(
        '"hostPID":true,', ""
    )


def test_thousands_of_findings_in_one_file_are_fixed(folder: Path) -> None:
    count = 600
    text = "---\n".join(POD.format(number) for number in range(count))
    (folder / "a.yaml").write_text(text)
    fix_plan = create_plan("C-0057", "C-0016", "C-0017")
    assert len(fix_plan.fixed) == 4 * count
    assert write_files(fix_plan) == []
    after = (folder / "a.yaml").read_text()
    assert after.count("privileged: false") == after.count("readOnlyRootFilesystem: true") == count
    assert "privileged: true" not in after


def test_large_file_gets_a_small_hunk(folder: Path) -> None:
    text = POD.format("a") + f"# {'x' * 100}\n" * 20_000
    (folder / "a.yaml").write_text(text)
    fix_plan = create_plan("C-0057")
    assert write_files(fix_plan) == []
    assert (folder / "a.yaml").read_text() == text.replace("privileged: true", "privileged: false")
    (hunk,) = fix_plan.files[0].hunks
    assert len(hunk.lines) < 10


def test_symbolic_links_are_kept(folder: Path) -> None:
    (folder / "deploy").mkdir()
    (folder / "a.yaml").rename(folder / "deploy" / "real.yaml")
    (folder / "deploy" / "link.yaml").symlink_to("real.yaml")
    (folder / "deploy" / "absolute.yaml").symlink_to(folder / "deploy" / "real.yaml")
    (folder / "deploy" / "out.yaml").symlink_to("/etc/hostname")
    (folder / "deploy" / "loop").symlink_to(".")
    fix_plan = create_plan("C-0057", paths=("deploy",))
    assert write_files(fix_plan) == []
    assert "privileged: false" in (folder / "deploy" / "real.yaml").read_text()
    assert (folder / "deploy" / "link.yaml").is_symlink()
