"""Opens, as root, just the files the configuration names: for reading, regular files, never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from agent.helper.exceptions import OpenRefusedError

MAX_NEIGHBOURS = 4_096
"""How many entries of a directory are looked at to find a rotated file."""

DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class AllowedFiles:
    """The list, fixed when the agent starts."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)

    def open(self, path: str, inode: int = 0, after: int = 0) -> int:
        """A descriptor of the file, to be closed by the caller. With `inode`, of the file with that number in the
        same directory whose name begins with this one's: a log goes on under such a name when it is rotated. With
        `after`, of the one among the file and what was rotated from it that was the first to be written to last
        after this time (ns since the epoch), empty ones left out; of the file when there is none.

        Raises:
            OpenRefusedError: not on the list, not there, a link, or no regular file.
        """
        if path not in self._paths:
            raise OpenRefusedError(f"{path}: not among sensors.logs.files of the configuration")
        directory = _open_directory(PurePosixPath(path).parent)
        try:
            name = PurePosixPath(path).name
            if inode:
                name = _neighbour(directory, name, inode, path)
            elif after:
                name = _successor(directory, name, after)
            return _open_regular(directory, name, path)
        finally:
            os.close(directory)


def _open_directory(path: PurePosixPath) -> int:
    """Step by step, so that no component may be a link somebody put there."""
    here = os.open("/", DIRECTORY)
    for part in path.parts[1:]:
        try:
            there = os.open(part, DIRECTORY, dir_fd=here)
        except OSError as error:
            raise _refusal(str(path), error) from error
        finally:
            os.close(here)
        here = there
    return here


def _neighbour(directory: int, name: str, inode: int, path: str) -> str:
    for entry in _neighbours(directory):
        if entry.name.startswith(name) and entry.inode() == inode:
            return entry.name
    raise OpenRefusedError(f"{path}: no file beside it has inode {inode}", absent=True)


def _successor(directory: int, name: str, after: int) -> str:
    found: list[tuple[int, bool, str]] = []
    for entry in _neighbours(directory):
        if entry.name == name or entry.name.startswith((f"{name}.", f"{name}-")):
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(state.st_mode) and state.st_size and state.st_mtime_ns > after:
                found.append((state.st_mtime_ns, entry.name == name, entry.name))
    return min(found)[2] if found else name


def _neighbours(directory: int) -> Iterator[os.DirEntry[str]]:
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        with os.scandir(readable) as entries:
            for _, entry in zip(range(MAX_NEIGHBOURS), entries, strict=False):
                yield entry
    finally:
        os.close(readable)


def _open_regular(directory: int, name: str, path: str) -> int:
    try:
        file = os.open(name, FILE, dir_fd=directory)
    except OSError as error:
        raise _refusal(path, error) from error
    state = os.fstat(file)
    regular = stat.S_ISREG(state.st_mode)
    if regular and state.st_nlink == 1:
        return file
    os.close(file)
    what = "it has more than one name (hard links)" if regular else "not a regular file"
    raise OpenRefusedError(f"{path}: {what}")


def _refusal(path: str, error: OSError) -> OpenRefusedError:
    if isinstance(error, FileNotFoundError):
        return OpenRefusedError(f"{path}: not there", absent=True)
    if os.path.realpath(path) != path:
        return OpenRefusedError(f"{path}: leads through a symbolic link; name the real path in the configuration")
    return OpenRefusedError(f"{path}: {error.strerror}")
