"""What nobody should be troubled with."""

# ruff: noqa: E501 - what is typed in one go stands in one line

from __future__ import annotations

from tests.rules.sandbox import ACCOUNT
from tests.rules.steps.step import KEY

ORDINARY_LINES = (
    "export PAGER=cat",
    "ls -la; pwd; whoami; id; uptime; df -h; free -m; ps aux | head -3; ip address; ss -lntp",
    "cd /var/log; tail -1 auth.log; less auth.log </dev/null | wc -l; grep -c sshd auth.log; cd",
    "mkdir du-an; cd du-an; git init -q; echo x >a; git add a; git -c user.name=a -c user.email=a@a commit -qm a; git --no-pager log; cd",
    "systemctl status sshd; systemctl restart rsyslog; journalctl -n 1; service --status-all",
    "apt-get -s upgrade; apt-cache policy openssh-server; dpkg -l openssh-server; dpkg -V openssh-server",
    "run-parts --test /etc/cron.daily; logrotate -d /etc/logrotate.conf; crontab -l",
    "curl -s -o trang.html http://127.0.0.1/ ; wget -q http://127.0.0.1/ ; tar czf du-an.tgz du-an; gzip -l du-an.tgz",
    "chmod 640 du-an.tgz; chown root: du-an.tgz; find du-an -type f -exec ls -l {} \\; ; find . -name '*.tmp' -delete",
    "useradd -M -u 1600 vanthu; passwd -l vanthu; userdel vanthu; groups; getent passwd root",
    "python3 -c 'print(1)'; perl -e 'print 1'; awk 'BEGIN{print 1}'; sed -n 1p /etc/hosts; sh -c 'echo a | tr a b'",
    KEY,
    "cat khoa.pub >>.ssh/authorized_keys; ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR -i khoa localhost uptime",
    "scp -q -o StrictHostKeyChecking=no -i khoa /etc/hosts localhost:/root/hosts.cu",
    f"gpasswd -a {ACCOUNT} users; su - {ACCOUNT} -c 'ls; git --version'; nc.openbsd -z 127.0.0.1 22; ping -c1 127.0.0.1",
    f"echo '{ACCOUNT} ALL=(root) NOPASSWD: /usr/bin/id' >/etc/sudoers.d/a; su - {ACCOUNT}",
    "sudo id; sudo -l",
    "exit",
    "vim -es -c ':q' /etc/hosts; man --version; openssl version; base64 /etc/hostname | base64 -d",
)
"""An administrator's day, in which nothing deserves an alert."""

MAINTENANCE_LINES = (
    "export DEBIAN_FRONTEND=noninteractive",
    "apt-get install -y -qq --no-download --reinstall cron rsyslog openssh-server sudo logrotate >/dev/null 2>&1",
    "apt-get install -y -qq --no-download nginx >/dev/null 2>&1",
    "dpkg-reconfigure openssh-server >/dev/null 2>&1",
    "run-parts --regex '^(dpkg|logrotate|man-db)$' /etc/cron.daily; logrotate -f /etc/logrotate.conf",
    "apt-get purge -y -qq nginx nginx-light nginx-common auditd >/dev/null 2>&1",
)
"""Packages come, are set up again and go, and the nightly jobs run: maintainer scripts do what intruders do, and may."""
