"""Where a configuration file is looked for, what of it is read, and what each hostile one comes to."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.config.file import NAMES, Configuration, ConfigurationError, find_configuration, read_configuration


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, a repository with manifests two folders down."""
    root = tmp_path / "home" / "repository"
    (root / "deploy" / "web").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "deploy" / "web" / "pod.yaml").write_text("kind: Pod\n")
    monkeypatch.chdir(root)
    return root


def message(path: str = "kubekeep.yaml", *, named: bool = False) -> str:
    """What reading the file at `path` fails with."""
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path, named=named)
    return str(caught.value)


def told(text: str) -> str:
    """What a file with `text` fails with."""
    Path("kubekeep.yaml").write_text(text)
    return message()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "target", [".", "deploy", "deploy/web", "deploy/web/pod.yaml", "deploy/*.yaml", "-", "no/such"]
)
def test_the_file_is_found_upward(here: Path, name: str, target: str) -> None:
    (here / name).touch()
    assert find_configuration(target) == name
    assert find_configuration(str(here / target)) == str(here / name)


def test_the_nearest_file_wins(here: Path) -> None:
    (here / "kubekeep.yaml").touch()
    (here / "deploy" / ".kubekeep.yaml").touch()
    assert find_configuration("deploy/web") == "deploy/.kubekeep.yaml"
    assert find_configuration(".") == "kubekeep.yaml"


def test_a_path_above_the_working_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "kubekeep.yaml").touch()
    monkeypatch.chdir(here / "deploy" / "web")
    assert find_configuration("pod.yaml") == "../../kubekeep.yaml"


@pytest.mark.parametrize("as_file", [False, True])
def test_the_search_ends_at_the_root_of_a_repository(here: Path, *, as_file: bool) -> None:
    (here.parent / "kubekeep.yaml").touch()
    if as_file:
        (here / ".git").rmdir()
        (here / ".git").write_text("gitdir: elsewhere\n")
    assert find_configuration("deploy/web") is None


def test_the_search_ends_at_home(here: Path) -> None:
    (here / ".git").rmdir()
    (here.parents[1] / "kubekeep.yaml").touch()
    assert find_configuration("deploy", str(here.parent)) is None
    assert find_configuration("deploy") == "../../kubekeep.yaml"
    (here.parent / "kubekeep.yaml").touch()
    assert find_configuration("deploy", str(here.parent)) == "../kubekeep.yaml"


def test_a_folder_that_all_users_share_is_not_looked_into(here: Path) -> None:
    (here / ".git").rmdir()
    (here.parent / "kubekeep.yaml").touch()
    here.parent.chmod(stat.S_ISVTX | 0o777)
    assert find_configuration("deploy") is None


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a/b", "ssh://git@example.org/a", "git@example.org:a/b.git", "file:///srv/a", "HTTP://x/"],
)
def test_nothing_is_looked_for_beside_a_url(here: Path, url: str) -> None:
    (here / "kubekeep.yaml").touch()
    assert find_configuration(url) is None


def test_two_files_in_a_folder(here: Path) -> None:
    (here / "deploy" / "kubekeep.yml").touch()
    (here / "deploy" / "kubekeep.yaml").touch()
    with pytest.raises(ConfigurationError, match=r"^deploy: there are kubekeep\.yaml and kubekeep\.yml: keep one$"):
        find_configuration("deploy/web")


def test_what_a_file_says_has_places(here: Path) -> None:
    (here / "kubekeep.yaml").write_bytes(b"\xef\xbb\xbf# yes\nframework:\n- nsa\n- mitre\nsnapshot: yes\n")
    found = read_configuration("kubekeep.yaml", named=False)
    assert found.values == {"framework": ["nsa", "mitre"], "snapshot": True}
    assert str(found.error(("framework", 1), "no")) == "kubekeep.yaml:4:3: no"
    assert str(found.error(("snapshot",), "no")) == "kubekeep.yaml:5:1: no"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "null\n", "{}\n"])
def test_a_file_may_say_nothing(here: Path, text: str) -> None:
    (here / "kubekeep.yaml").write_text(text)
    found = read_configuration("kubekeep.yaml", named=False)
    assert found.values == {}
    assert str(found.error((), "no")) == "kubekeep.yaml:1:1: no"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- nsa\n", "kubekeep.yaml:1:1: keys and values expected, found a list"),
        ("nsa\n", "kubekeep.yaml:1:1: keys and values expected, found text"),
        ("a: [1\n", "kubekeep.yaml:2:1: not YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: 1\nb: 2\na: 3\n", "kubekeep.yaml:3:1: duplicate key 'a', first on line 1"),
        ("a: {b: 1, b: 2}\n", "kubekeep.yaml:1:11: duplicate key 'b', first on line 1"),
        ("a: 1\n---\nb: 2\n", "kubekeep.yaml: more than one document"),
        ("a: 1\n---\n- 1\n---\n- 2\n", "kubekeep.yaml:4:1: more than 2 documents: the rest was not read"),
        ("a: .nan\n", "kubekeep.yaml:1:4: JSON has no number nan"),
        ("? [a]\n: b\n", "kubekeep.yaml:1:3: a mapping key must be text, not a list"),
        ("a: *b\n", "kubekeep.yaml:1:4: unknown anchor 'b'"),
        (f"a: {'[' * 100}{']' * 100}\n", "kubekeep.yaml:1:35: nested deeper than 32 levels"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in ("ab", "bc", "cd", "de", "ef", "fg")),
            "kubekeep.yaml:5:",
        ),
    ],
)
def test_a_file_that_says_nonsense(text: str, expected: str) -> None:
    assert told(text).startswith(expected)


def test_tags_run_nothing(here: Path) -> None:
    (here / "kubekeep.yaml").write_text("a: !!python/object/apply:os.mkdir [run]\n")
    assert read_configuration("kubekeep.yaml", named=False).values == {"a": ["run"]}
    assert not (here / "run").exists()


def test_a_file_without_end(here: Path) -> None:
    with (here / "kubekeep.yaml").open("wb") as stream:
        stream.truncate(33 << 20)
    assert message() == "kubekeep.yaml: larger than 1048576 bytes: not read"


def test_what_is_no_text(here: Path) -> None:
    (here / "kubekeep.yaml").write_bytes(b"a: \xff\n")
    assert message() == "kubekeep.yaml: not UTF-8 text: invalid start byte"
    (here / "kubekeep.yaml").write_bytes("a: 1\n".encode("utf-16"))
    assert message() == "kubekeep.yaml: not UTF-8 text: invalid start byte"


def test_what_is_no_file(here: Path) -> None:
    os.mkfifo("kubekeep.yaml")
    assert find_configuration("deploy") == "kubekeep.yaml"
    assert message() == "kubekeep.yaml: not a regular file"
    (here / "kubekeep.yaml").unlink()
    (here / "kubekeep.yaml").mkdir()
    assert message() == "kubekeep.yaml: not a regular file"


def test_a_link_out_of_the_folder_shows_nothing_of_what_it_leads_to(here: Path) -> None:
    (here / "kubekeep.yaml").symlink_to("/etc/passwd")
    assert find_configuration("deploy") == "kubekeep.yaml"
    assert message() == "kubekeep.yaml: a symbolic link out of its folder: not read"
    (here / "kubekeep.yaml").unlink()
    (here / "kubekeep.yaml").symlink_to("gone")
    assert message() == "kubekeep.yaml: no such file or directory"
    (here / "gone").write_text("a: 1\n")
    assert read_configuration("kubekeep.yaml", named=False).values == {"a": 1}


def test_hostile_text_steers_no_terminal(here: Path) -> None:
    (here / "kubekeep.yaml").write_text('"\\e[2J\\u202e": 1\n')
    found = read_configuration("kubekeep.yaml", named=False)
    with pytest.raises(ConfigurationError, match=r"^kubekeep\.yaml:1:1: unknown key \\x1b\[2J\\u202e: known are a, b$"):
        found.check_keys(found.values, (), ("a", "b"))


@pytest.mark.parametrize(("key", "near"), [("severityThreshold", "severity-threshold"), ("FRAMEWORKS", "framework")])
def test_an_unknown_key_has_a_suggestion(key: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown key {key}: did you mean {near}"):
        Configuration("x", named=True, values={}).check_keys({key: 1}, (), ("framework", "severity-threshold", "set"))


def test_paths_are_relative_to_the_file(here: Path) -> None:
    (here / "deploy" / "kubekeep.yaml").touch()
    found = read_configuration("deploy/kubekeep.yaml", named=False)
    assert found.resolve_path("web/../web/v.yaml", ()) == "deploy/web/v.yaml"
    assert found.resolve_path(".", ()) == "deploy"
    assert found.resolve_path(str(here / "deploy" / "v.yaml"), ()) == str(here / "deploy" / "v.yaml")
    assert read_configuration("deploy/kubekeep.yaml", named=True).resolve_path("../v.yaml", ()) == "v.yaml"
    (here / "kubekeep.yaml").touch()
    assert read_configuration("kubekeep.yaml", named=False).resolve_path("-", ()) == "./-", "never standard input"


@pytest.mark.parametrize("said", ["../v.yaml", "web/../../v.yaml", "/etc/passwd", "link", "link/passwd", "loop/../.."])
def test_a_file_that_was_found_names_nothing_outside(here: Path, said: str) -> None:
    (here / "deploy" / "kubekeep.yaml").touch()
    (here / "deploy" / "link").symlink_to("/etc")
    (here / "deploy" / "loop").symlink_to(".")
    with pytest.raises(
        ConfigurationError, match=r"is outside of .*/deploy: only a file given with --config may name it"
    ):
        read_configuration("deploy/kubekeep.yaml", named=False).resolve_path(said, ())
    assert read_configuration("deploy/kubekeep.yaml", named=True).resolve_path(said, ())


@pytest.mark.parametrize("said", ["", "a\0b", "a\nb", "\x1b[2J"])
@pytest.mark.parametrize("named", [False, True])
def test_what_can_be_no_path(said: str, *, named: bool) -> None:
    with pytest.raises(ConfigurationError, match="a path is empty or has characters that cannot be printed"):
        Configuration("kubekeep.yaml", named, {}).resolve_path(said, ())


@given(st.one_of(st.text(), st.text("ab:-[]{}&*!|>#'\" \n\t0.")))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert outcome(str(path)).startswith((f"{path}:", "{"))


def outcome(path: str) -> str:
    """What reading the file at `path` gives, or says on one line."""
    try:
        return json.dumps(read_configuration(path, named=True).values)
    except ConfigurationError as error:
        return "several lines" if "\n" in str(error) else str(error)
