"""Running processes out of /proc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.helper import processes


def test_this_process_is_among_all() -> None:
    found = {info.pid: info for info in processes.parse(processes.everything())}
    ours = found[os.getpid()]
    assert ours.parent == os.getppid()
    assert ours.image == str(Path(sys.executable).resolve())
    assert ours == processes.find(os.getpid())


def test_a_name_may_hold_anything() -> None:
    assert processes.parse_stat("7 (a) S 1 (b) R 42 " + " ".join(map(str, range(5, 60)))) == (42, 22)
    with pytest.raises(ValueError):
        processes.parse_stat("")


def test_who_is_gone_is_none() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert processes.find(child.pid) is None
    assert processes.image_of(child.pid) == ""


def test_a_deleted_program_keeps_its_path(tmp_path: Path) -> None:
    program = tmp_path / "gone"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "60"])
    try:
        program.unlink()
        assert processes.image_of(child.pid) == str(program)
    finally:
        child.kill()
        child.wait()
