"""Names of user ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.sensors import accounts
from agent.sensors.accounts import Accounts


def test_names_follow_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "CHECK_SECONDS", 0.0)
    passwd = tmp_path / "passwd"
    names = Accounts(passwd)
    assert names.name(0) == "0"
    passwd.write_text("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nnot a line\nbob:x:1000:1000\n")
    assert [names.name(uid) for uid in (0, 1000, 4711)] == ["root", "bob", "4711"]
    new = tmp_path / "new"
    new.write_text("eve:x:1000:1000\n")
    new.replace(passwd)
    assert names.name(1000) == "eve"
    passwd.unlink()
    assert names.name(1000) == "eve"


def test_this_machines_root_is_root() -> None:
    assert Accounts().name(0) == "root"
