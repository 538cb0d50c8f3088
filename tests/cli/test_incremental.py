"""`--incremental`: location and use of the cache, which is optional."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kubekeep.cli.scan import command
from kubekeep.cli.settings import cache_folder
from kubekeep.engine.outcome_cache import OutcomeCache
from kubekeep.engine.policy_set import Outcome

SHOP = str(Path(__file__).parents[2] / "examples" / "online-shop")


def test_cache_is_in_the_cache_folder_and_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[bytes] = []
    put_outcome = OutcomeCache.put

    def count_call(self: OutcomeCache, key: bytes, outcome: Outcome) -> None:
        put.append(key)
        put_outcome(self, key, outcome)

    monkeypatch.setattr(OutcomeCache, "put", count_call)
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    arguments = ["framework", "nsa", SHOP, "--format", "csv"]
    plain = CliRunner().invoke(command, arguments, env=environment)
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        incremental = CliRunner().invoke(command, [*arguments, "--incremental"], env=environment)
        assert incremental.output == plain.output
        assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()] == [
            "kubekeep/outcomes"
        ]
    assert len(put) == len(set(put)) > 0


def test_missing_cache_folder_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubekeep.cli.options.request.cache_folder", lambda: None)
    result = CliRunner().invoke(command, [SHOP, "--incremental"])
    assert result.exit_code == 2
    assert "requires a cache folder" in result.output


def test_cache_folder_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/kubekeep")
    for relative_folder in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative_folder)
        assert cache_folder() == tmp_path / ".cache" / "kubekeep"
