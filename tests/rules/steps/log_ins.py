"""Ways in that were tried, as sshd, sudo and su tell of them."""

# ruff: noqa: E501 - what is typed in one go stands in one line

from __future__ import annotations

from tests.rules.sandbox import ACCOUNT, PASSWORD
from tests.rules.steps.step import KEY, SSH, WRONG, Step, says

LOG_INS: tuple[Step, ...] = (
    says(
        "ssh_login_failed", "positive-wrong-password", "Failed ",
        f"{SSH} {ACCOUNT}@localhost true", *WRONG, f"{SSH} root@localhost true", *WRONG,
    ),
    says(
        "ssh_login_failed", "negative-log-in", "sshd",
        f"{SSH} {ACCOUNT}@localhost true", PASSWORD,
        KEY, "cat khoa.pub >>.ssh/authorized_keys",
        "ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR -i khoa localhost true",
    ),
    says(
        "ssh_login_unknown_account", "positive-guessed-names", ": Invalid user",
        f"{SSH} admin@localhost true", *WRONG, f"{SSH} oracle@localhost true", *WRONG,
    ),
    says(
        "ssh_login_unknown_account", "negative-told-already", "Failed .*invalid user|more authentication failure",
        f"{SSH} -o NumberOfPasswordPrompts=1 admin@localhost true", "sai-1",
    ),
    says(
        "ssh_login_unknown_account", "negative-known-account", "Failed |Connection closed",
        f"{SSH} {ACCOUNT}@localhost true", *WRONG,
    ),
    says(
        "ssh_attempts_exhausted", "positive-many-guesses", "maximum authentication attempts|more authentication failures",
        f"{SSH} -o NumberOfPasswordPrompts=6 {ACCOUNT}@localhost true", *WRONG, *WRONG,
    ),
    says(
        "ssh_attempts_exhausted", "negative-one-mistake", "sshd",
        f"{SSH} {ACCOUNT}@localhost true", "sai-1", PASSWORD,
    ),
    says(
        "ssh_root_login_by_password", "positive-password", "Accepted ",
        f"{SSH} root@localhost true", PASSWORD,
    ),
    says(
        "ssh_root_login_by_password", "negative-key-or-other-account", "Accepted ",
        f"{SSH} {ACCOUNT}@localhost true", PASSWORD,
        KEY, "cat khoa.pub >>.ssh/authorized_keys",
        "ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR -i khoa localhost true",
    ),
    says(
        "sudo_password_refused", "positive-three-mistakes", "incorrect password",
        f"gpasswd -a {ACCOUNT} sudo", f"su - {ACCOUNT}", "sudo id", *WRONG, "exit",
    ),
    says(
        "sudo_password_refused", "negative-right-password", "sudo",
        f"gpasswd -a {ACCOUNT} sudo", f"su - {ACCOUNT}", "sudo id", "sai-1", PASSWORD, "exit",
    ),
    says(
        "sudo_not_permitted", "positive-not-in-sudoers", "COMMAND=",
        f"su - {ACCOUNT}", "sudo cat /etc/shadow", PASSWORD, "exit",
        f"echo '{ACCOUNT} ALL=(root) /usr/bin/id' >/etc/sudoers.d/a", f"su - {ACCOUNT}", "sudo bash", PASSWORD, "exit",
    ),
    says(
        "sudo_not_permitted", "negative-permitted", "COMMAND=",
        f"echo '{ACCOUNT} ALL=(root) NOPASSWD: /usr/bin/id' >/etc/sudoers.d/a", f"su - {ACCOUNT}", "sudo id", "exit",
    ),
    says(
        "su_to_root_refused", "positive-wrong-password", "FAILED",
        f"su - {ACCOUNT}", "su -", "sai-1", "su -c id", "sai-2", "exit",
    ),
    says(
        "su_to_root_refused", "negative-right-password", " su",
        f"su - {ACCOUNT}", "su -c id", PASSWORD, f"su -c id {ACCOUNT}", "sai-1", "exit",
    ),
)  # fmt: skip
