"""Who owns what under the data directory."""

from __future__ import annotations

import os
import stat

import pytest

from agent.layout import Layout

UID = 61_721


def test_without_privilege_it_only_makes_them(tmp_path):
    layout = Layout(tmp_path / "data")
    layout.prepare(os.geteuid(), os.getegid())
    layout.prepare(os.geteuid(), os.getegid())
    for directory in (layout.identity, layout.spool, layout.run, layout.helper):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_as_root_the_account_gets_its_own_and_nothing_else(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: gives directories away")
    outside = tmp_path / "passwd"
    outside.write_text("root's")
    layout = Layout(tmp_path / "data")
    layout.prepare(UID, UID)
    (layout.identity / "key.pem").write_text("key")
    (layout.spool / "link").symlink_to(outside)
    (layout.spool / "hard").hardlink_to(outside)
    layout.config.write_text("")
    layout.prepare(UID, UID)
    assert (layout.identity / "key.pem").stat().st_uid == UID
    for kept in (outside, layout.data, layout.config, layout.helper):
        assert kept.stat().st_uid == 0
