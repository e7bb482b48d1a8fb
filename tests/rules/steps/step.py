"""One thing that is typed in the sandbox to record a sample, and which of the events that follow are the sample.

`about` is a regular expression over `CommandLine` (or `TargetFilename`, or the log line). It tells what was done,
never what a rule looks for: a rule that is changed must still face the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass

LISTENER = "(timeout 1.5 nc.traditional -lp 4444 </dev/null >/dev/null 2>&1 &); sleep 0.3"
SSH = "ssh -o StrictHostKeyChecking=no -o PubkeyAuthentication=no -o LogLevel=ERROR"
WRONG = ("sai-1", "sai-2", "sai-3")
SITE = (
    "mkdir /srv/site; echo '<?php system($_GET[\"c\"]);' >/srv/site/anh.php;"
    " echo '<?php echo date(\"c\");' >/srv/site/gio.php;"
    " (setpriv --reuid www-data --regid www-data --clear-groups timeout 5 php -q -S 127.0.0.1:8000 -t /srv/site"
    " >/dev/null 2>&1 &); sleep 0.7"
)
PAGE = (
    "(cd /srv && echo 'echo xin chao' >cai.sh && timeout 4 python3 -m http.server 8001 >/dev/null 2>&1 &);"
    " sleep 0.7"
)
KEY = "mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/khoa; touch /root/.ssh/authorized_keys"


@dataclass(frozen=True)
class Step:
    """One sample: `rule` is the rule's file name, `sample` begins with `positive-` or `negative-`; `watched` are
    places in the sandbox whose changes are the sample."""

    rule: str
    sample: str
    typed: tuple[str, ...]
    about: str
    log: bool = False
    watched: tuple[str, ...] = ()


def starts(rule: str, sample: str, about: str, *typed: str) -> Step:
    """A sample of process starts."""
    return Step(rule, sample, typed, about)


def writes(rule: str, sample: str, about: str, watched: tuple[str, ...], *typed: str) -> Step:
    """A sample of changes in watched places."""
    return Step(rule, sample, typed, about, watched=watched)


def says(rule: str, sample: str, about: str, *typed: str) -> Step:
    """A sample of log lines."""
    return Step(rule, sample, typed, about, log=True)
