"""No report, message or cache contains a secret of the scanned files."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import pytest
import re2  # type: ignore[import-untyped]
from click.testing import CliRunner
from tests.reports.rendering import extract_pdf_text, remove_whitespace
from tests.secrets.planted import Planted, plant_all

from kubekeep.cli.scan import command
from kubekeep.engine.outcome_cache import OutcomeCache
from kubekeep.engine.policy_set import Outcome
from kubekeep.reports import names

_HEAD = len(b"kubekeep outcomes 1\n") + 32 + 32
"""Length of the format and of the digests before the outcomes of a cache file."""


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant_all()


@pytest.fixture(scope="module")
def reports(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the text of each report, of all messages and of the cache, by name."""
    folder, output, cache = (tmp_path_factory.mktemp(name) for name in ("planted", "reports", "cache"))
    planted.write(folder)
    for words in (("init", "-q"), ("remote", "add", "origin", "https://github.com/example/shop")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    arguments = ["framework", "recommended,nsa", str(folder), "--incremental", "--verbose", "--view", "all"]
    result = CliRunner().invoke(
        command,
        [*arguments, "--format", ",".join(names()), "--output", str(output / "report")],
        env={"XDG_CACHE_HOME": str(cache)},
    )
    assert result.exit_code == 3, result.output[-2000:]
    files = dict(line.split(": ", 1) for line in result.output.splitlines() if str(output) in line)
    texts = {name: _read(Path(file)) for name, file in files.items()}
    (outcomes,) = (path for path in cache.rglob("*") if path.is_file())
    return texts | {"messages": result.output, "cache": read_cache(outcomes)}


def _read(path: Path) -> str:
    content = path.read_bytes()
    return extract_pdf_text(content) if path.suffix == ".pdf" else content.decode()


def read_cache(path: Path) -> str:
    """Return the outcomes in a cache file as text."""
    return zlib.decompress(path.read_bytes()[_HEAD:]).decode(errors="replace")


def test_many_kinds_of_secrets_are_planted(planted: Planted, reports: dict[str, str]) -> None:
    assert len(planted.secrets) >= 500
    assert len(set(planted.secrets.values())) == len(planted.secrets)
    assert reports.keys() == {"messages", "cache", *names()}
    assert all("planted-1" in reports[name] for name in ("json", "yaml", "pretty", "html", "sarif", "csv"))
    assert "unknown anchor" in reports["pretty"]
    assert "a mapping key must be text" in reports["json"]


@pytest.mark.parametrize("name", ["messages", "cache", *names()])
def test_no_secret_is_in(name: str, planted: Planted, reports: dict[str, str]) -> None:
    # Typesetting and tables break lines anywhere.
    text = remove_whitespace(reports[name])
    secrets = {place: remove_whitespace(secret) for place, secret in planted.secrets.items()}
    # One search for all secrets is much faster in reports of millions of characters.
    any_secret = re2.compile("|".join(map(re2.escape, secrets.values())))
    assert all(any_secret.fullmatch(secret) for secret in secrets.values())
    leaked = [place for place, secret in secrets.items() if secret in text] if any_secret.search(text) else []
    assert leaked == []


def test_outcome_with_a_secret_is_not_cached(tmp_path: Path) -> None:
    secret = "hunter2hunter2"  # noqa: S105 - made up
    outcomes: dict[bytes, Outcome] = {
        b"a": {"rule": {"violation": [{"path": "kept", "message": f"--password={secret}"}]}},
        b"b": {"rule": {"violation": [{"path": "kept", "message": "privileged is true"}]}},
    }
    cache = OutcomeCache(tmp_path / "outcomes", b"program")
    for key, outcome in outcomes.items():
        cache.put(key, outcome)
    cache.save()
    text = read_cache(tmp_path / "outcomes")
    assert secret not in text
    assert "privileged is true" in text
