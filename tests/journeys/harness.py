"""A whole collector, made and run as its users do, and an agent's side of the wire with its own ledger."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wire import batch, block, codec
from wire.event import Event, Logsource
from wire.identity import EnrolAnswer, EnrolRequest, Machine, parse_token

BIN = Path(sys.executable).parent
PASSWORD = "một-mật-khẩu-dài-cho-kiểm-thử-42"

RULE = """\
title: Marker
id: 5a0f1ed5-6c8c-4f0a-9d0e-0c4a7e9f1b11
status: test
level: high
logsource: {product: linux, category: process_creation}
detection:
  selection: {CommandLine|contains: lienphong-marker}
  condition: selection
"""


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until `condition` is true, or fail saying what did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for each in sockets:
        each.close()
    return ports


class Collector:
    """`init` and `serve` in a directory of their own."""

    def __init__(self, data: Path, rules: Sequence[Path] = ()) -> None:
        self.data = data
        self.rules = list(rules)
        done = subprocess.run(
            [BIN / "lienphong-collector", "init", "--data", data, "--hostname", "collector.test", "--format=json"],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        self.made: dict[str, str] = json.loads(done.stdout)
        self.agents_port, self.enrol_port, self.web_port = free_ports(3)
        self.log = data.parent / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def ca(self) -> str:
        """The root certificate's path."""
        return str(self.data / "tls/ca.pem")

    def start(self) -> None:
        """Run `serve` and wait for its ready line."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    BIN / "lienphong-collector", "serve", "--data", self.data,
                    "--agents-port", str(self.agents_port), "--enrol-port", str(self.enrol_port),
                    "--web-port", str(self.web_port), *(w for r in self.rules for w in ("--rules", r)),
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(lambda: b" ready: " in self.log.read_bytes()[seen:], f"the ready line in {self.log}", 90)

    def stop(self) -> None:
        """SIGTERM, as a service manager would."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0

    def pid(self, role: str) -> int:
        """The process that plays a role now."""
        return int((self.data / f"watch/{role}.pid").read_text())

    def kill(self, role: str) -> None:
        """`kill -9`."""
        os.kill(self.pid(role), signal.SIGKILL)

    def answers(self) -> bool:
        """Whether the console's door is open, as a load balancer asks."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                url = f"https://localhost:{self.web_port}/healthz"
                return session.get(url, verify=self.ca, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def token(self) -> str:
        """The first enrolment token's line."""
        return Path(self.made["enrolment_token_file"]).read_text().strip()


class Browser(requests.Session):
    """A signed-in person, by the API that the console uses."""

    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self.base = f"https://localhost:{collector.web_port}/api/v1"
        self.verify = collector.ca
        self.trust_env = False  # REQUESTS_CA_BUNDLE would win over `verify`
        first = Path(collector.made["admin_password_file"]).read_text().strip()
        for password in (PASSWORD, first):
            answer = self.post(f"{self.base}/session", json={"user": "admin", "password": password}, timeout=30)
            if answer.status_code == 200:
                break
        answer.raise_for_status()
        self.headers["X-CSRF-Token"] = answer.json()["csrf"]
        if answer.json()["must_change_password"]:
            body = {"old": first, "new": PASSWORD}
            self.post(f"{self.base}/account/password", json=body, timeout=30).raise_for_status()

    def read(self, path: str, **query: object) -> dict[str, object]:
        """GET a document, the server being restarted meanwhile or not."""
        answer = self.get(f"{self.base}{path}", params=query, timeout=30)  # type: ignore[arg-type]
        answer.raise_for_status()
        return dict(answer.json())


@dataclass
class Ledger:
    """An enrolled agent's wire side. `acknowledged` is what the collector said it has, kept outside of it."""

    collector: Collector
    answer: EnrolAnswer
    context: ssl.SSLContext
    stream: str
    acknowledged: dict[int, list[str]] = field(default_factory=dict)
    attempts: int = 0
    connection: http.client.HTTPSConnection | None = None

    def post(self, body: bytes, path: str = "/v1/batch") -> tuple[int, bytes]:
        """One request over the agents' door; connection errors are the caller's."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(
                "localhost", self.collector.agents_port, timeout=20, context=self.context
            )
        try:
            self.connection.request("POST", path, body, {"Content-Type": batch.CONTENT_TYPE})
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def close(self) -> None:
        """Hang up."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def block(self, number: int, commands: Sequence[str]) -> tuple[block.Block, bytes]:
        """A block of process starts with these command lines; the same arguments give the same bytes."""
        events = [
            Event(
                time=1_700_000_000_000_000 + number * 1000 + index,
                source=Logsource(product="linux", category="process_creation"),
                origin="kernel",
                fields={"Image": "/bin/echo", "CommandLine": command, "User": "root"},
            )
            for index, command in enumerate(commands)
        ]
        made = block.Block(
            agent=self.answer.identity.agent, stream=self.stream, lane="security", block=number, events=events
        )
        return made, block.pack(made)

    def deliver(self, number: int, commands: Sequence[str], seconds: float = 60) -> None:
        """Send the block until it is acknowledged, as an agent's uplink does, and note that it was."""
        made, packed = self.block(number, commands)
        header = batch.BatchHeader(
            agent=made.agent,
            stream=made.stream,
            sent=time.time_ns() // 1000,
            blocks=[block.reference(made, packed)],
        )
        body = batch.join(header, [packed])
        deadline = time.monotonic() + seconds
        while True:
            self.attempts += 1
            try:
                status, answer = self.post(body)
            except (OSError, http.client.HTTPException):
                status, answer = 0, b""
            if status == 200:
                receipt = codec.decode(answer, batch.Receipt, "receipt")
                assert receipt.stored == [("security", number)], receipt
                self.acknowledged[number] = list(commands)
                return
            assert status in (0, 503, 429), (status, answer)
            assert time.monotonic() < deadline, f"block {number} not acknowledged within {seconds:.0f} s"
            time.sleep(0.05)


def enrol(collector: Collector, directory: Path, hostname: str = "may-1") -> Ledger:
    """Enrol a new agent over the real enrolment door."""
    token = parse_token(collector.token())
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    request = EnrolRequest(
        token_id=token.id, token_secret=token.secret,
        csr=csr.public_bytes(serialization.Encoding.PEM).decode(),
        machine=Machine(hostname=hostname, machine_id=hashlib.sha256(hostname.encode()).hexdigest()[:32]),
    )  # fmt: skip
    plain = requests.post(
        f"https://localhost:{collector.enrol_port}/v1/enrol", data=codec.encode(request), verify=collector.ca,
        headers={"Content-Type": "application/json"}, timeout=30,
    )  # fmt: skip
    assert plain.status_code == 200, plain.text
    answer = codec.decode(plain.content, EnrolAnswer, "answer")
    chain, private = directory / f"{hostname}.pem", directory / f"{hostname}.key"
    chain.write_text(answer.certificate)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(cadata=answer.ca)
    context.load_cert_chain(chain, private)
    return Ledger(
        collector, answer, context, stream=hashlib.sha256(hostname.encode()).hexdigest()[:26].translate(_BASE32)
    )


_BASE32 = str.maketrans("0189", "wxyz")
