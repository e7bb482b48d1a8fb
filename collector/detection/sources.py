"""Where rules lie: files, directories and archives, read with bounds and without unpacking anything to disk."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import IO, NamedTuple

from collector.detection.exceptions import SourceError

MAX_FILE = 2 * 1024 * 1024
"""Bytes of one rule file."""
MAX_ARCHIVE = 256 * 1024 * 1024
"""Bytes of one archive, unpacked."""
MAX_FILES = 100_000
"""Rule files in one rule set."""
_RULE_SUFFIXES = (".yml", ".yaml")


class RuleFile(NamedTuple):
    """One rule file. `name` is for people (`archive:member` inside archives); `too_large` says it was not read."""

    name: str
    content: bytes
    too_large: bool = False


def rule_files(paths: Iterable[Path]) -> Iterator[RuleFile]:
    """Every rule file under `paths` (files, directories, `.tar.gz`, `.tgz`, `.tar`, `.zip`), in a stable order.

    Raises:
        SourceError: a path does not exist or cannot be read, an archive is broken, or a bound is passed.
    """
    count = 0
    for path in paths:
        for file in _files_of(path):
            count += 1
            if count > MAX_FILES:
                raise SourceError(f"{path}: more than {MAX_FILES} rule files; split the rule set")
            yield file


def _files_of(path: Path) -> Iterator[RuleFile]:
    try:
        if path.is_dir():
            yield from _in_directory(path)
        elif path.name.endswith((".tar.gz", ".tgz", ".tar")):
            yield from _in_tar(path)
        elif path.suffix == ".zip":
            yield from _in_zip(path)
        else:
            yield _read(path, str(path))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise SourceError(f"{path}: broken archive: {error}") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _in_directory(root: Path) -> Iterator[RuleFile]:
    for directory, below, names in os.walk(root):
        below[:] = sorted([name for name in below if not name.startswith(".")])
        for name in sorted(names):
            if name.endswith(_RULE_SUFFIXES) and not name.startswith("."):
                path = Path(directory, name)
                if path.is_file():
                    yield _read(path, str(path))


def _read(path: Path, name: str) -> RuleFile:
    with path.open("rb") as stream:
        return _bounded(stream, name)


def _bounded(stream: IO[bytes], name: str) -> RuleFile:
    content = stream.read(MAX_FILE + 1)
    return RuleFile(name, b"", True) if len(content) > MAX_FILE else RuleFile(name, content)


class _Metered(RawIOBase):
    """Counts what comes out of a decompressor, and stops at the archive's bound."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._path = path
        self._left = MAX_ARCHIVE

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size if size >= 0 else self._left + 1)
        self._left -= len(chunk)
        if self._left < 0:
            raise SourceError(f"{self._path}: unpacks to more than {MAX_ARCHIVE // 1024 // 1024} MiB")
        return chunk


def _in_tar(path: Path) -> Iterator[RuleFile]:
    packed = path.suffix != ".tar"
    with path.open("rb") as raw:
        stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
        with tarfile.open(fileobj=_Metered(stream, path), mode="r|") as archive:
            for member in archive:
                if not member.isfile() or not member.name.endswith(_RULE_SUFFIXES):
                    continue
                content = archive.extractfile(member)
                if content is not None:
                    yield _bounded(content, f"{path}:{member.name}")


def _in_zip(path: Path) -> Iterator[RuleFile]:
    left = MAX_ARCHIVE
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda info: info.filename):
            if member.is_dir() or not member.filename.endswith(_RULE_SUFFIXES):
                continue
            if member.flag_bits & 1:
                raise SourceError(f"{path}: {member.filename} is encrypted")
            with archive.open(member) as content:
                file = _bounded(content, f"{path}:{member.filename}")
            left -= MAX_FILE if file.too_large else len(file.content)
            if left < 0:
                raise SourceError(f"{path}: unpacks to more than {MAX_ARCHIVE // 1024 // 1024} MiB")
            yield file
