"""`./dev run`: a collector and an agent of this machine, made where absent, and watched together."""

from __future__ import annotations

import argparse
import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from collector.settings import load

BIN = Path(sys.executable).parent
READY_S = 60.0
STOP_S = 30.0


class LocalRunError(Exception):
    """What went wrong, for the person at the terminal."""


def main() -> int:
    """Run until Ctrl-C, SIGTERM, or until one of the two ends by itself."""
    parser = argparse.ArgumentParser(prog="./dev run", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--agents-port", type=int)
    parser.add_argument("--enrol-port", type=int)
    parser.add_argument("--web-port", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run(options)
    except LocalRunError as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """Start the collector, enrol the agent once, start it, say where things are, and wait."""
    data: Path = options.data.absolute()
    data.mkdir(mode=0o755, parents=True, exist_ok=True)
    collector, agent = data / "collector", data / "agent"
    if not (collector / "collector.yaml").exists():
        say("making a collector")
        check(
            [
                BIN / "lienphong-collector",
                "init",
                "--data",
                collector,
                "--hostname",
                "localhost",
                "--format",
                "json",
            ]
        )
    ports = [
        f"--{name}-port={value}"
        for name in ("agents", "enrol", "web")
        if (value := getattr(options, f"{name}_port"))
    ]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        say("starting the collector")
        processes.append(start("collector", data, ["serve", "--data", collector, *ports]))
        settings = load(collector)
        web = options.web_port or settings.web_port
        wait_until_up(
            processes[0], f"https://localhost:{web}/healthz", collector / "tls/ca.pem", data / "collector.log"
        )
        enrol_once(agent, collector, options.enrol_port or settings.enrol_port)
        say("starting the agent")
        processes.append(start("agent", data, ["run", "--data", agent]))
        wait_until_reporting(processes[1], agent, data / "agent.log")
        tell(data, collector, f"https://localhost:{web}/", advice(agent))
        return watch(processes, data)
    except KeyboardInterrupt:
        return 0
    finally:
        stop(processes)


def start(what: str, data: Path, arguments: list[object]) -> subprocess.Popen[bytes]:
    """One of our two commands, logging to a file, in a session of its own so that Ctrl-C reaches us alone."""
    with (data / f"{what}.log").open("ab") as log:
        command = [str(BIN / f"lienphong-{what}"), *map(str, arguments)]
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)


def enrol_once(agent: Path, collector: Path, port: int) -> None:
    """Enrol the agent of this machine unless it is enrolled."""
    if (agent / "identity" / "cert.pem").exists():
        return
    say("enrolling this machine's agent")
    token = collector / "secrets/enrolment-token"
    url = f"https://localhost:{port}"
    check([BIN / "lienphong-agent", "enrol", "--data", agent, "--collector", url, "--token-file", token])


def wait_until_up(process: subprocess.Popen[bytes], url: str, ca: Path, log: Path) -> None:
    """Wait for the console to answer."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        _still_running(process, log)
        try:
            with urllib.request.urlopen(url, timeout=2, context=ssl.create_default_context(cafile=str(ca))):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise LocalRunError(f"the collector did not answer on {url} within {READY_S:.0f} s; see {log}")


def wait_until_reporting(process: subprocess.Popen[bytes], agent: Path, log: Path) -> None:
    """Wait until the collector has acknowledged something of the agent's."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        _still_running(process, log)
        status = subprocess.run(
            [BIN / "lienphong-agent", "status", "--data", agent, "--format", "json"],
            capture_output=True,
            check=False,
        )
        if status.returncode == 0 and json.loads(status.stdout).get("last_success"):
            return
        time.sleep(0.2)
    raise LocalRunError(f"the agent's first report was not acknowledged within {READY_S:.0f} s; see {log}")


def watch(processes: list[subprocess.Popen[bytes]], data: Path) -> int:
    """Wait for one of the two to end, which it should not."""
    while True:
        for process, what in zip(processes, ("collector", "agent"), strict=True):
            if process.poll() is not None:
                raise LocalRunError(f"the {what} ended with status {process.returncode}; see {data / what}.log")
        time.sleep(0.5)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Agent first: the collector then takes what it still had to say."""
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def advice(agent: Path) -> str:
    """What would make this machine's sensors see more, a line each."""
    told = subprocess.run(
        [BIN / "lienphong-agent", "sensors", "--data", agent, "--format", "json"], capture_output=True, check=False
    )
    sensors = json.loads(told.stdout) if told.returncode == 0 else []
    return "".join(f"  Sensor {s['name']}: {s['reason']}. {s['fix']}\n" for s in sensors if s.get("fix"))


def tell(data: Path, collector: Path, url: str, hints: str) -> None:
    """The last lines: where to go and how to get in."""
    print(
        f"""
  Console            {url}
  User               admin
  One-time password  {collector / "secrets/admin-password"}
  Root certificate   {collector / "tls/ca.pem"}  (import it, or accept the browser's warning)
  Logs               {data}/collector.log, {data}/agent.log
{hints and chr(10) + hints}
  The agent of this machine is enrolled and reporting. Ctrl-C stops both; nothing is lost.
""",
        flush=True,
    )


def check(command: list[object]) -> None:
    """Run a command to its end."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise LocalRunError(f"{Path(str(command[0])).name} {command[1]} failed with status {done.returncode}")


def say(text: str) -> None:
    """Progress, apart from what is printed for scripts."""
    print(f"dev: {text}", file=sys.stderr)


def _still_running(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise LocalRunError(f"it ended with status {process.returncode}; the end of {log}:\n{tail}")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
