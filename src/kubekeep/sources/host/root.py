"""Files below one folder, which may be the root of another system: links never lead out of it, pipes are never opened.

What stands there may be hostile: it is looked at part by part, without following a link that the system would resolve
against its own root. Never writes.
"""

from __future__ import annotations

import errno
import itertools
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, Self

import msgspec

_LINKS: Final = 40
"""Links on the way to one file, as Linux allows (path_resolution(7))."""
_ENTRIES: Final = 20_000
_LINE: Final = 1 << 20
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_PROC_INODE: Final = 1
"""The inode of the root of /proc (linux/proc_ns.h, PROC_ROOT_INO)."""
_WHY: Final = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "too many links lead to one another",
}


class HostReadError(Exception):
    """A file is there, or may be, and cannot be looked at; the message says why, without its path."""

    is_absent = False
    """Whether it is known that there is no such file."""


class MissingFileError(HostReadError):
    """There is no such file."""

    is_absent = True

    def __init__(self) -> None:
        super().__init__("there is no such file")


class FileStatus(msgspec.Struct, frozen=True):
    """What the system knows of a file: the bits of its mode without its type, its owner's numbers, and which it is."""

    mode: int
    uid: int
    gid: int
    is_folder: bool
    identity: tuple[int, int]


class NodeRoot:
    """The files below a folder, by their absolute paths there; a context that closes it."""

    def __init__(self, descriptor: int) -> None:
        """Takes an open descriptor of the folder over."""
        self._descriptor = descriptor

    @classmethod
    def open(cls, folder: str) -> Self:
        """Of the folder of that name. Raises OSError if it is none."""
        return cls(os.open(folder, _FOLDER))

    def open_process_root(self, pid: int) -> NodeRoot:
        """The files as a process sees them, by its own root. Raises UnreadableError.

        Only /proc itself tells: a folder that merely looks like it could have a link to anywhere in this place.
        """
        with self._found("/proc") as (_, _, proc), self._found(f"/proc/{pid}", "root") as (parent, name, link), _told():
            # Links of /proc have no length and lead where no text says (proc(5)).
            if (
                proc.st_ino != _PROC_INODE
                or link.st_dev != proc.st_dev
                or link.st_size
                or not stat.S_ISLNK(link.st_mode)
            ):
                raise HostReadError("what stands at /proc is not the process file system")
            return NodeRoot(os.open(name, _FOLDER, dir_fd=parent))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def get_status(self, path: str) -> FileStatus:
        """The facts of what `path` leads to, through links. Raises UnreadableError."""
        with self._found(path) as (_, _, status):
            return _facts(status)

    def read_text(self, path: str, limit: int) -> str:
        """The text of a file of at most `limit` bytes; what is not UTF-8 in it is replaced. Raises UnreadableError."""
        with self._found(path) as (parent, name, status):
            if not stat.S_ISREG(status.st_mode):
                raise HostReadError("it is not a regular file")
            with _told():
                return _content(parent, name, status, limit)

    def read_lines(self, path: str, limit: int) -> Iterator[str]:
        """The lines of a file, one by one; what is longer than one may be comes in pieces. Raises UnreadableError.

        After `limit` bytes that is raised too: what was given until then is in the file.
        """
        with self._found(path) as (parent, name, status):
            if not stat.S_ISREG(status.st_mode):
                raise HostReadError("it is not a regular file")
            with _told():
                stream = _opened(parent, name, status)
        with stream:
            left = limit
            while True:
                with _told():
                    line = stream.readline(_LINE)
                left -= len(line)
                if left < 0:
                    raise HostReadError(f"it has more than {limit} bytes")
                if not line:
                    return
                yield line.decode("utf-8", "replace")

    @contextmanager
    def open_folder(self, path: str) -> Iterator[int]:
        """A descriptor of a folder, by which another program can be shown it. Raises UnreadableError."""
        with self._found(path) as (parent, name, _), _told():
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def list_names(self, path: str) -> list[str]:
        """What is in a folder, sorted. Raises UnreadableError."""
        with self.open_folder(path) as descriptor, _told(), os.scandir(descriptor) as entries:
            names = [entry.name for entry in itertools.islice(entries, _ENTRIES + 1)]
        if len(names) > _ENTRIES:
            raise HostReadError(f"more than {_ENTRIES} entries")
        return sorted(names)

    def read_link(self, path: str) -> str:
        """The text of a link, which is not followed. Raises UnreadableError."""
        folder, name = posixpath.split(path)
        with self._found(folder, name) as (parent, last, _), _told():
            return os.readlink(last, dir_fd=parent)

    def list_files(self, path: str, depth: int) -> tuple[list[str], dict[str, str]]:
        """The paths of what is in a folder and, `depth` folders deep, below; links to folders are not gone through.

        They come in the order of Go's filepath.WalkDir: what is in a folder stands where its name does. Beside them the
        folders whose files are not known, each with why, so that nobody takes them for empty. Raises UnreadableError if
        the folder itself cannot be read, or there is too much in all.
        """
        found: list[str] = []
        refused: dict[str, str] = {}
        todo = [(posixpath.join(path, name), depth) for name in reversed(self.list_names(path))]
        seen = len(todo)
        while todo:
            inner, left = todo.pop()
            try:
                if not stat.S_ISDIR(self._own(inner).st_mode):
                    found.append(inner)
                    continue
                names = self.list_names(inner) if left else []
            except HostReadError as error:
                refused[inner] = str(error)
                continue
            if not left:
                refused[inner] = "it is too deep"
            seen += len(names)
            if seen > _ENTRIES:
                raise HostReadError(f"more than {_ENTRIES} entries")
            todo += [(posixpath.join(inner, name), left - 1) for name in reversed(names)]
        return found, refused

    def _own(self, path: str) -> os.stat_result:
        """The status of a path, of the link itself if it is one."""
        folder, name = posixpath.split(path)
        with self._found(folder, name) as (_, _, status):
            return status

    @contextmanager
    def _found(self, path: str, last: str = "") -> Iterator[tuple[int, str, os.stat_result]]:
        """(the folder it is in, its name there, its status) of what `path` leads to, or of `last` there as it is."""
        with _told():
            way = _Way(self._descriptor)
        try:
            with _told():
                found = way.to(path, last)
            yield found
        finally:
            way.close()


class _Way:
    """The folders from the root to where one has got."""

    def __init__(self, root: int) -> None:
        self._folders = [os.dup(root)]

    def close(self) -> None:
        for descriptor in self._folders:
            os.close(descriptor)

    def to(self, path: str, last: str) -> tuple[int, str, os.stat_result]:
        """Go to where `path` leads, through links, and then to `last`, which is not followed. Raises OSError."""
        left = _parts(path)[::-1]
        links = 0
        name = "."
        while left:
            part = left.pop()
            if part == "..":
                self._back()
                name = "."
                continue
            status = os.stat(part, dir_fd=self._folders[-1], follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(part, dir_fd=self._folders[-1])
                if target.startswith("/"):
                    self._back(to=1)
                left += _parts(target)[::-1]
                name = "."
            elif left or last:
                self._enter(part)
            else:
                name = part
        name = last or name
        return self._folders[-1], name, os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False)

    def _enter(self, name: str) -> None:
        self._folders.append(os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folders[-1]))

    def _back(self, to: int = 0) -> None:
        """Leave the last folder, or all but `to`; above the root is the root."""
        for _ in range(len(self._folders) - (to or max(len(self._folders) - 1, 1))):
            os.close(self._folders.pop())


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _facts(status: os.stat_result) -> FileStatus:
    mode = status.st_mode
    return FileStatus(
        stat.S_IMODE(mode), status.st_uid, status.st_gid, stat.S_ISDIR(mode), (status.st_dev, status.st_ino)
    )


def _opened(parent: int, name: str, status: os.stat_result) -> IO[bytes]:
    # Should a pipe have taken the place of the file meanwhile, opening it does not wait.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    stream = open(os.open(name, flags, dir_fd=parent), "rb")  # noqa: PTH123, SIM115 - a descriptor has no path
    if _facts(os.fstat(stream.fileno())).identity != _facts(status).identity:
        stream.close()
        raise HostReadError("it changed while it was being read")
    return stream


def _content(parent: int, name: str, status: os.stat_result, limit: int) -> str:
    with _opened(parent, name, status) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise HostReadError(f"it has more than {limit} bytes")
    return data.decode("utf-8", "replace")


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the system says into a sentence."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError from None
    except OSError as error:
        raise HostReadError(_WHY.get(error.errno or 0) or error.strerror or "it cannot be read") from None
    except ValueError:
        # A path with a NUL.
        raise MissingFileError from None
