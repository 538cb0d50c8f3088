"""Discovery and parsing of configuration files, and the errors for hostile ones."""

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
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, a repository with manifests two folders down."""
    root = tmp_path / "home" / "repository"
    (root / "deploy" / "web").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "deploy" / "web" / "pod.yaml").write_text("kind: Pod\n")
    monkeypatch.chdir(root)
    return root


def message(path: str = "kubekeep.yaml", *, named: bool = False) -> str:
    """Return the error of reading the file at a path."""
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path, is_explicit=named)
    return str(caught.value)


def read_error(text: str) -> str:
    """Return the error of reading a file with `text`."""
    Path("kubekeep.yaml").write_text(text)
    return message()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "target", [".", "deploy", "deploy/web", "deploy/web/pod.yaml", "deploy/*.yaml", "-", "no/such"]
)
def test_file_is_found_in_parent_folders(working_folder: Path, name: str, target: str) -> None:
    (working_folder / name).touch()
    assert find_configuration(target) == name
    assert find_configuration(str(working_folder / target)) == str(working_folder / name)


def test_nearest_file_is_used(working_folder: Path) -> None:
    (working_folder / "kubekeep.yaml").touch()
    (working_folder / "deploy" / ".kubekeep.yaml").touch()
    assert find_configuration("deploy/web") == "deploy/.kubekeep.yaml"
    assert find_configuration(".") == "kubekeep.yaml"


def test_path_above_the_working_folder(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (working_folder / "kubekeep.yaml").touch()
    monkeypatch.chdir(working_folder / "deploy" / "web")
    assert find_configuration("pod.yaml") == "../../kubekeep.yaml"


@pytest.mark.parametrize("as_file", [False, True])
def test_search_ends_at_the_root_of_a_repository(working_folder: Path, *, as_file: bool) -> None:
    (working_folder.parent / "kubekeep.yaml").touch()
    if as_file:
        (working_folder / ".git").rmdir()
        (working_folder / ".git").write_text("gitdir: elsewhere\n")
    assert find_configuration("deploy/web") is None


def test_search_ends_at_home(working_folder: Path) -> None:
    (working_folder / ".git").rmdir()
    (working_folder.parents[1] / "kubekeep.yaml").touch()
    assert find_configuration("deploy", str(working_folder.parent)) is None
    assert find_configuration("deploy") == "../../kubekeep.yaml"
    (working_folder.parent / "kubekeep.yaml").touch()
    assert find_configuration("deploy", str(working_folder.parent)) == "../kubekeep.yaml"


def test_shared_folders_are_not_searched(working_folder: Path) -> None:
    (working_folder / ".git").rmdir()
    (working_folder.parent / "kubekeep.yaml").touch()
    working_folder.parent.chmod(stat.S_ISVTX | 0o777)
    assert find_configuration("deploy") is None


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a/b", "ssh://git@example.org/a", "git@example.org:a/b.git", "file:///srv/a", "HTTP://x/"],
)
def test_urls_have_no_configuration(working_folder: Path, url: str) -> None:
    (working_folder / "kubekeep.yaml").touch()
    assert find_configuration(url) is None


def test_two_files_in_a_folder_are_an_error(working_folder: Path) -> None:
    (working_folder / "deploy" / "kubekeep.yml").touch()
    (working_folder / "deploy" / "kubekeep.yaml").touch()
    with pytest.raises(ConfigurationError, match=r"^deploy: there are kubekeep\.yaml and kubekeep\.yml: keep one$"):
        find_configuration("deploy/web")


def test_values_have_locations(working_folder: Path) -> None:
    (working_folder / "kubekeep.yaml").write_bytes(b"\xef\xbb\xbf# yes\nframework:\n- nsa\n- mitre\nsnapshot: yes\n")
    configuration = read_configuration("kubekeep.yaml", is_explicit=False)
    assert configuration.values == {"framework": ["nsa", "mitre"], "snapshot": True}
    assert str(configuration.create_error(("framework", 1), "no")) == "kubekeep.yaml:4:3: no"
    assert str(configuration.create_error(("snapshot",), "no")) == "kubekeep.yaml:5:1: no"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "null\n", "{}\n"])
def test_empty_file_is_valid(working_folder: Path, text: str) -> None:
    (working_folder / "kubekeep.yaml").write_text(text)
    configuration = read_configuration("kubekeep.yaml", is_explicit=False)
    assert configuration.values == {}
    assert str(configuration.create_error((), "no")) == "kubekeep.yaml:1:1: no"


@pytest.mark.usefixtures("working_folder")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- nsa\n", "kubekeep.yaml:1:1: keys and values expected, found a list"),
        ("nsa\n", "kubekeep.yaml:1:1: keys and values expected, found text"),
        ("a: [1\n", "kubekeep.yaml:2:1: not YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: 1\nb: 2\na: 3\n", "kubekeep.yaml:3:1: duplicate key, first on line 1"),
        ("a: {b: 1, b: 2}\n", "kubekeep.yaml:1:11: duplicate key, first on line 1"),
        ("a: 1\n---\nb: 2\n", "kubekeep.yaml: more than one document"),
        ("a: 1\n---\n- 1\n---\n- 2\n", "kubekeep.yaml:4:1: more than 2 documents: the rest was not read"),
        ("a: .nan\n", "kubekeep.yaml:1:4: JSON has no number nan"),
        ("? [a]\n: b\n", "kubekeep.yaml:1:3: a mapping key must be text, not a list"),
        ("a: *b\n", "kubekeep.yaml:1:4: unknown anchor: quote a text that begins with *"),
        (f"a: {'[' * 100}{']' * 100}\n", "kubekeep.yaml:1:35: nested deeper than 32 levels"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in ("ab", "bc", "cd", "de", "ef", "fg")),
            "kubekeep.yaml:5:",
        ),
    ],
)
def test_malformed_file_is_an_error(text: str, expected: str) -> None:
    assert read_error(text).startswith(expected)


def test_tags_execute_no_code(working_folder: Path) -> None:
    (working_folder / "kubekeep.yaml").write_text("a: !!python/object/apply:os.mkdir [run]\n")
    assert read_configuration("kubekeep.yaml", is_explicit=False).values == {"a": ["run"]}
    assert not (working_folder / "run").exists()


def test_endless_file_is_refused(working_folder: Path) -> None:
    with (working_folder / "kubekeep.yaml").open("wb") as stream:
        stream.truncate(33 << 20)
    assert message() == "kubekeep.yaml: not read: larger than 1048576 bytes"


def test_binary_file_is_refused(working_folder: Path) -> None:
    (working_folder / "kubekeep.yaml").write_bytes(b"a: \xff\n")
    assert message() == "kubekeep.yaml: not UTF-8 text: invalid start byte"
    (working_folder / "kubekeep.yaml").write_bytes("a: 1\n".encode("utf-16"))
    assert message() == "kubekeep.yaml: not UTF-8 text: invalid start byte"


def test_special_files_are_refused(working_folder: Path) -> None:
    os.mkfifo("kubekeep.yaml")
    assert find_configuration("deploy") == "kubekeep.yaml"
    assert message() == "kubekeep.yaml: not a regular file"
    (working_folder / "kubekeep.yaml").unlink()
    (working_folder / "kubekeep.yaml").mkdir()
    assert message() == "kubekeep.yaml: not a regular file"


def test_link_out_of_the_folder_is_not_read(working_folder: Path) -> None:
    (working_folder / "kubekeep.yaml").symlink_to("/etc/passwd")
    assert find_configuration("deploy") == "kubekeep.yaml"
    assert message() == "kubekeep.yaml: not read: it is a symbolic link to a file outside of its folder"
    (working_folder / "kubekeep.yaml").unlink()
    (working_folder / "kubekeep.yaml").symlink_to("gone")
    assert message() == "kubekeep.yaml: no such file or directory"
    (working_folder / "gone").write_text("a: 1\n")
    assert read_configuration("kubekeep.yaml", is_explicit=False).values == {"a": 1}


def test_messages_have_no_control_characters(working_folder: Path) -> None:
    (working_folder / "kubekeep.yaml").write_text('"\\e[2J\\u202e": 1\n')
    configuration = read_configuration("kubekeep.yaml", is_explicit=False)
    with pytest.raises(
        ConfigurationError, match=r"^kubekeep\.yaml:1:1: unknown key \\x1b\[2J\\u202e: known keys: a, b$"
    ):
        configuration.check_keys(configuration.values, (), ("a", "b"))


@pytest.mark.parametrize(("key", "near"), [("severityThreshold", "severity-threshold"), ("FRAMEWORKS", "framework")])
def test_unknown_key_has_a_suggestion(key: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown key {key}: did you mean {near}"):
        Configuration("x", is_explicit=True, values={}).check_keys(
            {key: 1}, (), ("framework", "severity-threshold", "set")
        )


def test_paths_are_relative_to_the_file(working_folder: Path) -> None:
    (working_folder / "deploy" / "kubekeep.yaml").touch()
    configuration = read_configuration("deploy/kubekeep.yaml", is_explicit=False)
    assert configuration.resolve_path("web/../web/v.yaml", ()) == "deploy/web/v.yaml"
    assert configuration.resolve_path(".", ()) == "deploy"
    assert configuration.resolve_path(str(working_folder / "deploy" / "v.yaml"), ()) == str(
        working_folder / "deploy" / "v.yaml"
    )
    assert read_configuration("deploy/kubekeep.yaml", is_explicit=True).resolve_path("../v.yaml", ()) == "v.yaml"
    (working_folder / "kubekeep.yaml").touch()
    assert read_configuration("kubekeep.yaml", is_explicit=False).resolve_path("-", ()) == "./-", "never standard input"


@pytest.mark.parametrize("path", ["../v.yaml", "web/../../v.yaml", "/etc/passwd", "link", "link/passwd", "loop/../.."])
def test_discovered_file_may_not_name_files_outside(working_folder: Path, path: str) -> None:
    (working_folder / "deploy" / "kubekeep.yaml").touch()
    (working_folder / "deploy" / "link").symlink_to("/etc")
    (working_folder / "deploy" / "loop").symlink_to(".")
    with pytest.raises(
        ConfigurationError, match=r"is outside of .*/deploy: allowed only in a file named with --config"
    ):
        read_configuration("deploy/kubekeep.yaml", is_explicit=False).resolve_path(path, ())
    assert read_configuration("deploy/kubekeep.yaml", is_explicit=True).resolve_path(path, ())


@pytest.mark.parametrize("path", ["", "a\0b", "a\nb", "\x1b[2J"])
@pytest.mark.parametrize("named", [False, True])
def test_invalid_paths_are_refused(path: str, *, named: bool) -> None:
    with pytest.raises(ConfigurationError, match="a path is empty or has characters that cannot be printed"):
        Configuration("kubekeep.yaml", named, {}).resolve_path(path, ())


@given(st.one_of(st.text(), st.text("ab:-[]{}&*!|>#'\" \n\t0.")))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert outcome(str(path)).startswith((f"{path}:", "{"))


def outcome(path: str) -> str:
    """Return the configuration at a path, or its error on one line."""
    try:
        return json.dumps(read_configuration(path, is_explicit=True).values)
    except ConfigurationError as error:
        return "several lines" if "\n" in str(error) else str(error)
