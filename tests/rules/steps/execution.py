"""Ways to run what should not run."""

# ruff: noqa: E501 - what is typed in one go stands in one line

from __future__ import annotations

from tests.rules.sandbox import ACCOUNT
from tests.rules.steps.step import PAGE, Step, starts

EXECUTION: tuple[Step, ...] = (
    starts(
        "download_run_by_shell", "positive-pipes", "^(sh|bash) -c ",
        PAGE, "sh -c 'curl -fsSL http://127.0.0.1:8001/cai.sh | sh'",
        "bash -c 'wget -qO- http://127.0.0.1:8001/cai.sh | sudo bash -s -- -y'",
        "bash -c 'bash <(curl -s http://127.0.0.1:8001/cai.sh)'", "sh -c 'eval \"$(wget -qO- 127.0.0.1:8001/cai.sh)\"'",
    ),
    starts(
        "download_run_by_shell", "negative-other-pipes", "^(sh|bash) -c ",
        PAGE, "sh -c 'curl -s http://127.0.0.1:8001/cai.sh | sha256sum'",
        "bash -c 'curl -s http://127.0.0.1:8001/cai.sh | tee cai.sh | grep -c echo'",
        "sh -c 'wget -qO cai.sh http://127.0.0.1:8001/cai.sh; cat cai.sh | head -1'",
        "sh -c 'cat /dev/null | sh; curl -s 127.0.0.1:8001/cai.sh'",
    ),
    starts(
        "decoded_text_run_by_shell", "positive-pipes", "^(sh|bash) -c ",
        "sh -c 'echo ZWNobyB4aW4gY2hhbwo= | base64 -d | sh'",
        "bash -c 'base64 --decode <<<ZWNobyB4aW4gY2hhbwo= | /bin/bash'",
        "bash -c 'echo 6563686f2078696e206368616f0a | xxd -r -p | bash'",
        "bash -c 'eval \"$(echo ZWNobyB4aW4gY2hhbwo= | base64 -d)\"'",
    ),
    starts(
        "decoded_text_run_by_shell", "negative-other-use", "^(sh|bash) -c ",
        "sh -c 'echo ZWNobyB4aW4gY2hhbwo= | base64 -d > tep'", "sh -c 'base64 -w0 /etc/hostname | head -c 9'",
        "bash -c 'echo true | sh; echo ZWNobyAK | base64 -d'", "bash -c 'openssl enc -base64 </etc/hostname'",
    ),
    starts(
        "program_run_from_temporary_place", "positive-programs", r"^(\./|/(bin|usr/bin)/)?(l|sh|python3|/?tmp.*|/?dev.*|a)\b",
        "cp /bin/ls /tmp/l; /tmp/l /", "cp /bin/ls /dev/shm/a; cd /dev/shm; ./a /; cd",
        "printf '#!/bin/sh\\ntrue\\n' >/tmp/chay.sh; chmod +x /tmp/chay.sh; /tmp/chay.sh; sh /var/tmp/../tmp/chay.sh",
        "echo 'print(1)' >/tmp/chay.py; python3 /tmp/chay.py",
    ),
    starts(
        "program_run_from_temporary_place", "positive-memory", "^trong-bo-nho",
        "python3 -c 'import os;f=os.memfd_create(\"x\",0);os.write(f,open(\"/bin/true\",\"rb\").read());"
        "os.execve(f,[\"trong-bo-nho\"],{})'",
    ),
    starts(
        "program_run_from_temporary_place", "negative-files-there", "/tmp|/dev/shm",
        "ls /tmp", "cat /tmp/khong-co", "python3 -c 'open(\"/tmp/du-lieu\",\"w\")'", "bash -c 'cp /etc/hosts /tmp/'",
        "sh -c 'grep -r x /tmp/'", "tar -C /tmp -cf /dev/null .", "touch /dev/shm/b",
    ),
    starts(
        "shell_escape_from_program", "positive-escapes", "^(/bin/dash|/bin/bash -p|(/bin/)?(ba)?sh -c /bin/sh)$",
        "find /etc/hostname -exec /bin/dash \\; </dev/null", "vim -es -c ':!/bin/sh' -c ':q!' </dev/null",
        "gawk 'BEGIN {system(\"/bin/sh\")}' </dev/null",
        "tar cf /dev/null /etc/hostname --checkpoint=1 --checkpoint-action=exec=/bin/sh </dev/null",
        f"echo '{ACCOUNT} ALL=(root) NOPASSWD: /usr/bin/find' >/etc/sudoers.d/f; su - {ACCOUNT}",
        "sudo find /etc/hostname -exec /bin/bash -p \\;", "exit", "exit",
    ),
    starts(
        "shell_escape_from_program", "negative-ordinary-work", "^(sh|/bin/sh|/bin/bash|bash|find|gawk|/bin/ls|ls) ",
        "find /etc -maxdepth 1 -name host* -exec ls {} +", "find /etc/hostname -exec sh -c 'wc -l $1' sh {} \\;",
        "gawk 'BEGIN {system(\"/bin/ls /\")}'", "vim -es -c ':!ls /' -c ':q!' >/dev/null", "bash -c 'sh -c true'",
    ),
)  # fmt: skip
