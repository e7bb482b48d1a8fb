"""A real responder in a process of its own, with real TLS, and the people and agents it knows."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import requests
from argon2 import PasswordHasher
from requests.adapters import HTTPAdapter

from collector import layout as house
from collector.api import Policy, accounts, passwords
from collector.api.access import FORCES, ROLES, Grant, Role
from collector.console import DIST
from collector.door import Door, serve_door
from collector.fleet import create_token
from collector.layout import Layout
from collector.messages import Answer, Matches, SignerRequest
from collector.responder import serve
from collector.settings import Settings
from collector.state import connect, upgrade
from collector.trust import ceremony
from collector.trust.certificates import fingerprint
from collector.trust.signer import Signer

PASSWORD = "correct horse battery staple"
ONE_TIME = "hand this over once"
NAMES = ["collector.test", "localhost", "127.0.0.1"]
AGENTS_PORT = 7443

_addresses = count(10)


@dataclass
class Running:
    """A responder that answers on `port`; `stop` ends it cleanly, `kill` does not."""

    layout: Layout
    port: int
    state_url: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self, **policy: float) -> None:
        receive, send = os.pipe()
        arguments = [str(self.layout.data), str(self.port), str(send), self.state_url]
        arguments += [f"{name}={value}" for name, value in policy.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.api.responder_process", *arguments], pass_fds=(send,)
        )
        os.close(send)
        with os.fdopen(receive, "rb") as ready:
            assert ready.readline() == b"ready\n", "the responder did not start"

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def door(self) -> Door:
        return Door(self.layout.door("responder"))

    def ask(self, request: Any) -> Answer:
        with self.door() as door:
            return door.ask(request)

    def hand_over(self, matches: Matches) -> Answer:
        return self.ask(matches)

    def browser(self, user: str | None = None, password: str = PASSWORD) -> Browser:
        """A client of its own address on the loopback network, signed in when a user is given."""
        client = Browser(self)
        if user is not None:
            assert client.sign_in(user, password).status_code == 200
        return client


class Source(HTTPAdapter):
    """Connects from an address of its own: what is counted by address in one test disturbs no other."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **named)  # type: ignore[no-untyped-call]


class Browser:
    """Keeps cookies and the CSRF token, and checks the certificate like a browser that trusts our root."""

    def __init__(self, running: Running) -> None:
        number = next(_addresses)
        self.address = f"127.{os.getpid() % 200 + 1}.{number // 250}.{number % 250 + 1}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(running.layout.root_certificate)
        self.session.mount("https://", Source(self.address))
        self.url = running.url
        self.csrf = ""

    def call(self, method: str, path: str, body: Any = None, **named: Any) -> requests.Response:
        headers = {"X-CSRF-Token": self.csrf, **named.pop("headers", {})}
        named.setdefault("timeout", 20)
        return self.session.request(method, self.url + path, json=body, headers=headers, **named)

    def get(self, path: str, **named: Any) -> requests.Response:
        return self.call("GET", path, **named)

    def post(self, path: str, body: Any, **named: Any) -> requests.Response:
        return self.call("POST", path, body, **named)

    def sign_in(self, user: str, password: str = PASSWORD) -> requests.Response:
        answer = self.post("/api/v1/session", {"user": user, "password": password})
        if answer.ok:
            self.csrf = answer.json()["csrf"]
        return answer

    def close(self) -> None:
        self.session.close()


def build(directory: Path, state_url: str = "") -> Running:
    """A data directory with keys, a free port, and one account for each role and force."""
    layout = Layout(directory / "data")
    settings = Settings(hostnames=NAMES)
    house.create(layout, settings)
    ceremony.hold(layout, NAMES)
    running = Running(layout, free_port(), state_url or layout.state_url(settings))
    add_people(running.state_url)
    return running


def add_people(state_url: str) -> None:
    """`ROLE.FORCE` for every role and force, everywhere (approvers' passwords hashed as people's are, the others
    cheaply); `commune` and `army` with one subtree; `nobody` with no
    grant; `fresh` with a one-time password; `gone` disabled."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1)
    stored, once = cheap.hash(PASSWORD), cheap.hash(ONE_TIME)
    full = passwords.hashed(PASSWORD)
    database = connect(state_url)
    upgrade(database)
    with database.write() as connection:
        for role in ROLES:
            for force in FORCES:
                password = full if role == "approver" else stored
                rights = [grant(role, force)]
                accounts.create(connection, f"{role}.{force}", role, password, rights, must_change=False)
        for user, node in (("commune", "tinh/xa"), ("army", "quan-su")):
            rights = [grant("analyst", subtree=node), grant("it_staff", subtree=node)]
            accounts.create(connection, user, user, stored, rights, must_change=False)
        accounts.create(connection, "nobody", "nobody", stored, [], must_change=False)
        for number in range(8):
            rights = [grant("analyst"), grant("administrator")]
            accounts.create(connection, f"fresh{number}", "fresh", once, rights, must_change=True)
            accounts.create(connection, f"person{number}", "person", stored, rights, must_change=False)
        accounts.create(connection, "gone", "gone", stored, [grant("analyst")], must_change=False)
        connection.exec_driver_sql("UPDATE people_accounts SET disabled = true WHERE display_name = 'gone'")
    database.close()


def grant(role: Role, force: str = "police", subtree: str = "") -> Grant:
    return Grant(force=force, role=role, subtree=subtree)


def token_text(running: Running, **given: Any) -> str:
    """A token made before the responder runs."""
    root = fingerprint_of(running.layout)
    values = {"node": "tinh/so", "label": "noi-bo", "role": "host", "uses": 5, "days": 1.0, **given}
    return create_token(running.state_url, ca_sha256=root, **values)


def fingerprint_of(layout: Layout) -> str:
    from cryptography import x509

    return fingerprint(x509.load_pem_x509_certificate(layout.root_certificate.read_bytes()))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def running_in(directory: Path, state_url: str = "", **policy: float) -> Iterator[Running]:
    """For fixtures: a responder that runs while the test does, and must stop cleanly."""
    running = build(directory, state_url)
    running.start(**policy)
    yield running
    assert running.stop() == 0


async def _main(data: Path, port: int, ready: int, state_url: str, policy: Policy) -> None:
    layout = Layout(data)
    signer = await serve_door(layout.door("signer"), SignerRequest, Signer(layout).answer)

    def tell() -> None:
        os.write(ready, b"ready\n")
        os.close(ready)

    await serve(
        state_url=state_url,
        doors_dir=layout.run,
        web=("127.0.0.1", port),
        cert=layout.tls / "web.pem",
        key=layout.tls / "web.key.pem",
        hostnames=NAMES,
        console_dir=Path(os.environ.get("CONSOLE_DIR", DIST)),
        agents_port=AGENTS_PORT,
        ca_pem=layout.root_certificate,
        ready=tell,
        policy=policy,
    )
    await signer.close()


if __name__ == "__main__":
    data, port, ready, state_url, *given = sys.argv[1:]
    chosen = Policy(**{name: float(value) for name, _, value in (item.partition("=") for item in given)})
    asyncio.run(_main(Path(data), int(port), int(ready), state_url, chosen))
