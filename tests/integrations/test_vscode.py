"""The VS Code extension in VS Code itself: its package, and all that a user sees of findings, changes and failures."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, FrameLocator, expect

from tests.integrations.code_server import (
    EXTENSION,
    ROOT,
    CodeServer,
    NodePackage,
    Workbench,
    install_code_server,
    open_workbench,
)
from tests.loopback import serving
from tests.reports.browsers import chromium, needs_chromium

pytestmark = [pytest.mark.integration, needs_chromium]

PROGRAM: Final = Path(sys.executable).with_name("kubekeep")
SYSTEM_PATH: Final = "/usr/bin:/bin"
POD: Final = """\
apiVersion: v1
kind: Pod
metadata:
  name: debug
  namespace: shop
spec:
  containers:
    - name: shell
      image: registry.example.com/shell:1.4
      securityContext:
        privileged: true
"""
HARMLESS: Final = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: colours, namespace: shop}
data: {wall: blue}
"""
PRIVILEGED_LINE: Final = 11
EXPLANATION: Final = "An attacker who controls it controls the node."
PATIENCE: Final = 60_000
RESTARTS: Final = 5
COUNT: Final = re.compile(r"Kubekeep: ([1-9]\d*)")

Open = Callable[..., Workbench]


@pytest.fixture(scope="module")
def installation() -> Path:
    try:
        return install_code_server()
    except subprocess.SubprocessError as error:
        pytest.skip(f"code-server could not be installed: {error}")


@pytest.fixture(scope="module")
def package(installation: Path) -> NodePackage:
    package = NodePackage(installation)
    package.install()
    return package


@pytest.fixture(scope="module")
def vsix(package: NodePackage) -> Path:
    package.run("run", "package")
    return EXTENSION / "kubekeep.vsix"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    installation: Path, package: NodePackage, vsix: Path, tmp_path_factory: pytest.TempPathFactory
) -> CodeServer:
    server = CodeServer(installation, tmp_path_factory.mktemp("code-server"), package.node)
    server.install_extension(vsix)
    return server


@pytest.fixture(scope="module")
def address(server: CodeServer) -> Iterator[str]:
    # pip finds no package, so that an installation fails as it does without a network.
    with server.run("--disable-workspace-trust", PATH=SYSTEM_PATH, PIP_NO_INDEX="1") as address:
        yield address


@pytest.fixture
def open_window(browser: Browser, server: CodeServer, address: str, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a window on a folder with these user settings. Keeps a picture of the end."""
    windows = []

    def open_folder(folder: Path, **settings: str) -> Workbench:
        server.write_settings(**settings)
        window = open_workbench(browser, address, folder)
        windows.append(window)
        return window

    yield open_folder
    for window in windows:
        if not window.page.is_closed():
            window.page.screenshot(path=tmp_path / "window.png")
        window.page.context.close()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a workspace with a manifest, a chart and an exceptions file; its `.venv` has this kubekeep."""
    folder = tmp_path / "shop"
    shutil.copytree(ROOT / "examples" / "storefront-chart", folder / "storefront")
    (folder / "pod.yaml").write_text(POD, encoding="utf-8")
    (folder / "exceptions.json").write_text("[]\n", encoding="utf-8")
    (folder / "kubekeep.yaml").write_text("exceptions: exceptions.json\n", encoding="utf-8")
    add_program(folder)
    return folder


def add_program(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "kubekeep").symlink_to(PROGRAM)


def wait_for_findings(window: Workbench) -> int:
    """Wait until the findings of the workspace are shown, and return their number."""
    expect(window.status).to_have_text(COUNT, timeout=PATIENCE)
    # The state may change at any time.
    match = COUNT.search(window.status.inner_text())
    return int(match[1]) if match else wait_for_findings(window)


def list_processes(folder: Path) -> list[int]:
    """Return the processes that run the program of this folder."""
    program = f"{folder}/.venv/bin/kubekeep".encode()
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if program in arguments and b"lsp" in arguments:
            processes.append(int(path.parent.name))
    return processes


def kill_server(folder: Path) -> None:
    """Kill the only process of the server, as the kernel does when memory runs out."""
    (process,) = list_processes(folder)
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: process not in list_processes(folder))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_package(package: NodePackage, vsix: Path) -> None:
    package.run("run", "check")
    report = package.run("test")
    assert "\u2139 fail 0" in report
    with zipfile.ZipFile(vsix) as archive:
        names = {name.removeprefix("extension/") for name in archive.namelist()}
        licences = archive.read("extension/dist/third-party-licences.txt").decode()
    sources = {name for name in names if name.endswith((".ts", ".map", ".mjs")) or "node_modules" in name}
    assert not sources
    assert {"package.json", "readme.md", "LICENSE.txt", "dist/extension.cjs", "media/icon.png"} <= names
    assert "vscode-languageclient 11.0.0" in licences
    assert vsix.stat().st_size < 300_000


def test_findings_are_at_their_lines_with_an_explanation(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    window.open_file("pod.yaml")
    window.show_problems("C-0057")
    rows = window.problems.filter(has_text="C-0057").filter(has_text=f"Ln {PRIVILEGED_LINE},")
    expect(rows).to_have_count(1, timeout=PATIENCE)
    expect(rows).to_contain_text("privileged is true")
    window.go_to_line(PRIVILEGED_LINE, 10)
    window.run_command("Kubekeep: Show Explanation of Finding")
    expect(window.hover).to_contain_text(EXPLANATION)


def test_quick_fix_changes_the_file(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    window.open_file("pod.yaml")
    count = wait_for_findings(window)
    window.go_to_line(PRIVILEGED_LINE, 10)
    window.select_quick_fix("Fix C-0057")
    # The change can stop the program: it is shown first.
    expect(window.preview).to_contain_text("privileged: truefalse")
    assert (shop / "pod.yaml").read_text(encoding="utf-8") == POD
    window.confirm_changes()
    window.save()
    assert (shop / "pod.yaml").read_text(encoding="utf-8") == POD.replace("privileged: true", "privileged: false")
    wait_until(lambda: wait_for_findings(window) < count)


def test_fix_all_proves_its_changes(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    window.open_file("pod.yaml")
    wait_for_findings(window)
    window.run_command("Kubekeep: Fix All Findings in File")
    window.wait_for_change()
    window.save()
    addition = "        seccompProfile:\n          type: RuntimeDefault\n"
    assert (shop / "pod.yaml").read_text(encoding="utf-8") == POD + addition


def test_suppression_comment_has_reason_and_expiry(open_window: Open, shop: Path) -> None:
    window = open_window(shop, **{"kubekeep.suppression.reason": "loads a kernel module"})
    window.open_file("pod.yaml")
    wait_for_findings(window)
    window.go_to_line(PRIVILEGED_LINE, 10)
    window.run_command("Kubekeep: Suppress Finding with a Comment")
    window.pick("Suppress C-0057")
    window.wait_for_change()
    window.save()
    pattern = r"privileged: true # kubekeep:ignore C-0057 until=\d{4}-\d\d-\d\d reason=loads a kernel module\n"
    line = (shop / "pod.yaml").read_text(encoding="utf-8").splitlines(keepends=True)[PRIVILEGED_LINE - 1]
    assert re.fullmatch(pattern, line.lstrip())
    window.show_problems("C-0057")
    expect(window.problems.filter(has_text="C-0057").filter(has_text=f"Ln {PRIVILEGED_LINE},")).to_have_count(0)


def test_exception_goes_into_the_configured_file(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    wait_for_findings(window)
    window.show_findings()
    window.tree.filter(has_text="C-0057").filter(has_text=f"line {PRIVILEGED_LINE}").first.click(button="right")
    window.select_menu_entry("Create Exception for Finding")
    window.wait_for_change()
    window.save()
    (entry,) = json.loads((shop / "exceptions.json").read_text(encoding="utf-8"))
    assert entry["posturePolicies"] == [{"controlID": "C-0057"}]
    assert entry["resources"][0]["attributes"] == {"kind": "Pod", "name": "debug", "namespace": "shop"}
    expect(window.tree.filter(has_text="C-0057").filter(has_text=f"line {PRIVILEGED_LINE}")).to_have_count(0)


def test_chart_findings_are_at_template_and_values(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    values = (shop / "storefront" / "values.yaml").read_text(encoding="utf-8").splitlines()
    line = values.index("      privileged: true") + 1
    window.open_file("storefront/values.yaml")
    window.show_problems("C-0057")
    expect(window.problems.filter(has_text="C-0057").filter(has_text=f"Ln {line},")).to_have_count(1, timeout=PATIENCE)
    template = (shop / "storefront" / "templates" / "deployment.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(template, 1) if "toYaml .securityContext" in text)
    expect(window.problems.filter(has_text="C-0057").filter(has_text=f"Ln {line},")).to_have_count(1)


def test_view_lists_the_workspace_and_goes_to_lines(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    window.show_findings()
    count = wait_for_findings(window)
    texts = window.tree.all_inner_texts()
    assert texts[0].startswith("Critical")
    assert any(text.startswith("pod.yaml") for text in texts)
    expect(window.page.locator(".activitybar .badge-content", has_text=str(count))).to_be_visible()
    window.tree.filter(has_text="C-0057").filter(has_text=f"line {PRIVILEGED_LINE}").first.click()
    expect(window.page.locator(".statusbar-item", has_text=f"Ln {PRIVILEGED_LINE}, Col")).to_be_visible()
    # Without open files, the findings of the workspace stay.
    window.run_command("View: Close All Editors")
    window.run_command("Kubekeep: Scan Workspace")
    expect(window.page.locator(".tab")).to_have_count(0)
    wait_until(lambda: wait_for_findings(window) == count)


def test_view_without_findings_says_so(open_window: Open, tmp_path: Path) -> None:
    folder = tmp_path / "colours"
    folder.mkdir()
    (folder / "colours.yaml").write_text(HARMLESS, encoding="utf-8")
    add_program(folder)
    window = open_window(folder)
    window.show_findings()
    expect(window.welcome).to_contain_text("No findings.", timeout=PATIENCE)
    expect(window.welcome.get_by_role("button", name="Open Report")).to_be_visible()
    expect(window.status).to_have_text(re.compile("Kubekeep: 0"))


def test_several_folders_and_settings(open_window: Open, shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "billing"
    other.mkdir()
    (other / "billing.yaml").write_text(POD.replace("debug", "billing"), encoding="utf-8")
    workspace = tmp_path / "all.code-workspace"
    workspace.write_text(json.dumps({"folders": [{"path": "shop"}, {"path": "billing"}]}), encoding="utf-8")
    window = open_window(workspace, **{"kubekeep.minimumSeverity": "high"})
    window.show_findings()
    wait_for_findings(window)
    expect(window.tree.filter(has_text="billing.yaml")).to_have_count(1)
    expect(window.tree.filter(has_text="pod.yaml")).to_have_count(1)
    # A control of low severity is left out; a finding of one with high severity may have a medium priority.
    assert not any(text.startswith("Low") for text in window.tree.all_inner_texts())
    assert len(list_processes(shop)) == 1


def test_missing_program_is_named_and_nothing_is_installed(open_window: Open, server: CodeServer, shop: Path) -> None:
    shutil.rmtree(shop / ".venv")
    environment = server.user_data / "User" / "globalStorage" / "kubekeep.kubekeep" / "venv"
    window = open_window(shop)
    window.open_file("pod.yaml")
    notification = window.notifications.filter(has_text="The program kubekeep was not found")
    for name in ("Choose Path", "Install...", "Open Documentation"):
        expect(notification.get_by_role("button", name=name)).to_be_visible()
    notification.get_by_role("button", name="Install...").click()
    dialog = window.page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"python3 -m venv '{environment}' && ")
    expect(dialog).to_contain_text("-m pip install 'kubekeep[helm,kustomize,lsp,terraform]'")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    expect(window.page.locator(".terminal-wrapper")).to_have_count(0)
    assert not environment.exists()
    window.show_findings()
    expect(window.welcome).to_contain_text("kubekeep was not found")
    # After consent the command runs in a visible terminal; this pip has no packages.
    window.run_command("Kubekeep: Install into a Virtual Environment...")
    dialog.get_by_role("button", name="Run in Terminal").click()
    expect(window.page.locator(".terminal-wrapper.active")).to_be_visible()
    expect(window.notifications.filter(has_text="kubekeep was not installed")).to_be_visible(timeout=PATIENCE)
    assert environment.exists()
    shutil.rmtree(environment)


def test_program_that_is_no_server_is_reported(open_window: Open, shop: Path) -> None:
    window = open_window(shop, **{"kubekeep.path": "/bin/false"})
    window.open_file("pod.yaml")
    notification = window.notifications.filter(has_text="does not run")
    expect(notification).to_be_visible(timeout=PATIENCE)
    expect(window.notifications).to_have_count(1)
    notification.get_by_role("button", name="Restart Server").click()
    expect(notification.get_by_role("button", name="Show Output")).to_be_visible(timeout=PATIENCE)
    window.show_findings()
    expect(window.welcome).to_contain_text("The server of Kubekeep has stopped")
    expect(window.welcome.get_by_role("button", name="Restart Server")).to_be_visible()
    # A corrected setting takes effect at once.
    window.run_command("Preferences: Open User Settings (JSON)")
    window.page.locator(".view-line", has_text="files.autoSave").wait_for()
    window.page.keyboard.press("Control+A")
    window.page.keyboard.insert_text("{}")
    window.page.keyboard.press("Control+S")
    wait_for_findings(window)


def test_program_of_another_version_is_named_and_runs(open_window: Open, shop: Path) -> None:
    program = shop / ".venv" / "bin" / "kubekeep"
    program.unlink()
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "import kubekeep.lsp.server\n"
        "kubekeep.lsp.server.VERSION = '9.8.7'\n"
        "from kubekeep.cli.main import main\n"
        "main()\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    window = open_window(shop)
    window.open_file("pod.yaml")
    notification = window.notifications.filter(has_text="are different versions")
    expect(notification).to_contain_text("Kubekeep 9.8.7", timeout=PATIENCE)
    expect(notification).to_contain_text("Update the extension: code --install-extension kubekeep.vsix")
    wait_for_findings(window)
    (process,) = list_processes(shop)
    window.run_command("Notifications: Clear All Notifications")
    window.run_command("Kubekeep: Restart server")
    wait_until(lambda: bool(list_processes(shop)) and process not in list_processes(shop))
    wait_for_findings(window)
    expect(notification).to_have_count(0)


def test_server_is_one_process_and_restarts_after_a_crash(open_window: Open, shop: Path) -> None:
    window = open_window(shop)
    window.open_file("pod.yaml")
    count = wait_for_findings(window)
    for _ in range(RESTARTS):
        kill_server(shop)
        wait_until(lambda: len(list_processes(shop)) == 1)
        wait_until(lambda: wait_for_findings(window) == count)
    kill_server(shop)
    expect(window.notifications.filter(has_text="not started again after 5 restarts")).to_be_visible()
    window.run_command("Kubekeep: Restart server")
    wait_until(lambda: wait_for_findings(window) == count)
    window.page.context.close()
    wait_until(lambda: not list_processes(shop))


def test_untrusted_workspace_runs_no_program_of_its_own(
    browser: Browser, server: CodeServer, shop: Path, tmp_path: Path
) -> None:
    (shop / ".vscode").mkdir()
    (shop / ".vscode" / "settings.json").write_text(
        json.dumps({"kubekeep.path": str(shop / ".venv" / "bin" / "kubekeep")}), encoding="utf-8"
    )
    server.write_settings()
    path = f"{shop / '.venv' / 'bin'}:{SYSTEM_PATH}"
    with server.run(PATH=path) as address:
        window = open_workbench(browser, address, shop)
        expect(window.page.locator(".statusbar-item", has_text="Restricted Mode")).to_be_visible(timeout=PATIENCE)
        window.open_file("pod.yaml")
        notification = window.notifications.filter(has_text="The program kubekeep was not found on PATH")
        expect(notification).to_contain_text("it is not trusted", timeout=PATIENCE)
        assert list_processes(shop) == []
        window.run_command("Workspaces: Manage Workspace Trust")
        window.page.get_by_role("button", name="Trust", exact=True).click()
        wait_for_findings(window)
        window.page.screenshot(path=tmp_path / "window.png")
        window.page.context.close()


def find_report(window: Workbench) -> FrameLocator:
    return window.page.frame_locator("iframe.webview.ready").frame_locator("iframe#active-frame")


@pytest.fixture
def attacker() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server, and the paths of its requests."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}", paths


def test_report_is_shown_and_can_request_nothing(
    open_window: Open, shop: Path, attacker: tuple[str, list[str]]
) -> None:
    window = open_window(shop)
    window.open_file("pod.yaml")
    wait_for_findings(window)
    window.run_command("Kubekeep: Open Report")
    report = find_report(window)
    expect(report.get_by_role("heading", name="shop", exact=True)).to_be_visible(timeout=PATIENCE)
    report.get_by_role("link", name="Findings", exact=True).click()
    report.get_by_role("button", name="Expand all").click()
    places = report.locator("td.place")
    expect(places.first).to_have_text("shop/pod.yaml:11")
    # Content that an attacker would add to the page has no effect.
    report.locator("body").evaluate(
        """async (body, address) => {
        const script = document.createElement("script");
        script.textContent = "window.injected = true";
        const image = document.createElement("img");
        image.src = `${address}/image-of-attacker`;
        const frame = document.createElement("iframe");
        frame.src = `${address}/frame-of-attacker`;
        body.append(script, image, frame);
        body.insertAdjacentHTML("beforeend", "<b onclick='window.injected = true' id='inline'>x</b>");
        document.getElementById("inline").click();
        await fetch(`${address}/request-of-attacker`).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 500));
    }""",
        attacker[0],
    )
    assert report.locator("body").evaluate("() => window.injected") is None
    assert attacker[1] == []
    window.page.context.request.get(f"{attacker[0]}/control")
    assert attacker[1] == ["/control"]
    # Nor has a location outside of the folder.
    places.first.evaluate("(cell) => { cell.textContent = '../../../../../etc/passwd:1'; }")
    places.first.click()
    expect(window.notifications.filter(has_text="is not a file in shop")).to_be_visible()
    line = places.nth(1).inner_text().split(":")[1]
    places.nth(1).click()
    expect(window.page.locator(".statusbar-item", has_text=f"Ln {line}, Col")).to_be_visible()
