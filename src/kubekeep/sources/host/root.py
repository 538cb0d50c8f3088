"""Files below one folder, which may be the root of another system. Links never lead out of it; pipes are never opened.

The content may be hostile: paths are resolved step by step, without links that the system would resolve against its own
root. Never writes.
"""

from __future__ import annotations

import errno
import itertools
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Self

import msgspec

_MOST_LINKS: Final = 40
"""Links on the way to one file, as in Linux (path_resolution(7))."""
_MOST_ENTRIES: Final = 20_000
_LONGEST_LINE: Final = 1 << 20
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_PROC_INODE: Final = 1
"""Inode of the root of /proc (linux/proc_ns.h, PROC_ROOT_INO)."""
_NAMESPACE_HINTS: Final = {"net": ": set hostNetwork in a pod", "user": ": do not set hostUsers to false in a pod"}
_REASONS: Final = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "too many levels of symbolic links",
}


class HostReadError(Exception):
    """A file exists, or may exist, and cannot be read; the message is the reason, without the path."""

    is_absent = False
    """True if the file is known not to exist."""


class MissingFileError(HostReadError):
    """The file does not exist."""

    is_absent = True

    def __init__(self) -> None:
        super().__init__("no such file")


class FileStatus(msgspec.Struct, frozen=True):
    """Status of a file: mode bits without the type, ids of owner and group, and an identity (device, inode)."""

    mode: int
    uid: int
    gid: int
    is_folder: bool
    identity: tuple[int, int]


class NodeRoot:
    """Files below a folder, by absolute paths in it; a context manager that closes it."""

    def __init__(self, descriptor: int) -> None:
        """Take ownership of an open descriptor of the folder."""
        self._descriptor = descriptor

    @classmethod
    def open(cls, folder: str) -> Self:
        """Open a folder by its path. Raises OSError if it is none."""
        return cls(os.open(folder, _FOLDER))

    def open_process_root(self, pid: int) -> NodeRoot:
        """Open the root of a process. Raises HostReadError.

        Only the real /proc is accepted: any other folder could contain a link to anywhere under this name.
        """
        with (
            self._resolve("/proc") as (_, _, proc),
            self._resolve(f"/proc/{pid}", "root") as (parent, name, link),
            _convert_errors(),
        ):
            # Links in /proc have no length, and their target is not a path (proc(5)).
            if (
                proc.st_ino != _PROC_INODE
                or link.st_dev != proc.st_dev
                or link.st_size
                or not stat.S_ISLNK(link.st_mode)
            ):
                raise HostReadError("/proc is not the process file system")
            return NodeRoot(os.open(name, _FOLDER, dir_fd=parent))

    def check_namespace(self, name: str) -> None:
        """Raise HostReadError unless this process is in the same namespace as process 1. name: `net`, `user`, ...

        Files of the process file system may show the values of the reader's namespace (namespaces(7)). The folder of
        another system has no such file system, and passes.
        """
        try:
            with self._resolve("/proc") as (_, _, proc):
                if proc.st_ino != _PROC_INODE:
                    return
            namespace = self.read_link(f"/proc/1/ns/{name}")
        except HostReadError as error:
            raise HostReadError(
                f"the {name} namespace of process 1 is unknown ({error}): add the capability SYS_PTRACE"
            ) from error
        if namespace != str(Path(f"/proc/self/ns/{name}").readlink()):
            raise HostReadError(
                f"this process is in another {name} namespace than the node{_NAMESPACE_HINTS.get(name, '')}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def get_status(self, path: str) -> FileStatus:
        """Return the status of the target of `path`, through links. Raises HostReadError."""
        with self._resolve(path) as (_, _, status):
            return _to_status(status)

    def read_text(self, path: str, limit: int) -> str:
        """Return the text of a file of at most `limit` bytes; invalid UTF-8 is replaced. Raises HostReadError."""
        with self._resolve(path) as (parent, name, status):
            if not stat.S_ISREG(status.st_mode):
                raise HostReadError("not a regular file")
            with _convert_errors():
                return _read_file(parent, name, status, limit)

    def read_lines(self, path: str, limit: int) -> Iterator[str]:
        """Yield the lines of a file; overlong lines are split. Raises HostReadError.

        Also raised after `limit` bytes: the lines yielded until then are valid.
        """
        with self._resolve(path) as (parent, name, status):
            if not stat.S_ISREG(status.st_mode):
                raise HostReadError("not a regular file")
            with _convert_errors():
                stream = _open_file(parent, name, status)
        with stream:
            remaining = limit
            while True:
                with _convert_errors():
                    line = stream.readline(_LONGEST_LINE)
                remaining -= len(line)
                if remaining < 0:
                    raise HostReadError(f"larger than {limit} bytes")
                if not line:
                    return
                yield line.decode("utf-8", "replace")

    @contextmanager
    def open_folder(self, path: str) -> Iterator[int]:
        """Open a folder and provide its descriptor, to pass it to another program. Raises HostReadError."""
        with self._resolve(path) as (parent, name, _), _convert_errors():
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def list_names(self, path: str) -> list[str]:
        """Return the sorted names in a folder. Raises HostReadError."""
        with self.open_folder(path) as descriptor, _convert_errors(), os.scandir(descriptor) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MOST_ENTRIES + 1)]
        if len(names) > _MOST_ENTRIES:
            raise HostReadError(f"more than {_MOST_ENTRIES} entries")
        return sorted(names)

    def read_link(self, path: str) -> str:
        """Return the target of a link, without following it. Raises HostReadError."""
        folder, name = posixpath.split(path)
        with self._resolve(folder, name) as (parent, last, _), _convert_errors():
            return os.readlink(last, dir_fd=parent)

    def list_files(self, path: str, depth: int) -> tuple[list[str], dict[str, str]]:
        """Return the paths of files in a folder and `depth` levels below; links to folders are not followed.

        The order is the one of Go's filepath.WalkDir: the content of a folder comes at the position of its name. The
        second value has the reason by inaccessible folder, so that none is treated as empty. Raises HostReadError if
        the folder itself cannot be read, or has too many entries.
        """
        paths: list[str] = []
        errors: dict[str, str] = {}
        pending = [(posixpath.join(path, name), depth) for name in reversed(self.list_names(path))]
        count = len(pending)
        while pending:
            inner_path, levels = pending.pop()
            try:
                if not stat.S_ISDIR(self._get_link_status(inner_path).st_mode):
                    paths.append(inner_path)
                    continue
                names = self.list_names(inner_path) if levels else []
            except HostReadError as error:
                errors[inner_path] = str(error)
                continue
            if not levels:
                errors[inner_path] = "nested too deeply"
            count += len(names)
            if count > _MOST_ENTRIES:
                raise HostReadError(f"more than {_MOST_ENTRIES} entries")
            pending += [(posixpath.join(inner_path, name), levels - 1) for name in reversed(names)]
        return paths, errors

    def _get_link_status(self, path: str) -> os.stat_result:
        """Return the status of a path; links are not followed."""
        folder, name = posixpath.split(path)
        with self._resolve(folder, name) as (_, _, status):
            return status

    @contextmanager
    def _resolve(self, path: str, last: str = "") -> Iterator[tuple[int, str, os.stat_result]]:
        """Resolve `path`, then `last` without following it; provides (parent descriptor, name in it, status)."""
        with _convert_errors():
            resolver = _PathResolver(self._descriptor)
        try:
            with _convert_errors():
                target = resolver.resolve(path, last)
            yield target
        finally:
            resolver.close()


class _PathResolver:
    """The open folders from the root to the current position."""

    def __init__(self, root: int) -> None:
        self._folders = [os.dup(root)]

    def close(self) -> None:
        for descriptor in self._folders:
            os.close(descriptor)

    def resolve(self, path: str, last: str) -> tuple[int, str, os.stat_result]:
        """Resolve `path`, through links, and then `last`, which is not followed. Raises OSError."""
        remaining = _split_path(path)[::-1]
        links = 0
        name = "."
        while remaining:
            part = remaining.pop()
            if part == "..":
                self._leave()
                name = "."
                continue
            status = os.stat(part, dir_fd=self._folders[-1], follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(part, dir_fd=self._folders[-1])
                if target.startswith("/"):
                    self._leave(to=1)
                remaining += _split_path(target)[::-1]
                name = "."
            elif remaining or last:
                self._enter(part)
            else:
                name = part
        name = last or name
        return self._folders[-1], name, os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False)

    def _enter(self, name: str) -> None:
        self._folders.append(os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folders[-1]))

    def _leave(self, to: int = 0) -> None:
        """Leave the current folder, or all but `to`; the parent of the root is the root."""
        for _ in range(len(self._folders) - (to or max(len(self._folders) - 1, 1))):
            os.close(self._folders.pop())


def _split_path(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _to_status(status: os.stat_result) -> FileStatus:
    mode = status.st_mode
    return FileStatus(
        stat.S_IMODE(mode), status.st_uid, status.st_gid, stat.S_ISDIR(mode), (status.st_dev, status.st_ino)
    )


def _open_file(parent: int, name: str, status: os.stat_result) -> IO[bytes]:
    # If a pipe has replaced the file meanwhile, O_NONBLOCK keeps the call from blocking.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    stream = open(os.open(name, flags, dir_fd=parent), "rb")  # noqa: PTH123, SIM115 - a descriptor has no path
    if _to_status(os.fstat(stream.fileno())).identity != _to_status(status).identity:
        stream.close()
        raise HostReadError("the file changed while it was read")
    return stream


def _read_file(parent: int, name: str, status: os.stat_result, limit: int) -> str:
    with _open_file(parent, name, status) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise HostReadError(f"larger than {limit} bytes")
    return content.decode("utf-8", "replace")


@contextmanager
def _convert_errors() -> Iterator[None]:
    """Convert system errors to HostReadError."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError from None
    except OSError as error:
        raise HostReadError(_REASONS.get(error.errno or 0) or error.strerror or "cannot be read") from None
    except ValueError:
        # A path with a NUL.
        raise MissingFileError from None
