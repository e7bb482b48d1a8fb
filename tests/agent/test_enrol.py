"""Enrolment against real TLS doors: what is proven before the token is told, and what a person reads if not."""

from __future__ import annotations

import codecs
import io
import json
import os
import stat
import subprocess
import sys

import pytest

from agent import cli, enrol, identity
from agent.exceptions import ConfigError, EnrolError, IdentityMissingError
from agent.layout import Layout
from wire.batch import Problem
from wire.identity import EnrolToken


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "agent")


@pytest.fixture
def enrolment(open_door):
    door = open_door(clients=False)
    door.agents_port = 7443
    return door


def test_enrols_and_pins(layout, enrolment, token, pki):
    record = enrol.enrol(layout, enrolment.url, token.text())
    assert record == identity.load(layout.identity)
    assert record.collector == "https://127.0.0.1:7443"
    assert (layout.identity / "ca.pem").read_text() == pki.root_pem
    assert sorted(p.name for p in layout.identity.iterdir()) == ["ca.pem", "cert.pem", "identity.json", "key.pem"]
    for path in layout.identity.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    identity.context(layout.identity)
    days = (record.not_after - record.not_before) / 86_400e6
    assert 89 < days < 91


def test_the_token_is_sent_only_after_the_root_is_proven(layout, enrolment, token):
    other = EnrolToken(id=token.id, secret=token.secret, ca_sha256="0" * 64)
    with pytest.raises(EnrolError) as caught:
        enrol.enrol(layout, enrolment.url, other.text())
    assert caught.value.code == "wrong_fingerprint"
    assert enrolment.requests == []


def test_a_man_in_the_middle_who_shows_the_true_root_gets_no_token(layout, open_door, other_pki, pki, token):
    middle = open_door(clients=False, with_pki=other_pki)
    middle.root_pem = pki.root_pem
    with pytest.raises(EnrolError, match="not trusted") as caught:
        enrol.enrol(layout, middle.url, token.text())
    assert caught.value.code == "unreachable"
    assert middle.requests == []


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("bad_token", 403, "check that the token file"),
        ("token_expired", 403, "ask for a new token"),
        ("token_used_up", 403, "ask for a new token"),
        ("already_enrolled", 409, "a person revokes"),
        ("not_ready", 503, "try again later"),
    ],
)
def test_refusals_say_what_to_do(code, status, words, layout, enrolment, token):
    enrolment.enrol_problem = Problem(code=code, title="No", status=status, retry_after=5 if status == 503 else 0)
    with pytest.raises(EnrolError, match=words) as caught:
        enrol.enrol(layout, enrolment.url, token.text())
    assert caught.value.code == code
    assert token.secret not in str(caught.value)
    assert not identity.exists(layout.identity)


def test_a_lost_answer_is_mended_with_the_same_key(layout, enrolment, token):
    requests = []

    def lose(handler):
        requests.append(json.loads(handler.body)["csr"])
        handler.cut()
        return True

    enrolment.faults.append(lose)
    with pytest.raises(EnrolError):
        enrol.enrol(layout, enrolment.url, token.text())
    kept = (layout.identity / enrol.PENDING_KEY).read_bytes()
    enrol.enrol(layout, enrolment.url, token.text())
    assert (layout.identity / "key.pem").read_bytes() == kept
    assert len(requests) == 1


def test_the_agents_port_is_recognised_as_the_wrong_one(layout, door, token):
    with pytest.raises(EnrolError, match="7444"):
        enrol.enrol(layout, door.url, token.text())


def test_nobody_there(layout, token, door):
    door.stop()
    with pytest.raises(EnrolError, match="refused") as caught:
        enrol.enrol(layout, door.url, token.text())
    assert caught.value.code == "unreachable"
    door.start()


def test_an_existing_identity_is_kept_unless_forced(layout, enrolment, token):
    first = enrol.enrol(layout, enrolment.url, token.text())
    key = (layout.identity / "key.pem").read_bytes()
    with pytest.raises(EnrolError, match="--force") as caught:
        enrol.enrol(layout, enrolment.url, token.text())
    assert caught.value.code == "identity_exists"
    second = enrol.enrol(layout, enrolment.url, token.text(), force=True)
    assert (layout.identity / "key.pem").read_bytes() != key
    assert second.enrolled > first.enrolled


@pytest.mark.parametrize("text", ["", "lp1.a.b", "lp2.a.b.c", "lp1.a..c", "x" * 600])
def test_what_is_no_token(text, layout, enrolment):
    with pytest.raises(EnrolError) as caught:
        enrol.enrol(layout, enrolment.url, text)
    assert caught.value.code == "not_a_token"


@pytest.mark.parametrize(
    "url",
    [
        *("http://a", "https://", "ftp://a", "https://a/b", "https://a:99999", "https://u@a"),
        *("https://a..b", f"https://{'x' * 300}", f"https://{'x.' * 150}vn", "https://a b", "https://a\0b"),
        "https://a\udcff",
    ],
)
def test_what_is_no_address(url, layout, token):
    with pytest.raises(ConfigError, match="https://HOST:PORT"):
        enrol.enrol(layout, url, token.text())


def test_command_reads_the_token_from_a_file_or_standard_input(
    layout, enrolment, token, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "token"
    path.write_text(token.text() + "\n")
    arguments = ["enrol", "--data", str(layout.data), "--collector", enrolment.url, "--token-file"]
    assert cli.main([*arguments, str(path)]) == 0
    assert "abcdefghij234567" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(token.text().encode())))
    assert cli.main([*arguments, "-", "--force"]) == 0
    assert cli.main([*arguments, str(tmp_path / "absent")]) == 1
    assert "absent" in capsys.readouterr().err


def test_a_byte_order_mark_before_the_token_does_no_harm(layout, enrolment, token, tmp_path):
    path = tmp_path / "token"
    path.write_bytes(codecs.BOM_UTF8 + token.text().encode() + b"\r\n")
    arguments = ["enrol", "--data", str(layout.data), "--collector", enrolment.url, "--token-file", str(path)]
    assert cli.main(arguments) == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_token_file_that_is_no_plain_text(encoding, layout, token, tmp_path, capsys):
    path = tmp_path / "token"
    path.write_bytes(token.text().encode(encoding))
    arguments = ["enrol", "--data", str(layout.data), "--collector", "https://c", "--token-file", str(path)]
    assert cli.main(arguments) == 1
    assert "[not_a_token]" in capsys.readouterr().err


def test_the_token_is_never_an_argument():
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", "enrol", "--help"], capture_output=True, text=True, check=True
    )
    assert "--token-file" in done.stdout
    assert "--token " not in done.stdout


def test_not_enrolled_says_how(layout):
    with pytest.raises(IdentityMissingError, match="lienphong-agent enrol"):
        identity.load(layout.identity)


def test_an_exchange_cut_short_is_finished(layout, enrolment, token):
    enrol.enrol(layout, enrolment.url, token.text())
    record = (layout.identity / "identity.json").read_bytes()
    new = record.replace(b"so-khcn", b"so-tttt")
    (layout.identity / "cert.pem.next").write_bytes((layout.identity / "cert.pem").read_bytes())
    (layout.identity / "identity.json.next").write_bytes(new)
    assert identity.load(layout.identity).identity.node == "tinh/so-tttt"
    assert not list(layout.identity.glob("*.next"))


def test_an_exchange_not_decided_is_dropped(layout, enrolment, token):
    enrol.enrol(layout, enrolment.url, token.text())
    (layout.identity / "key.pem.next").write_bytes(b"half a key")
    identity.load(layout.identity)
    identity.context(layout.identity)


def test_files_belong_to_the_directorys_owner(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: gives a directory away")
    os.chown(tmp_path, 61_721, 61_721)
    identity.write_private(tmp_path / "x", b"1")
    assert (tmp_path / "x").stat().st_uid == 61_721
