"""This machine's own agent on a collector with the shipped rules, run as its users run it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from tests.journeys.harness import BIN, Browser, Collector, wait_for


class Watched:
    """A collector with the shipped rules and this machine's agent on it, its log file our own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.auth_log = directory / "auth.log"
        self.auth_log.touch(0o640)
        self.collector = Collector(directory / "collector")
        self.collector.start()
        self.agent = directory / "agent"
        self.process: subprocess.Popen[bytes] | None = None

    def enrol(self) -> None:
        """As IT staff do."""
        subprocess.run(
            [
                BIN / "lienphong-agent", "enrol", "--data", self.agent,
                "--collector", f"https://localhost:{self.collector.enrol_port}",
                "--token-file", self.collector.made["enrolment_token_file"],
            ],
            check=True, timeout=60, capture_output=True,
        )  # fmt: skip
        (self.agent / "agent.yaml").write_text(
            f"metrics: {{port: 0}}\nsensors: {{logs: {{files: [{{path: {self.auth_log}}}]}}}}\n"
        )

    def start(self) -> None:
        """Run the agent until the collector has acknowledged something of it."""
        self.run_agent()
        wait_for(lambda: self.status().get("last_success"), f"the first delivery; see {self.directory}/agent.log")

    def run_agent(self) -> None:
        """Run the agent until every sensor works, with or without the collector."""
        with (self.directory / "agent.log").open("ab") as log:
            command = [BIN / "lienphong-agent", "run", "--data", self.agent]
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        wait_for(self._all_running, f"every sensor running; see {self.directory}/agent.log")

    def status(self) -> dict[str, object]:
        """What the agent says of itself."""
        done = subprocess.run(
            [BIN / "lienphong-agent", "status", "--data", self.agent, "--format", "json"],
            capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def _all_running(self) -> bool:
        sensors = self.status().get("sensors", [])
        assert isinstance(sensors, list)
        return {s["name"] for s in sensors if s["phase"] == "running"} >= {"health", "process", "logs"}

    def stop(self) -> None:
        """Both, the agent first."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0
        self.collector.stop()


def alert(browser: Browser, text: str) -> dict[str, object] | None:
    """The queue's newest alert whose summary holds `text`."""
    items = browser.read("/alerts", status="all", q=text, limit=50)["items"]
    assert isinstance(items, list)
    found = [item for item in items if text in str(item["summary"])]
    return found[0] if found else None
