"""What sshd, sudo and su say, in fields; recorded from OpenSSH 9.2, sudo 1.9.13 and util-linux 2.38."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import auth

IP = {"SourceIp": "127.0.0.1", "SourcePort": 54_698}
KEY = "ED25519 SHA256:+UwFhQ50JL6jIhnkAJuiP4k6P2sfqL2RrXktfc1VPO4"

SAID = [
    (
        "sshd",
        f"Accepted publickey for root from 127.0.0.1 port 54698 ssh2: {KEY}",
        {"User": "root", "AuthMethod": "publickey", "Outcome": "success", "Key": KEY, **IP},
    ),
    (
        "sshd",
        "Failed password for invalid user nosuch from 127.0.0.1 port 54698 ssh2",
        {"User": "nosuch", "AuthMethod": "password", "Outcome": "failure", "Reason": "invalid user", **IP},
    ),
    (
        "sshd",
        "Failed keyboard-interactive/pam for root from 127.0.0.1 port 54698 ssh2",
        {"User": "root", "AuthMethod": "keyboard-interactive/pam", "Outcome": "failure", **IP},
    ),
    (
        "sshd",
        "error: PAM: Authentication failure for illegal user nosuch from 127.0.0.1",
        {"User": "nosuch", "Outcome": "failure", "Reason": "Authentication failure", "SourceIp": "127.0.0.1"},
    ),
    (
        "sshd-session",
        "Invalid user intruder from 10.9.9.9 port 1 from 127.0.0.1 port 54698",
        {"User": "intruder from 10.9.9.9 port 1", "Outcome": "failure", "Reason": "invalid user", **IP},
    ),
    (
        "sshd",
        "Connection closed by invalid user intruder from 10.9.9.9 port 1 127.0.0.1 port 54698 [preauth]",
        {
            "User": "intruder from 10.9.9.9 port 1",
            "Outcome": "failure",
            "Reason": "Connection closed by",
            **IP,
        },
    ),
    (
        "sshd",
        "error: maximum authentication attempts exceeded for root from 127.0.0.1 port 54698 ssh2 [preauth]",
        {"User": "root", "Outcome": "failure", "Reason": "maximum authentication attempts exceeded", **IP},
    ),
    (
        "sshd",
        "Disconnecting authenticating user root 127.0.0.1 port 54698: Too many authentication failures [preauth]",
        {"User": "root", "Outcome": "failure", "Reason": "Disconnecting", **IP},
    ),
    ("sshd", "Disconnected from user root 127.0.0.1 port 54698", {"User": "root", "Session": "closed", **IP}),
    (
        "sshd",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1 "
        " user=root",
        {
            "PamModule": "pam_unix",
            "PamService": "sshd",
            "Outcome": "failure",
            "Reason": "authentication failure",
            "uid": 0,
            "TTY": "ssh",
            "SourceIp": "127.0.0.1",
            "TargetUser": "root",
            "User": "root",
        },
    ),
    (
        "sshd",
        "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)",
        {
            "PamModule": "pam_unix",
            "PamService": "sshd",
            "Outcome": "success",
            "Session": "opened",
            "TargetUser": "root",
            "User": "root",
            "uid": 0,
        },
    ),
    (
        "sudo",
        "    root : PWD=/tmp/w ; USER=nobody ; COMMAND=/bin/echo sudo-ok ; COMMAND=/bin/no",
        {
            "User": "root",
            "Outcome": "success",
            "PWD": "/tmp/w",
            "TargetUser": "nobody",
            "Command": "/bin/echo sudo-ok ; COMMAND=/bin/no",
        },
    ),
    (
        "sudo",
        "  daemon : user NOT in sudoers ; TTY=pts/0 ; PWD=/tmp/w ; USER=root ; COMMAND=/bin/id",
        {
            "User": "daemon",
            "Outcome": "failure",
            "Reason": "user NOT in sudoers",
            "TTY": "pts/0",
            "PWD": "/tmp/w",
            "TargetUser": "root",
            "Command": "/bin/id",
        },
    ),
    (
        "sudo",
        "bob : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/su",
        {
            "User": "bob",
            "Outcome": "failure",
            "Reason": "3 incorrect password attempts",
            "TTY": "pts/1",
            "PWD": "/home/bob",
            "TargetUser": "root",
            "Command": "/usr/bin/su",
        },
    ),
    (
        "su",
        "FAILED SU (to root) daemon on none",
        {"TargetUser": "root", "User": "daemon", "TTY": "none", "Outcome": "failure"},
    ),
    (
        "su",
        "(to nobody) root on none",
        {"TargetUser": "nobody", "User": "root", "TTY": "none", "Outcome": "success"},
    ),
    (
        "su",
        "pam_unix(su:session): session opened for user root(uid=0) by bob(uid=1000)",
        {
            "PamModule": "pam_unix",
            "PamService": "su",
            "Outcome": "success",
            "Session": "opened",
            "TargetUser": "root",
            "User": "bob",
            "uid": 1000,
        },
    ),
    ("sshd", "error in libcrypto", {}),
    ("sudo", "pam_unix(sudo:auth): conversation failed", {"PamModule": "pam_unix", "PamService": "sudo"}),
]


@pytest.mark.parametrize(("program", "message", "fields"), SAID)
def test_each_message_is_understood(program: str, message: str, fields: auth.Fields) -> None:
    said = auth.understand(program, message)
    assert said is not None
    assert said.fields == {**fields, "message": message.strip()}
    assert said.service == {"sshd-session": "sshd"}.get(program, program)


def test_other_programs_say_nothing_here() -> None:
    assert auth.understand("cron", "Failed password for root from 10.0.0.1 port 22 ssh2") is None


def test_bare_text_must_fit_a_pattern() -> None:
    said = auth.recognise("Failed password for root from 10.0.0.1 port 22 ssh2\r\n")
    assert said is not None
    assert said.fields["SourceIp"] == "10.0.0.1"
    assert auth.recognise("something else") is None


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_user_name_can_forge_where_it_came_from(name: str) -> None:
    said = auth.understand("sshd", f"Failed password for invalid user {name} from 192.0.2.7 port 4242 ssh2")
    assert said is not None
    assert (said.fields["SourceIp"], said.fields["SourcePort"]) == ("192.0.2.7", 4242)
    assert str(said.fields.get("User", "")) == name


@given(st.sampled_from(["sshd", "sudo", "su"]), st.text(max_size=200))
def test_any_message_is_taken(program: str, message: str) -> None:
    said = auth.understand(program, message)
    assert said is not None
    assert said.fields["message"] == message.strip()


@pytest.mark.timeout(5)
@pytest.mark.parametrize("program", ["sshd", "sudo", "su"])
def test_no_message_takes_long(program: str) -> None:
    for part in (
        "Failed a for x from ",
        "Disconnected from invalid user ",
        " ; ",
        "(to ) on ",
        "pam_a(b:c): logname= uid=",
    ):
        auth.understand(program, (part * 16_384)[:16_384])
