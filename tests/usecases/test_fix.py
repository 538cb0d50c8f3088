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
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(POD.format("a"))
    return tmp_path


def create_plan(*controls: str, paths: tuple[str, ...] = (".",)) -> Plan:
    return plan(FixRequest(scan=ScanRequest(ScanInput(paths=paths), rules=RuleOptions(controls=controls))))


def reasons(planned: Plan) -> set[str]:
    return {unfixed.reason for unfixed in planned.unfixed if unfixed.cause is UnfixedCause.REFUSED}


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
        (_to_folder, "it is no file any more"),
        (_to_pipe, "it is no file any more"),
    ],
)
def test_changed_files_are_not_written(change: Callable[[Path], object], reason: str, here: Path) -> None:
    (here / "b.yaml").write_text(POD.format("b"))
    planned = create_plan("C-0057")
    change(here / "a.yaml")
    answers: list[str] = []
    # A pipe without a writer would block a simple read.
    thread = threading.Thread(
        target=lambda: answers.extend(f"{index.name}: {index.reason}" for index in write_files(planned)), daemon=True
    )
    thread.start()
    thread.join(20)
    assert answers == [f"a.yaml: {reason}"]
    assert "privileged: false" in (here / "b.yaml").read_text()


def test_change_between_scan_and_plan_is_reported(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubekeep.usecases import fix  # noqa: PLC0415 - patched below

    original_scan = scan

    def scan_then_edit(*arguments: object, **options: object) -> object:
        assessment = original_scan(*arguments, **options)  # type: ignore[arg-type]
        (here / "a.yaml").write_text("# other\n" + POD.format("z"))
        return assessment

    monkeypatch.setattr(fix, "scan", scan_then_edit)
    planned = create_plan("C-0057")
    assert planned.files == ()
    assert reasons(planned) == {"the file has changed since it was scanned"}


def test_fix_that_breaks_another_control_is_refused(here: Path) -> None:
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
    (here / "a.yaml").write_text(server)
    planned = create_plan("admission-external-ips-denied")
    assert planned.files == ()
    assert reasons(planned) == {"C-0115 would fail then"}
    assert (here / "a.yaml").read_text() == server


def test_unfixable_resource_does_not_block_others(here: Path) -> None:
    (here / "b.yaml").write_text(
        POD.format("b")
        .replace("securityContext:", "securityContext: &x")
        .replace("      image", "      x: *x\n      image")
    )
    (here / "c.yaml").write_text("- &a {k: 1}\n---\n" + POD.format("c"))
    planned = create_plan("C-0057")
    assert [file.name for file in planned.files] == ["a.yaml", "c.yaml"]
    assert len(planned.fixed) == 2


def test_shared_mapping_is_fixed_once(here: Path) -> None:
    text = POD.format("a").replace("securityContext:", "securityContext: &safe") + (
        "    - name: two\n      image: registry.example.com/two:1.0\n      securityContext: *safe\n"
    )
    (here / "a.yaml").write_text(text)
    planned = create_plan("C-0057")
    assert write_files(planned) == []
    assert (here / "a.yaml").read_text() == text.replace("privileged: true", "privileged: false")
    assert len(planned.fixed) == 2


def test_json_list_is_fixed(here: Path) -> None:
    resource = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"hostPID":true,"containers":[]}}'
    (here / "list.json").write_text(f'{{"apiVersion":"v1","kind":"List","items":[{resource}]}}')
    planned = create_plan("C-0038", paths=("list.json",))
    assert write_files(planned) == []
    assert (here / "list.json").read_text() == f'{{"apiVersion":"v1","kind":"List","items":[{resource}]}}'.replace(
        '"hostPID":true,', ""
    )


def test_thousands_of_findings_in_one_file_are_fixed(here: Path) -> None:
    count = 600
    text = "---\n".join(POD.format(number) for number in range(count))
    (here / "a.yaml").write_text(text)
    planned = create_plan("C-0057", "C-0016", "C-0017")
    assert len(planned.fixed) == 4 * count
    assert write_files(planned) == []
    after = (here / "a.yaml").read_text()
    assert after.count("privileged: false") == after.count("readOnlyRootFilesystem: true") == count
    assert "privileged: true" not in after


def test_large_file_gets_a_small_hunk(here: Path) -> None:
    text = POD.format("a") + f"# {'x' * 100}\n" * 20_000
    (here / "a.yaml").write_text(text)
    planned = create_plan("C-0057")
    assert write_files(planned) == []
    assert (here / "a.yaml").read_text() == text.replace("privileged: true", "privileged: false")
    (hunk,) = planned.files[0].hunks
    assert len(hunk.lines) < 10


def test_symbolic_links_are_kept(here: Path) -> None:
    (here / "deploy").mkdir()
    (here / "a.yaml").rename(here / "deploy" / "real.yaml")
    (here / "deploy" / "link.yaml").symlink_to("real.yaml")
    (here / "deploy" / "absolute.yaml").symlink_to(here / "deploy" / "real.yaml")
    (here / "deploy" / "out.yaml").symlink_to("/etc/hostname")
    (here / "deploy" / "loop").symlink_to(".")
    planned = create_plan("C-0057", paths=("deploy",))
    assert write_files(planned) == []
    assert "privileged: false" in (here / "deploy" / "real.yaml").read_text()
    assert (here / "deploy" / "link.yaml").is_symlink()
