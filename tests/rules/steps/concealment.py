"""Ways to go unseen: logs erased, protection stopped."""

# ruff: noqa: E501 - what is typed in one go stands in one line

from __future__ import annotations

from tests.rules.steps.step import Step, starts

CONCEALMENT: tuple[Step, ...] = (
    starts(
        "system_logs_erased", "positive-logs", "^(rm|shred|truncate|unlink|sh -c|journalctl) ",
        "touch /var/log/syslog /var/log/wtmp /var/log/btmp; mkdir /var/log/nginx; touch /var/log/nginx/access.log",
        "truncate -s 0 /var/log/wtmp", "shred -u /var/log/btmp", "sh -c ': > /var/log/syslog'",
        "rm -f /var/log/nginx/access.log", "journalctl --vacuum-time=1s", "rm -rf /var/log/*",
    ),
    starts(
        "system_logs_erased", "positive-history", "^(rm|ln) .*history",
        "touch .bash_history; rm -f /root/.bash_history", "ln -sf /dev/null /root/.bash_history",
    ),
    starts(
        "system_logs_erased", "negative-care", "^(rm|truncate|sh -c|logrotate|journalctl|ls|cp) ",
        "mkdir /var/log/ung-dung; touch /var/log/ung-dung/1.log.gz /root/syslog", "rm /var/log/ung-dung/1.log.gz",
        "truncate -s 0 /root/syslog", "sh -c 'date >> /var/log/syslog'", "logrotate -f /etc/logrotate.conf",
        "journalctl --vacuum-size=500M", "ls -l /var/log", "cp /var/log/syslog /root/syslog.cu",
    ),
    starts(
        "protection_stopped", "positive-services", r"^(systemctl|/bin/sh /usr/sbin/service|pkill|killall|auditctl|nft) ",
        "systemctl stop auditd", "systemctl disable --now ufw.service", "systemctl mask rsyslog", "service auditd stop",
        "pkill -9 rsyslogd", "auditctl -e 0", "auditctl -D", "nft flush ruleset",
    ),
    starts(
        "protection_stopped", "positive-removed", "^(apt-get|dpkg -r) ",
        "apt-get purge -y -qq auditd >/dev/null 2>&1", "dpkg -r --force-depends rsyslog >/dev/null 2>&1",
    ),
    starts(
        "protection_stopped", "negative-care", r"^(systemctl|/bin/sh /usr/sbin/service|pkill|auditctl|nft|apt-get) ",
        "systemctl status auditd", "systemctl restart rsyslog", "service rsyslog status", "pkill -HUP nginx",
        "auditctl -s", "nft list ruleset", "apt-get remove -s auditd >/dev/null", "systemctl stop nginx", "systemctl enable ufw",
    ),
    starts(
        "own_agent_stopped_by_command", "positive-commands", "^(systemctl|pkill|apt-get|/bin/sh /usr/sbin/service) ",
        "systemctl stop lienphong-agent", "systemctl disable --now lienphong-agent.service",
        "pkill -9 -f lienphong-agent", "service lienphong-agent stop", "apt-get -y purge lienphong-agent",
    ),
    starts(
        "own_agent_stopped_by_command", "negative-looking", "lienphong",
        "systemctl status lienphong-agent", "systemctl restart lienphong-agent", "pgrep -f lienphong",
        "journalctl -u lienphong-agent", "grep -r lienphong /etc/systemd",
    ),
)  # fmt: skip
