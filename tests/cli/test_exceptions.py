"""Exceptions on the command line: add, list, check, test, and use by a scan. Every exception is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kubekeep.cli.main import kubekeep as program

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
POD = SHOP / "operations" / "debug-pod.yaml"
KNOWN = [{"name": "known", "posturePolicies": [{"controlID": "C-0057"}], "reason": "debugging"}]


def kubekeep(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(program, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("known.json").write_text(json.dumps(KNOWN))
    return tmp_path


def scan(*arguments: str | Path) -> Result:
    return kubekeep("scan", "control", "C-0057", POD, "--severity-threshold", "low", *arguments)


def test_gates_ignore_excepted_findings() -> None:
    assert scan().exit_code == 1
    gated = scan("--exceptions", "known.json")
    assert gated.exit_code == 0
    assert gated.stderr.startswith("1 exception: 1 finding covered\n")
    assert "1 finding covered by exceptions" in gated.stdout


def test_files_and_sets_are_combined() -> None:
    Path("other.json").write_text("[]")
    result = scan("--exceptions", "other.json", "--exceptions", "known.json", "--exception-set", "eks")
    assert result.exit_code == 0
    assert result.stderr.startswith("5 exceptions: 1 finding covered\n")
    assert scan("--exception-set", "kind").exit_code == 2


def test_expired_exception_is_reported_and_ignored() -> None:
    Path("old.json").write_text(json.dumps([{**KNOWN[0], "expirationDate": "2020-01-01"}]))
    result = scan("--exceptions", "old.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("1 exception: 0 findings covered, 1 expired; use --audit-exceptions to list them\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [("[", "bad.json:1:"), ('[{"resource": []}]', "bad.json:1:3: unknown key"), (None, "bad.json: no such file")],
)
def test_invalid_exceptions_file_is_an_error(text: str | None, place: str) -> None:
    if text is not None:
        Path("bad.json").write_text(text)
    result = scan("--exceptions", "bad.json")
    assert (result.exit_code, place in result.stderr) == (2, True), result.stderr
    assert result.stdout == ""


def test_audit_lists_exceptions() -> None:
    result = scan("--exceptions", "known.json", "--audit-exceptions")
    assert "Exceptions" in result.stdout
    report = json.loads(scan("--exceptions", "known.json", "--audit-exceptions", "-f", "json").stdout)
    (entry,) = report["exceptionAudit"]["items"]
    assert (entry["name"], entry["status"], entry["matchCount"]) == ("known", "matched", 1)
    assert "exceptionAudit" not in json.loads(scan("-f", "json").stdout)


def test_inline_exceptions_can_be_disabled() -> None:
    text = POD.read_text().replace("metadata:\n", "metadata:\n  annotations: {kubescape.io/skip-controls: C-0057}\n", 1)
    Path("pod.yaml").write_text(text)
    flags = "scan", "control", "C-0057", "pod.yaml", "--severity-threshold", "low"
    assert kubekeep(*flags).exit_code == 0
    assert kubekeep(*flags, "--no-honor-inline-exceptions").exit_code == 1
    assert kubekeep(*flags, "--snapshot").exit_code == 1
    assert kubekeep(*flags, "--snapshot", "--honor-inline-exceptions").exit_code == 0


def add(file: str, *arguments: str) -> Result:
    return kubekeep("exceptions", "add", file, "--reason", "it: is so", *arguments)


@pytest.mark.parametrize("file", ["new.yaml", "new.json"])
def test_add_creates_the_file(file: str) -> None:
    assert add(file, "--control", "C-0057", "--kind", "Pod", "--expires", "2999-01-31").exit_code == 0
    assert add(file, "--control", "C-0016,C-0017", "--name", "web-.*", "--container", "app").exit_code == 0
    (first, second) = json.loads(kubekeep("exceptions", "list", file, "-f", "json").stdout)
    assert (first["controls"], first["expires"], first["reason"]) == (["C-0057"], "2999-01-31T23:59:59Z", "it: is so")
    assert second["controls"] == ["C-0016", "C-0017"]
    assert second["resources"] == [{"name": "web-.*", "containerName": "app"}]
    assert scan("--exceptions", file).exit_code == 0


@pytest.mark.parametrize("file", ["new.yaml", "new.json"])
@pytest.mark.parametrize(
    "word", ["y", "no", "1e3", "0x1f", "1_000", "~", "null", "12:30:45", "a: b", "- a", "#", "ü\nb"]
)
def test_added_text_survives_a_round_trip(file: str, word: str) -> None:
    for _ in range(2):
        assert (
            kubekeep("exceptions", "add", file, "--control", "C-0057", "--name", word, "--reason", word).exit_code == 0
        )
    rows = json.loads(kubekeep("exceptions", "list", file, "-f", "json").stdout)
    assert [(row["reason"], row["resources"]) for row in rows] == [(word, [{"name": word}])] * 2


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("e.yaml", "# why we have these\n- name: one   # kept\n  posturePolicies: [{controlID: C-0013}]\n# the end\n"),
        ("e.json", '[\n    {"name": "one", "posturePolicies": [{"controlID": "C-0013"}]}\n]'),
        ("e.yaml", "[]\n"),
        ("e.json", "[]"),
        ("e.yaml", "# nothing yet"),
        ("e.json", ""),
    ],
)
def test_add_leaves_other_entries_unchanged(name: str, before: str) -> None:
    Path(name).write_text(before)
    Path(name).chmod(0o640)
    assert add(name, "--control", "C-0057").exit_code == 0
    after = Path(name).read_text()
    for line in before.splitlines():
        assert line.strip("[] ") in after
    rows = json.loads(kubekeep("exceptions", "list", name, "-f", "json").stdout)
    assert rows[-1]["controls"] == ["C-0057"]
    assert len(rows) == 1 + ("one" in before)
    assert Path(name).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--control", "C-00O57"), "unknown: C-00O57; did you mean C-0057?"),
        (("--kind", ".*"), "it would cover everything"),
        ((), "it would cover everything"),
        (("--control", "C-0057", "--name", "a("), "is not a regular expression of RE2"),
        (("--control", "C-0057", "--name", "*-web"), "repetition operator: *; use .*-web"),
        (("--control", "C-00*"), "unknown: C-00*; a pattern is a regular expression: C-00.*"),
        (("--control", "C-57"), "unknown: C-57; did you mean C-0057?"),
        (("--control", "16"), "unknown: 16; did you mean C-0016?"),
        (("--control", "C-0057", "--expires", "soon"), "neither a date"),
        (("--control", "C-0057", "--expires", "2020-01-01"), "already expired"),
        (("--framework", "nope", "--kind", "Pod"), "unknown: framework nope"),
    ],
)
def test_entry_without_effect_is_rejected(arguments: tuple[str, ...], message: str) -> None:
    result = add("new.yaml", *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
    assert not Path("new.yaml").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--namespace", ""),
        ("--kind", " "),
        ("--name", ""),
        ("--container", ""),
        ("--expires", ""),
        ("--framework", ""),
        ("--control", ","),
        ("--control", "C-0016", "--control", ""),
        ("--reason", ""),
    ],
)
def test_empty_option_is_rejected(arguments: tuple[str, ...]) -> None:
    result = add("new.yaml", "--control", "C-0057", *arguments)
    assert (result.exit_code, "the value is empty" in result.stderr) == (2, True), result.stderr
    assert not Path("new.yaml").exists()


@pytest.mark.parametrize(
    ("option", "doubt"),
    [
        (("--kind", "pod"), "Kubernetes has no kind pod; did you mean Pod?"),
        (("--kind", "Deployment|Statefulset"), "Kubernetes has no kind Statefulset; did you mean StatefulSet?"),
        (("--namespace", "kube-*"), "kube-* is a regular expression; did you mean kube-.*?"),
        (("--namespace", "shop, kitchen"), "shop, kitchen is one namespace; did you mean shop|kitchen?"),
        (("--container", "*"), ""),
        (("--name", "web.*"), ""),
        (("--kind", "CiliumNetworkPolicy|HTTPRoute|Group"), ""),
    ],
)
def test_doubtful_entry_is_added_with_a_warning(option: tuple[str, str], doubt: str) -> None:
    added = add("new.yaml", "--control", "C-0057", *option)
    assert (added.exit_code, added.stderr.splitlines()[1:]) == (0, [f"new.yaml: warning: {doubt}"] if doubt else [])
    check_result = kubekeep("exceptions", "check", "new.yaml")
    assert (check_result.exit_code, doubt in check_result.stdout) == (bool(doubt), True)


@pytest.mark.parametrize(
    ("attributes", "doubt"),
    [
        ({"Namespace": "shop"}, "Namespace is treated as a label; did you mean namespace?"),
        ({"containername": "app"}, "containername is treated as a label; did you mean containerName?"),
        ({"path": "deploy/*.yaml"}, "deploy/*.yaml is a regular expression; did you mean deploy/.*.yaml?"),
        ({"cluster": "minikube"}, "resources in files have no cluster name, so none matches minikube"),
        ({"cluster": ".*", "app": "web", "app.kubernetes.io/name": "web"}, ""),
    ],
)
def test_check_reports_doubtful_entries(attributes: dict[str, str], doubt: str) -> None:
    Path("e.json").write_text(json.dumps([{**KNOWN[0], "resources": [{"attributes": attributes}]}]))
    check_result = kubekeep("exceptions", "check", "e.json")
    assert (check_result.exit_code, doubt in check_result.stdout) == (bool(doubt), True)


SELECTING = """\
apiVersion: kubescape.io/v1beta1
kind: ClusterSecurityException
metadata: {name: some}
spec:
  match:
    namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a, b]}]}
    objectSelector: {matchLabels: {app: web}, matchExpressions: [{key: x, operator: DoesNotExist}]}
    resources: [{kind: Deployment, name: we.b}, {apiGroup: batch, kind: "*"}]
  posture: [{controlID: C-0057, frameworkName: NSA}]
"""


def test_check_warns_about_names_that_look_like_patterns() -> None:
    Path("some.yaml").write_text(SELECTING.replace("we.b", "^web-.*$"))
    check_result = kubekeep("exceptions", "check", "some.yaml")
    assert (check_result.exit_code, check_result.stdout) == (
        1,
        "some.yaml:1: warning: ClusterSecurityException some: ^web-.*$ is treated as a name, not as a pattern\n",
    )
    Path("some.yaml").write_text(SELECTING.replace("we.b", "system:node-1.example"))
    assert kubekeep("exceptions", "check", "some.yaml").exit_code == 0


def test_list_shows_all_selectors_of_an_exception() -> None:
    Path("some.yaml").write_text(SELECTING)
    assert kubekeep("exceptions", "list", "some.yaml").stdout.splitlines() == [
        "ClusterSecurityException some",
        "    controls   NSA: C-0057",
        "    resources  kind=Deployment name=we.b",
        "    or         apiGroup=batch",
        "    labels     app in (web), !x",
        "    in         team notin (a,b)",
    ]
    (row,) = json.loads(kubekeep("exceptions", "list", "some.yaml", "-f", "json").stdout)
    assert (row["objectSelector"], row["namespaceSelector"]) == (["app in (web)", "!x"], ["team notin (a,b)"])


def test_option_that_is_not_utf_8_is_rejected() -> None:
    result = add("new.yaml", "--control", "C-0057", "--name", "a\udcff")
    assert (result.exit_code, "the value is not UTF-8 text" in result.stderr) == (2, True), result.stderr


def test_add_leaves_other_kinds_of_files_unchanged() -> None:
    Path("pod.yaml").write_text(POD.read_text())
    assert add("pod.yaml", "--control", "C-0057").exit_code == 2
    assert Path("pod.yaml").read_text() == POD.read_text()
    Path("one.json").write_text(json.dumps(KNOWN[0]))
    assert "not a list of exceptions" in add("one.json", "--control", "C-0057").stderr


def test_check_reports_errors() -> None:
    assert kubekeep("exceptions", "check", "known.json").exit_code == 0
    Path("bad.json").write_text(json.dumps([{"name": "all"}, {**KNOWN[0], "expirationDate": "2020-01-01"}, *KNOWN]))
    result = kubekeep("exceptions", "check", "bad.json")
    assert result.exit_code == 1
    assert [line.split(": ")[1] for line in result.stdout.splitlines()] == ["too-broad", "expired"]
    Path("broken.json").write_text("[")
    broken = kubekeep("exceptions", "check", "broken.json")
    assert (broken.exit_code, broken.stdout.startswith("broken.json:1:")) == (2, True)


def test_check_reports_broad_exceptions() -> None:
    broad_result = {**KNOWN[0], "resources": [{"attributes": {"namespace": "", "kind": "Pod"}}]}
    Path("wide.json").write_text(json.dumps([broad_result]))
    result = kubekeep("exceptions", "check", "wide.json")
    assert result.exit_code == 1
    assert result.stdout == "wide.json:1: warning: known: namespace of resources[0] is empty and matches any value\n"
    result = scan("--exceptions", "wide.json", "--audit-exceptions")
    assert result.stderr.startswith("1 exception: 1 finding covered, 1 with warnings")
    assert "is empty and matches any value" in " ".join(result.stdout.split())


MISSPELT = """\
apiVersion: kubescape.io/v1beta1
kind: ClusterSecurityException
metadata: {name: pods}
spec:
  posture: [{controlID: C-0057, action: ignore}]
  matchs: {resources: [{kind: Job}]}
"""


def test_object_with_unknown_key_is_reported_and_not_applied() -> None:
    Path("misspelt.yaml").write_text(MISSPELT)
    check_result = kubekeep("exceptions", "check", "misspelt.yaml")
    assert (check_result.exit_code, check_result.stdout) == (
        2,
        "misspelt.yaml:6:3: unknown key 'matchs': did you mean match?\n",
    )
    scan_result = scan("--exceptions", "misspelt.yaml")
    assert (scan_result.exit_code, "misspelt.yaml:6:3: unknown key 'matchs'" in scan_result.stderr) == (2, True)
    dump = "scan", "control", "C-0057", POD, "misspelt.yaml", "--snapshot", "--severity-threshold", "low"
    result = kubekeep(*dump, "--audit-exceptions")
    assert result.exit_code == 1, "an invalid exception has no effect"
    assert "0 findings covered, 1 invalid" in result.stderr
    assert "unknown key 'matchs'" in result.stdout
    assert "misspelt.yaml:6" in result.stdout


def test_exceptions_test_shows_covered_findings() -> None:
    result = kubekeep("exceptions", "test", "known.json", SHOP)
    assert result.exit_code == 0
    assert result.stdout.startswith("known.json:1: matched: known\n    C-0057  ")
    assert "\n    C-0057  Pod shop/debug\n" in result.stdout
    Path("more.json").write_text(json.dumps([*KNOWN, {**KNOWN[0], "resources": [{"attributes": {"name": "gone"}}]}]))
    more = kubekeep("exceptions", "test", "more.json", SHOP)
    assert (more.exit_code, "unused" in more.stdout) == (1, True)


def test_sets_are_listed_and_shown() -> None:
    rows = json.loads(kubekeep("list", "exception-sets", "-f", "json").stdout)
    assert [row["name"] for row in rows] == ["aks", "eks", "gke", "kubeadm", "kubernetes", "openshift"]
    assert "kube-proxy" in kubekeep("exceptions", "list", "--exception-set", "eks").stdout
    assert kubekeep("exceptions", "check", "--exception-set", "eks").exit_code == 0
    assert kubekeep("exceptions", "list").exit_code == 2


def test_former_name_of_the_list_of_sets_is_hidden() -> None:
    assert kubekeep("list", "exceptions").stdout == kubekeep("list", "exception-sets").stdout
    commands = kubekeep("list", "--help").stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in commands.splitlines() if line[:3].strip()] == [
        "controls",
        "exception-sets",
        "frameworks",
    ]


def test_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--control", "CVE-2021-23337", "--package", "pkg:npm/lodash@4.17.20", "--reason", "not called")
    assert kubekeep("exceptions", "add", "e.yaml", *options).exit_code == 0
    (row,) = json.loads(kubekeep("exceptions", "list", "e.yaml", "-f", "json").stdout)
    assert row["packages"] == [{"purl": "pkg:npm/lodash@4.17.20"}]
    assert kubekeep("exceptions", "check", "e.yaml").exit_code == 0
    refused = kubekeep("exceptions", "add", "e.yaml", "--package", "lodash", "--reason", "x")
    assert "package URL lodash does not begin with pkg:" in refused.output


def test_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".trivyignore").write_text("CVE-2021-23337 exp:2999-01-01\nAVD-DS-0001\n")
    result = kubekeep("exceptions", "import", ".trivyignore", "-o", "e.yaml")
    assert result.exit_code == 3
    assert ".trivyignore: line 2: not imported: AVD-DS-0001 is not a vulnerability" in result.output
    assert "1 rule of Trivy imported, 1 not imported" in result.output
    (row,) = json.loads(kubekeep("exceptions", "list", "e.yaml", "-f", "json").stdout)
    assert (row["controls"], row["expires"]) == (["CVE-2021-23337"], "2999-01-01T00:00:00Z")
    again = kubekeep("exceptions", "import", ".trivyignore", "-o", "e.yaml")
    assert (again.exit_code, "e.yaml exists already" in again.output) == (2, True)
    (tmp_path / "other.yaml").write_text("kind: Pod")
    assert "neither an ignore file of Trivy" in kubekeep("exceptions", "import", "other.yaml").output
    assert kubekeep("exceptions", "import", "missing").exit_code == 2
