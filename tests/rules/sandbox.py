"""A machine within the machine, in which attacks are real and change nothing.

Own mount, host name, network, IPC and process namespaces; everything that a step may write to (/etc, /var, /usr,
/home, /root, /tmp …) is an overlay or empty memory that vanishes with the sandbox. Kernel modules, the audit
system, the clock and the machine's power state cannot be touched from inside. Steps are typed on a terminal, as a
person does: what a shell does itself (`echo x > file`) is no process start and must not look like one.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ACCOUNT = "canbo1"
PASSWORD = "mat-khau-thu-1"
HOST = "may-chu-1"
PROMPT = "sandbox-ready> "
STEP_SECONDS = 60.0
AWAITS_INPUT = r"[$#>] $|[Pp]assword[^\n]*: ?$"
"""A shell's prompt, root's or the account's, or a question for a password."""


SETUP = rf"""
set -eu
mount --make-rprivate /
mount --bind "$LOG_DIRECTORY" /mnt
mount -t tmpfs -o mode=755 sandbox /media
for place in etc var usr; do
    mkdir -p "/media/$place/changes" "/media/$place/work"
    mount -t overlay overlay \
        -o "lowerdir=/$place,upperdir=/media/$place/changes,workdir=/media/$place/work" "/$place"
done
umount --lazy /media
mount --move /mnt /var/log
for place in dev home root tmp run opt srv work; do
    if [ -d "/$place" ]; then mount -t tmpfs -o mode=755 sandbox "/$place"; fi
done
chmod 1777 /tmp
mkdir /dev/pts /dev/shm /run/sshd /run/lock
mount -t tmpfs -o mode=1777 sandbox /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=:; set -- $node; unset IFS
    mknod -m 666 "/dev/$1" c "$2" "$3"
done
ln -s pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
hostname {HOST}
echo "127.0.0.1 localhost {HOST}" >/etc/hosts
ip link set lo up
sed -i '/pam_loginuid/d' /etc/pam.d/*
id {ACCOUNT} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {ACCOUNT}
mkdir -p /home/{ACCOUNT}
chown {ACCOUNT}: /home/{ACCOUNT}
echo '{ACCOUNT}:{PASSWORD}' | chpasswd
echo 'root:{PASSWORD}' | chpasswd
cat >/run/rsyslog.conf <<'CONF'
module(load="imuxsock" SysSock.Name="/dev/log" SysSock.RateLimit.Interval="0")
auth,authpriv.* /var/log/auth.log
CONF
rsyslogd -f /run/rsyslog.conf -i /run/rsyslogd.pid
while [ ! -S /dev/log ]; do sleep 0.05; done
/usr/sbin/sshd -o PermitRootLogin=yes -o PidFile=/run/sshd.pid
echo 0 >/proc/self/loginuid
echo "$(cat /proc/self/sessionid)" >&"$SESSION_FD"
eval "exec $SESSION_FD>&-"
cd /root
export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TERM=dumb
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset SESSION_FD LOG_DIRECTORY
setpriv --bounding-set -sys_module,-audit_control,-sys_boot,-sys_time,-sys_rawio,-syslog \
    script --quiet --flush /dev/null \
    --command 'export PS1="{PROMPT}"; exec -a -bash bash --noprofile --norc --noediting'
exit 0  # so that this shell stays: as process 1 it takes in orphans, which script does not
"""


class Sandbox:
    """Open from `with` to the end of it; what is typed in it runs as root on a terminal.

    `log_directory`, on the outside, is the sandbox's /var/log: what its system log writes can be followed there.
    """

    def __init__(self, log_directory: Path) -> None:
        self._log_directory = log_directory
        self._heard = ""
        self._watched: list[str] = []
        self.session = 0

    def __enter__(self) -> Sandbox:
        self._terminal, inner = os.openpty()
        reading, writing = os.pipe()
        script, script_end = os.pipe()
        os.write(script_end, SETUP.encode())
        os.close(script_end)
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--uts", "--net", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child",
             "bash", f"/dev/fd/{script}"],
            stdin=inner, stdout=inner, stderr=inner, pass_fds=[writing, script], start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SESSION_FD": str(writing),
                 "LOG_DIRECTORY": str(self._log_directory)},
        )  # fmt: skip
        for end in (inner, writing, script):
            os.close(end)
        with os.fdopen(reading, encoding="ascii") as pipe:
            session = pipe.readline()  # its daemons keep the other end open
        self._hear(re.escape(PROMPT))
        assert session, f"the sandbox did not come up: {self._heard}"
        self.session = int(session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for place in self._watched:
            self._audit_rule("-d", place)
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def type(self, lines: Sequence[str]) -> str:
        """Type each line when a shell, or a question for a password, awaits it; what was on the screen."""
        shown = ""
        for line in lines:
            os.write(self._terminal, line.encode() + b"\n")
            shown += self._hear(AWAITS_INPUT)
        return shown

    def watch(self, places: Sequence[str]) -> None:
        """Have the kernel tell of writing to these directories of the sandbox. They must not be
        those that the helper watches but, say, those above: a kernel that knows a path already goes on with what
        it found there first, the machine's own, to which nothing is written from here."""
        for place in places:
            self._audit_rule("-a", place)
        self._watched += places

    def _audit_rule(self, action: str, place: str) -> None:
        rule = ["-F", f"dir={place}", "-F", "perm=wa", "-F", "success=1", "-k", "lienphong"]
        enter = ["nsenter", f"--mount=/proc/{self._inside()}/ns/mnt"]
        subprocess.run([*enter, "auditctl", action, "always,exit", *rule], check=True, capture_output=True)

    def _inside(self) -> int:
        """A process that lives in the sandbox: its first, child of `unshare`."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(children.split()[0])

    def _hear(self, until: str) -> str:
        deadline = time.monotonic() + STEP_SECONDS
        heard = ""
        while not re.search(until, heard):
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
            try:
                data = os.read(self._terminal, 65_536) if ready else b""
            except OSError:  # the other end is gone
                data = b""
            self._heard += data.decode(errors="replace")
            assert data, f"the sandbox went silent: {self._heard[-2_000:]}"
            heard += data.decode(errors="replace")
        return heard
