"""The hook that checks commits: staged content, not the working tree; in clones and worktrees; never in place of another hook."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("src", "server/src", "scripts", "docs", "web", "rust", "pyproject.toml", "README.md", ".gitignore")
UNTRACKED = shutil.ignore_patterns("node_modules", "__pycache__", "static", "*.so", "index.msgpack", "target")
MODULE = '"""The version of a shop."""\n\nVERSION = 1\n'
IMPORT = '"""The command line."""\n\nimport kubekeep.cli\n\nNAME = kubekeep.cli.__name__\n'


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program without the settings of Git that the developer has."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for kind in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{kind}_NAME": "Test", f"GIT_{kind}_EMAIL": "test@example.com"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def git(folder: Path, *arguments: str) -> str:
    """Run Git and return its output."""
    result = run(folder, "git", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the hook, in which everything is committed."""
    root = tmp_path_factory.mktemp("repository")
    for path in SOURCES:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, root / path, ignore=UNTRACKED)
        else:
            shutil.copy(ROOT / path, root / path)
    (root / "web/node_modules").symlink_to(ROOT / "web/node_modules")
    (root / ".git-exclude").write_text(".venv\nnode_modules\n")
    git(root, "init", "--quiet")
    git(root, "config", "core.excludesFile", str(root / ".git-exclude"))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Add the sources")
    (root / ".venv").symlink_to(ROOT / ".venv")
    assert run(root, "scripts/pre-commit", "install").returncode == 0
    return root


@pytest.fixture
def checkout(repository: Path) -> Path:
    """Return the repository without the changes of other tests."""
    git(repository, "reset", "--quiet", "--hard")
    git(repository, "clean", "--quiet", "--force")
    return repository


def commit(root: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Stage files and commit them."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    git(root, "add", "--", *files)
    return run(root, "git", "commit", "--message", "Change files")


def test_plain_change_is_committed(checkout: Path) -> None:
    files = {
        "src/kubekeep/model/shop.py": MODULE,
        "web/src/shop.ts": "/** The version of a shop. */\nexport const VERSION: number = 1;\n",
        "rust/yaml/src/lib.rs": (checkout / "rust/yaml/src/lib.rs").read_text() + "\n// The end.\n",
        "docs/guides/shop.md": "# Shop\n\nInstall the shop.\n",
    }
    result = commit(checkout, files)
    assert (result.returncode, result.stderr) == (0, "")
    git(checkout, "reset", "--quiet", "--hard", "HEAD~")


@pytest.mark.parametrize(
    ("step", "path", "text", "problem"),
    [
        ("format and lint", "src/kubekeep/model/shop.py", MODULE.replace(" = ", "="), "shop.py"),
        ("format and lint", "src/kubekeep/model/shop.py", f"{MODULE}NAME = shop\n", "F821"),
        ("format and lint", "tests/test_shop.py", '"""A test."""\n\nimport os\n', "F401"),
        ("language", "src/kubekeep/model/shop.py", f"{MODULE}PLACE = 1\n", "shop.py:4: the name PLACE"),
        ("language", "web/src/shop.ts", "export const place = 1;\n", "shop.ts:1: the name place"),
        ("import contracts", "src/kubekeep/model/shop.py", IMPORT, "BROKEN"),
        ("pages", "web/src/shop.ts", 'export const version: number = "1";\n', "TS2322"),
        ("pages", "web/src/shop.ts", 'import "./app";\n', "no-import-of-the-root"),
        ("rust format", "rust/yaml/src/lib.rs", "fn a( ) { }\n", "fn a()"),
        ("language of guides", "docs/guides/shop.md", "What, which or how? " * 200, "question word: What"),
    ],
)
def test_problem_is_not_committed(checkout: Path, step: str, path: str, text: str, problem: str) -> None:
    result = commit(checkout, {path: text})
    assert result.returncode == 1
    assert problem in result.stderr
    assert f"failed:\n  {step}\nkubekeep" in result.stderr
    assert "commit with --no-verify" in result.stderr


def test_staged_content_counts(checkout: Path) -> None:
    path = checkout / "src/kubekeep/model/shop.py"
    path.write_text(f"{MODULE}NAME = shop\n", encoding="utf-8")
    git(checkout, "add", ".")
    path.write_text(MODULE, encoding="utf-8")
    result = run(checkout, "git", "commit", "--message", "Change a file")
    assert result.returncode == 1
    assert "F821" in result.stderr
    git(checkout, "add", ".")
    path.write_text(f"{MODULE}NAME = shop\n", encoding="utf-8")
    assert run(checkout, "git", "commit", "--message", "Change a file").returncode == 0
    git(checkout, "reset", "--quiet", "--hard", "HEAD~")


def test_part_of_the_changes_is_checked(checkout: Path) -> None:
    """`git commit FILE` uses an index of its own."""
    for name in ("shop", "broken"):
        (checkout / f"src/kubekeep/model/{name}.py").write_text(MODULE, encoding="utf-8")
    git(checkout, "add", ".")
    (checkout / "src/kubekeep/model/broken.py").write_text("import\n", encoding="utf-8")
    assert run(checkout, "git", "commit", "-m", "Add a shop", "src/kubekeep/model/shop.py").returncode == 0
    assert run(checkout, "git", "commit", "-m", "Add a file", "src/kubekeep/model/broken.py").returncode == 1
    git(checkout, "reset", "--quiet", "--hard", "HEAD~")


def test_deleted_module_of_the_pages_is_missed(checkout: Path) -> None:
    git(checkout, "rm", "--quiet", "web/src/url.ts")
    result = run(checkout, "git", "commit", "--message", "Remove a file")
    assert result.returncode == 1
    assert "unresolved: src/app.tsx → ./url" in result.stderr


def test_worktree_is_checked(checkout: Path, tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    git(checkout, "worktree", "add", "--quiet", "--detach", str(worktree))
    unprepared = commit(worktree, {"src/kubekeep/model/shop.py": MODULE})
    assert (unprepared.returncode, unprepared.stderr) == (
        1,
        "kubekeep pre-commit: packages are missing; run: scripts/setup\n",
    )
    (worktree / ".venv").symlink_to(ROOT / ".venv")
    assert commit(worktree, {"src/kubekeep/model/shop.py": f"{MODULE}PLACE = 1\n"}).returncode == 1
    assert commit(worktree, {"src/kubekeep/model/shop.py": MODULE}).returncode == 0
    # Worktrees of commits before the script share the hook.
    git(worktree, "rm", "--quiet", "scripts/pre-commit")
    assert run(worktree, "git", "commit", "--message", "Remove the script").returncode == 0
    git(checkout, "worktree", "remove", "--force", str(worktree))


def copy_script(root: Path) -> None:
    """Copy the script into a folder without a hook."""
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/pre-commit", root / "scripts")


def test_hook_of_the_user_stays(tmp_path: Path) -> None:
    copy_script(tmp_path)
    git(tmp_path, "init", "--quiet")
    hook = tmp_path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    assert run(tmp_path, "scripts/pre-commit", "install").returncode == 0
    assert hook.read_text() == "#!/bin/sh\n"


def test_no_hook_in_a_folder_for_all_repositories(tmp_path: Path) -> None:
    copy_script(tmp_path / "checkout")
    (tmp_path / "hooks").mkdir()
    git(tmp_path / "checkout", "init", "--quiet")
    git(tmp_path / "checkout", "config", "core.hooksPath", str(tmp_path / "hooks"))
    assert run(tmp_path / "checkout", "scripts/pre-commit", "install").returncode == 0
    assert not list((tmp_path / "hooks").iterdir())


def test_no_hook_outside_of_a_checkout(tmp_path: Path) -> None:
    copy_script(tmp_path / "sources")
    assert run(tmp_path / "sources", "scripts/pre-commit", "install").returncode == 0
    git(tmp_path, "init", "--quiet")
    assert run(tmp_path / "sources", "scripts/pre-commit", "install").returncode == 0
    assert not (tmp_path / ".git/hooks/pre-commit").exists()
