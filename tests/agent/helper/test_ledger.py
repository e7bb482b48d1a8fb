"""What is written down before the audit state is changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.helper.exceptions import AuditError
from agent.helper.ledger import Entry, Ledger

ENTRY = Entry(boot="this", prior={"enabled": 0}, ours={"enabled": 1}, rules=["00ff"])


def test_it_is_read_back_within_the_same_boot_only(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "audit.json")
    assert ledger.read("this") is None
    ledger.write(ENTRY)
    assert ledger.read("this") == ENTRY
    assert ledger.read("the next") is None
    assert (tmp_path / "audit.json").stat().st_mode & 0o777 == 0o600
    ledger.clear()
    ledger.clear()
    assert ledger.read("this") is None


def test_what_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    Ledger(path).write(ENTRY)
    path.chmod(0o666)
    with pytest.raises(AuditError, match="others could have written it"):
        Ledger(path).read("this")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError, match="symbolic links"):
        Ledger(path).read("this")


@pytest.mark.root
def test_another_accounts_file_is_not_believed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away: run the tests as root")
    path = tmp_path / "audit.json"
    Ledger(path).write(ENTRY)
    os.chown(path, 61_721, 61_721)
    with pytest.raises(AuditError, match="others could have written it"):
        Ledger(path).read("this")


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_bytes(b'{"boot":1}')
    with pytest.raises(AuditError, match=r"boot.*remove it"):
        Ledger(path).read("this")


def test_without_a_ledger_nothing_may_be_changed(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="the audit state is left alone"):
        Ledger(tmp_path / "absent" / "audit.json").write(ENTRY)
