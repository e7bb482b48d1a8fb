"""Ways to stay: jobs, accounts, keys, modules, doors."""

from __future__ import annotations

from tests.rules.sandbox import ACCOUNT
from tests.rules.steps.step import KEY, SITE, Step, starts, writes

CRON = ("/etc", "/var/spool")
"""Above the places that the helper watches, see `Sandbox.watch`."""

PERSISTENCE: tuple[Step, ...] = (
    starts(
        "cron_job_written_by_command", "positive-crontab", "^crontab (-u|-$)",
        "(crontab -l 2>/dev/null; echo '*/5 * * * * /usr/bin/id') | crontab -",
        f"echo '0 3 * * * /usr/bin/true' >/root/viec; crontab -u {ACCOUNT} /root/viec",
    ),
    starts(
        "cron_job_written_by_command", "positive-files", "cron",
        "sh -c 'echo \"* * * * * root id\" > /etc/cron.d/viec'",
        "echo '* * * * * root id' | tee /etc/cron.d/viec2",
        "touch viec3; cp viec3 /etc/cron.hourly/viec3",
        "bash -c 'echo \"* * * * * root id\" >>/etc/crontab'",
        "sed -i '$a * * * * * root id' /etc/crontab",
    ),
    starts(
        "cron_job_written_by_command", "negative-looking", "cron",
        "crontab -l", "EDITOR=true crontab -e", "cat /etc/crontab", "cp /etc/crontab /root/crontab.cu",
        "sh -c 'cat /etc/cron.d/* > /root/cron.txt'", "ls /etc/cron.d", "sed -n 1p /etc/crontab",
    ),
    writes(
        "cron_job_written_by_shell", "positive-typed", "cron", CRON,
        "echo '* * * * * root id' > /etc/cron.d/viec",
        "cd /etc; echo '* * * * * root id' >> crontab; cd",
        "printf '#!/bin/sh\nid\n' > /etc/cron.hourly/viec",
        "(echo '* * * * * id' > /var/spool/cron/crontabs/root)",
    ),
    writes(
        "cron_job_written_by_shell", "positive-scripts", "cron", CRON,
        "sh -c 'echo \"* * * * * root id\" > /etc/cron.d/viec'",
        "printf 'echo \"* * * * * root id\" > /etc/cron.daily/viec\n' > cai.sh; bash cai.sh",
    ),
    writes(
        "cron_job_written_by_shell", "negative-package", "cron", CRON,
        "apt-get install -y -qq --no-download --reinstall cron logrotate >/dev/null 2>&1",
    ),
    writes(
        "cron_job_written_by_shell", "negative-other-programs", "cron|hosts|sudoers", CRON,
        "echo '10.0.0.9 may-9' >> /etc/hosts", "echo '# ghi' > /etc/sudoers.d/ghi-chu",
        "EDITOR=true crontab -e", "touch /etc/crontab", "chmod 600 /etc/crontab",
        "cat /etc/cron.d/* > /root/cron.txt", "vim -es -c 'normal Go# x' -c wq /etc/crontab",
    ),
    starts(
        "account_with_root_powers", "positive-tools", "^user(add|mod) ",
        "useradd -o -u 0 -g 0 -M -s /bin/bash quantri2", f"usermod -ou 0 {ACCOUNT}",
        "useradd --non-unique --uid 0 quantri3",
    ),
    starts(
        "account_with_root_powers", "positive-files", "^(sh -c|tee)",
        "sh -c 'echo \"quantri4::0:0::/root:/bin/bash\" >> /etc/passwd'",
        "echo 'quantri5::0:0::/root:/bin/bash' | tee -a /etc/passwd",
    ),
    starts(
        "account_with_root_powers", "negative-ordinary-accounts", "^(user(add|mod)|sh -c|cat) ",
        "useradd -u 1500 -M vanthu", "usermod -u 1510 vanthu", "useradd -u 2000 -g 0 -M vanthu2",
        "sh -c 'grep :0: < /etc/passwd > /root/so0.txt'", "cat /etc/passwd",
    ),
    starts(
        "account_made_administrator", "positive-groups", "^(/usr/sbin/)?(user(add|mod)|gpasswd) ",
        f"usermod -aG sudo {ACCOUNT}", f"gpasswd -a {ACCOUNT} shadow", "useradd -M -G users,sudo quantri6",
        f"adduser {ACCOUNT} disk",
    ),
    starts(
        "account_made_administrator", "negative-other-groups", "^(/usr/sbin/)?(user(add|mod)|gpasswd|groups) ",
        f"usermod -aG users {ACCOUNT}", f"gpasswd -a {ACCOUNT} games", f"gpasswd -d {ACCOUNT} games",
        f"groups {ACCOUNT}", "useradd -M -c sudo vanthu3",
    ),
    starts(
        "sudo_rules_written_by_command", "positive-files", "^(tee|sh|cp|sed|/bin/tee) .*sudoers",
        f"echo '{ACCOUNT} ALL=(ALL) NOPASSWD:ALL' | tee /etc/sudoers.d/x",
        f"sh -c 'echo \"{ACCOUNT} ALL=(ALL) NOPASSWD:ALL\" >> /etc/sudoers'",
        "cp /etc/sudoers.d/x /etc/sudoers.d/y", "sed -i s/sai/dung/ /etc/sudoers",
    ),
    starts(
        "sudo_rules_written_by_command", "positive-false-editor", "^(/usr)?/bin/tee",
        f"echo '{ACCOUNT} ALL=(ALL) NOPASSWD:ALL' | EDITOR=/usr/bin/tee visudo -f /etc/sudoers.d/z >/dev/null",
    ),
    starts(
        "sudo_rules_written_by_command", "negative-looking", "sudo",
        "visudo -c", "EDITOR=true visudo", "cat /etc/sudoers", "cp /etc/sudoers /root/sudoers.cu",
        "grep -r NOPASSWD /etc/sudoers.d", "sudo -l",
    ),
    starts(
        "ssh_key_authorised_by_command", "positive-files", "^(tee|sh|cp|bash) .*authorized_keys",
        KEY, "cat khoa.pub | tee -a /root/.ssh/authorized_keys >/dev/null",
        "sh -c 'cat khoa.pub >> ~/.ssh/authorized_keys'",
        f"mkdir -p /home/{ACCOUNT}/.ssh; cp khoa.pub /home/{ACCOUNT}/.ssh/authorized_keys",
    ),
    starts(
        "ssh_key_authorised_by_command", "negative-looking", "authorized_keys",
        KEY, "cat .ssh/authorized_keys", "cp .ssh/authorized_keys /root/khoa.cu", "wc -l .ssh/authorized_keys",
        "chmod 600 .ssh/authorized_keys", "sh -c 'grep -c ssh < .ssh/authorized_keys > /root/dem'",
    ),
    starts(
        "kernel_module_from_elsewhere", "positive-insmod", "^(insmod|modprobe|kmod) ",
        "echo >/tmp/an.ko", "insmod /tmp/an.ko", "cd /tmp; insmod ./an.ko hide=1", "cd", "modprobe -d /tmp an",
        "kmod insmod /dev/shm/an.ko",
    ),
    starts(
        "kernel_module_from_elsewhere", "negative-system-modules", "^(insmod|modprobe|lsmod|modinfo|depmod) ?",
        "modprobe -n dummy", "insmod /lib/modules/$(uname -r)/kernel/drivers/net/dummy.ko", "lsmod",
        "modinfo /tmp/an.ko", "modprobe -r dummy",
    ),
    starts(
        "setuid_bit_set", "positive-chmod", "^chmod ",
        "cp /bin/bash /tmp/.b; chmod u+s /tmp/.b", "chmod 4755 /tmp/.b", "chmod +s /tmp/.b", "chmod a+xs /tmp/.b",
        "chmod -v 06755 /tmp/.b", "chmod u=rwxs,go=rx /tmp/.b",
    ),
    starts(
        "setuid_bit_set", "negative-other-modes", "^chmod ",
        "touch a b; mkdir c", "chmod 755 a", "chmod g+s c", "chmod 2775 c", "chmod u-s a", "chmod 0644 a b",
        "chmod 1777 c", "chmod +x a", "chmod -R go-rwx c",
    ),
    starts(
        "web_server_runs_shell", "positive-web-shell", "^sh -c ",
        SITE, "curl -s '127.0.0.1:8000/anh.php?c=id;uname+-a'",
        "curl -s '127.0.0.1:8000/anh.php?c=cat+/etc/passwd'",
    ),
    starts(
        "web_server_runs_shell", "negative-scheduled-work", "^(/bin/)?(sh|bash|dash) -c|^(sh|dash)",
        SITE, "curl -s 127.0.0.1:8000/gio.php", "su -s /bin/sh -c 'php /srv/site/gio.php' www-data",
        "setpriv --reuid www-data --regid www-data --clear-groups sh /etc/os-release", "sh -c 'ls /srv/site'",
    ),
)  # fmt: skip
