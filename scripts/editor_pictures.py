"""Create docs/pictures/vscode-*.png from the extension in VS Code: `python -m scripts.editor_pictures`. Runs on Linux only."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.integrations.code_server import (
    EXTENSION,
    ROOT,
    CodeServer,
    NodePackage,
    Workbench,
    install_code_server,
    open_workbench,
)
from tests.reports.browsers import chromium

SIZE = {"width": 1080, "height": 600}
SIDEBAR = 340
PICTURES = ROOT / "docs" / "pictures"
PROGRAM = Path(sys.executable).with_name("kubekeep")


def create_workspace(folder: Path) -> Path:
    """Write a workspace with the example chart."""
    shutil.copytree(ROOT / "examples" / "storefront-chart", folder / "shop" / "storefront")
    (folder / "shop" / ".venv" / "bin").mkdir(parents=True)
    (folder / "shop" / ".venv" / "bin" / "kubekeep").symlink_to(PROGRAM)
    return folder / "shop"


def prepare(window: Workbench) -> None:
    """Show the view of findings, in a wide sidebar."""
    window.page.set_viewport_size(SIZE)  # type: ignore[arg-type]
    window.show_findings()
    window.tree.first.wait_for()
    edge = window.page.locator(".part.sidebar").evaluate("(part) => part.getBoundingClientRect().right")
    window.page.mouse.move(edge + 2, 300)
    window.page.mouse.down()
    window.page.mouse.move(SIDEBAR, 300, steps=5)
    window.page.mouse.up()


def take_finding(window: Workbench) -> None:
    """Take the picture of a finding in a values file."""
    window.page.emulate_media(color_scheme="dark")
    prepare(window)
    window.open_file("storefront/values.yaml")
    window.go_to_line(24, 9)
    window.run_command("Kubekeep: Show Explanation of Finding")
    window.hover.get_by_text("Containers do not run privileged").wait_for()
    # The diagnostics, which the view also lists, come first: focus the hover and scroll down.
    window.page.keyboard.press("Control+K")
    window.page.keyboard.press("Control+I")
    for _ in range(6):
        window.page.keyboard.press("ArrowDown")
    window.page.wait_for_timeout(1000)
    window.page.screenshot(path=PICTURES / "vscode-findings.png")


def take_report(window: Workbench) -> None:
    """Take the picture of the report."""
    prepare(window)
    window.run_command("Kubekeep: Open Report")
    report = window.page.frame_locator("iframe.webview.ready").frame_locator("iframe#active-frame")
    report.get_by_role("link", name="Findings", exact=True).click()
    window.page.mouse.move(SIDEBAR + 200, SIZE["height"] - 10)
    window.page.wait_for_timeout(1000)
    window.page.screenshot(path=PICTURES / "vscode-report.png")


def main() -> None:
    """Write both pictures."""
    installation = install_code_server()
    package = NodePackage(installation)
    package.install()
    package.run("run", "package")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        folder = Path(temporary)
        server = CodeServer(installation, folder, package.node)
        server.install_extension(EXTENSION / "kubekeep.vsix")
        workspace = create_workspace(folder)
        with server.run("--disable-workspace-trust") as address:
            for theme, take in (("Default Dark Modern", take_finding), ("Default Light Modern", take_report)):
                server.write_settings(**{"workbench.colorTheme": theme, "git.enabled": False})
                take(open_workbench(browser, address, workspace))


if __name__ == "__main__":
    main()
