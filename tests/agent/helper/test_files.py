"""Which files the helper opens, and which it does not whatever stands at their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.helper.exceptions import OpenRefusedError
from agent.helper.files import AllowedFiles


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "auth.log"
    path.write_text("a line\n")
    return path


def content(file: int) -> bytes:
    with os.fdopen(file, "rb") as opened:
        return opened.read()


def refusal(path: Path, inode: int = 0) -> OpenRefusedError:
    with pytest.raises(OpenRefusedError) as refused:
        AllowedFiles([str(path)]).open(str(path), inode)
    return refused.value


def test_a_configured_file_is_opened_for_reading_only(log: Path) -> None:
    file = AllowedFiles([str(log)]).open(str(log))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(file, b"x")
    assert not os.get_inheritable(file)
    assert content(file) == b"a line\n"


@pytest.mark.parametrize("other", ["auth.log2", "../etc/shadow"])
def test_nothing_else_is(log: Path, other: str) -> None:
    with pytest.raises(OpenRefusedError, match=r"not among sensors\.logs\.files"):
        AllowedFiles([str(log)]).open(str(log.parent / other))


def test_what_is_not_there_is_absent(log: Path) -> None:
    assert refusal(log.parent / "later.log").absent
    assert refusal(log.parent / "later" / "auth.log").absent


def test_links_are_never_followed(log: Path) -> None:
    secret = log.parent / "secret"
    secret.write_text("secret")
    log.unlink()
    log.symlink_to(secret)
    assert "symbolic link" in str(refusal(log))
    (log.parent / "dir").symlink_to(log.parent)
    assert "symbolic link" in str(refusal(log.parent / "dir" / "secret"))


def test_a_second_name_of_another_file_is_refused(log: Path) -> None:
    second = log.parent / "second.log"
    second.hardlink_to(log)
    assert "hard links" in str(refusal(second))


def test_only_regular_files_and_without_waiting(log: Path) -> None:
    pipe = log.parent / "pipe"
    os.mkfifo(pipe)
    assert "not a regular file" in str(refusal(pipe))
    assert "not a regular file" in str(refusal(log.parent))


def test_a_rotated_file_is_found_by_its_inode_beside_its_name_only(log: Path) -> None:
    inode = log.stat().st_ino
    rotated = log.with_name("auth.log-20261124")
    log.rename(rotated)
    log.write_text("new\n")
    assert content(AllowedFiles([str(log)]).open(str(log), inode)) == b"a line\n"
    rotated.rename(log.with_name("elsewhere"))
    assert refusal(log, inode).absent
