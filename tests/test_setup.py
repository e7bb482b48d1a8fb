"""`init`: what it prints, who may read what, and that a run cut short is begun again while a whole one is kept."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from collector.exceptions import SettingsError, SetupError
from collector.layout import UNFINISHED, give
from collector.settings import load
from collector.setup import initialise
from collector.trust.ceremony import PASSPHRASE
from wire.identity import parse_token

BIN = Path(sys.executable).parent


def test_for_scripts_it_prints_one_object(tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "lienphong-collector", "init", "--data", tmp_path / "c", "--hostname=a.test", "--format=json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert set(made) == {"admin_user", "admin_password_file", "enrolment_token_file", "ca_fingerprint"}
    token = parse_token(Path(made["enrolment_token_file"]).read_text())
    assert token.ca_sha256 == made["ca_fingerprint"]
    for name in ("admin_password_file", "enrolment_token_file"):
        assert stat.S_IMODE(Path(made[name]).stat().st_mode) == 0o600
    assert token.secret not in done.stdout + done.stderr
    assert "offline" in done.stderr


def test_it_never_touches_a_collector_that_is_there(tmp_path: Path) -> None:
    initialise(tmp_path / "c", ["a.test"])
    before = {p: p.read_bytes() for p in (tmp_path / "c").rglob("*") if p.is_file()}
    with pytest.raises(SetupError, match="a collector here already"):
        initialise(tmp_path / "c", ["a.test"])
    assert {p: p.read_bytes() for p in (tmp_path / "c").rglob("*") if p.is_file()} == before


def test_it_never_mixes_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(SetupError, match=r"not empty \(holiday.jpg\)"):
        initialise(tmp_path, ["a.test"])
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_run_cut_short_is_begun_again(tmp_path: Path) -> None:
    first = initialise(tmp_path / "c", ["a.test"])
    (tmp_path / "c/collector.yaml").rename(tmp_path / "c" / UNFINISHED)
    second = initialise(tmp_path / "c", ["a.test"])
    assert first.ca_fingerprint != second.ca_fingerprint
    assert load(tmp_path / "c").hostnames == ["a.test", "localhost", "127.0.0.1", "::1"]


def test_a_collector_that_lost_its_settings_is_never_made_anew(tmp_path: Path) -> None:
    initialise(tmp_path / "c", ["a.test"])
    (tmp_path / "c/collector.yaml").rename(tmp_path / "collector.yaml")
    before = {p: p.read_bytes() for p in (tmp_path / "c").rglob("*") if p.is_file()}
    with pytest.raises(SetupError, match="from a copy"):
        initialise(tmp_path / "c", ["a.test"])
    with pytest.raises(SettingsError, match="put the file back"):
        load(tmp_path / "c")
    assert {p: p.read_bytes() for p in (tmp_path / "c").rglob("*") if p.is_file()} == before


def test_a_place_where_nothing_can_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [BIN / "lienphong-collector", "init", "--data", tmp_path / "file/below", "--hostname", "a.test"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "file/below" in done.stderr


@pytest.mark.root
def test_handing_over_follows_no_link_and_takes_no_second_name(tmp_path: Path) -> None:
    victim, tree = tmp_path / "victim", tmp_path / "tree"
    victim.write_text("root's")
    tree.mkdir()
    (tree / "own").write_text("")
    (tree / "symbolic").symlink_to(victim)
    (tree / "hard").hardlink_to(victim)
    (tree / "above").symlink_to(tmp_path)
    give(tree, 65_534, 65_534)
    assert ((tree / "own").stat().st_uid, tree.stat().st_uid) == (65_534, 65_534)
    assert (victim.stat().st_uid, tmp_path.stat().st_uid) == (0, 0)


def test_a_name_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="hostnames"):
        initialise(tmp_path / "c", ["not a name"])
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.root
def test_as_root_each_process_reads_only_its_own(tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    initialise(tmp_path / "c", ["a.test"])
    settings = load(tmp_path / "c")
    if settings.service_uid is None:
        pytest.skip("this Python lies below a private directory, so the processes cannot be kept apart")
    assert settings.signer_uid is not None
    secret = {
        "offline/root.key.pem": set(),
        f"secrets/{PASSPHRASE}": set(),
        "keys/tls.key.pem": {settings.signer_uid},
        "keys/commands.key.pem": {settings.signer_uid},
        "tls/web.key.pem": {settings.service_uid},
        "state/state.sqlite": {settings.service_uid},
    }
    for name, readers in secret.items():
        for uid in (settings.signer_uid, settings.service_uid, 65_534):
            assert readable(tmp_path / "c" / name, uid, settings.service_uid) == (uid in readers), (name, uid)


def readable(path: Path, uid: int, gid: int) -> bool:
    """Whether a process of that account can open the file."""
    code = "import sys; open(sys.argv[1], 'rb').read(1)"
    gid = gid if uid != 65_534 else 65_534
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        user=uid,
        group=gid,
        extra_groups=[],
        capture_output=True,
        check=False,
        cwd="/",
    )
    return done.returncode == 0


def test_the_umask_of_the_caller_does_not_matter(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        initialise(tmp_path / "c", ["a.test"])
    finally:
        os.umask(previous)
    modes = {stat.S_IMODE(p.stat().st_mode) & 0o077 for p in (tmp_path / "c").rglob("*") if p.is_file()}
    assert modes == {0}
