"""A collector's door of real TLS with real certificates, which notes what it gets and fails when told to."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import settings

from agent import certify, identity
from agent.config import SpoolConfig, UplinkConfig
from agent.connection import Connection
from agent.renewal import Renewal
from agent.spool import Spool
from agent.spoolfile import Owner
from agent.tally import Tally
from agent.uplink import Uplink
from collector.trust import certificates, keys
from wire import batch, block, codec
from wire.batch import Problem, Receipt, Refusal
from wire.event import Event, Logsource
from wire.identity import EnrolAnswer, EnrolRequest, EnrolToken, Identity, RenewAnswer, RenewRequest

settings.register_profile("shared cores", deadline=None)
settings.load_profile("shared cores")

AGENT = "abcdefghij234567"
WHO = Identity(agent=AGENT, node="tinh/so-khcn", label="cong-an", role="host")


class Pki:
    """A root, an intermediate below it, and what they sign."""

    def __init__(self) -> None:
        self.root_key = keys.new_certificate_key()
        self.root = certificates.root(self.root_key, "test root")
        self.key = keys.new_certificate_key()
        self.authority = certificates.intermediate(self.key.public_key(), "test TLS", self.root, self.root_key)
        self.root_pem = certificates.to_pem(self.root)
        self.fingerprint = certificates.fingerprint(self.root)

    def agent_chain(self, public_key: Any, days: int = 90) -> str:
        """An agent's chain; with negative `days` it has expired."""
        leaf = certificates.agent(public_key, WHO, abs(days), self.authority, self.key)
        if days < 0:
            builder = x509.CertificateBuilder(
                issuer_name=leaf.issuer,
                subject_name=leaf.subject,
                public_key=leaf.public_key(),
                serial_number=leaf.serial_number,
                not_valid_before=leaf.not_valid_before_utc.replace(year=2020),
                not_valid_after=leaf.not_valid_before_utc.replace(year=2021),
                extensions=list(leaf.extensions),
            )
            leaf = builder.sign(self.key, leaf.signature_hash_algorithm)
        return certificates.to_pem(leaf, self.authority)

    def server_context(self, directory: Path, clients: bool, name: str = "127.0.0.1") -> ssl.SSLContext:
        """TLS of one of the collector's doors; with `clients`, only agents' certificates come in."""
        key = keys.new_certificate_key()
        leaf = certificates.server(key.public_key(), [name], self.authority, self.key)
        path = directory / f"server-{time.monotonic_ns()}.pem"
        path.write_bytes(keys.to_pem(key) + certificates.to_pem(leaf, self.authority).encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.root_pem)
        return context


@dataclass
class Door:
    """One listener. `faults` are used up one a request: a function that gets the handler and returns True when it
    has dealt with the request."""

    pki: Pki
    context: ssl.SSLContext
    token: EnrolToken
    faults: deque[Callable[[Any], bool]] = field(default_factory=deque)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    blocks: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    gaps: list[tuple[str, block.Gap]] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[tuple[str, str, int]] = field(default_factory=list)
    refuse: set[tuple[str, int]] = field(default_factory=set)
    enrol_problem: Problem | None = None
    agents_port: int = 0
    root_pem: str = ""
    through_extra: int = 0
    clock_ahead_us: int = 0
    renewed: list[str] = field(default_factory=list)
    answered: threading.Event = field(default_factory=threading.Event)

    def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        door = self

        class Handler(_Handler):
            owner = door

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self) -> tuple[socket.socket, Any]:
                plain, peer = super().get_request()
                plain.settimeout(10)
                tls = door.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                return tls, peer

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Failed handshakes and cut connections are what these tests are about."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def events(self) -> list[Event]:
        """Every event of every block held, in no special order."""
        return [event for packed in list(self.blocks.values()) for event in block.unpack(packed).all_events()]

    def take_batch(self, body: bytes) -> Receipt:
        """What an honest gateway does with a batch."""
        header, packed = batch.split(body)
        stored, refused = [], []
        for ref, data in zip(header.blocks, packed, strict=True):
            block.verify(ref, data)
            key = (header.stream, ref.lane, ref.block)
            if (ref.lane, ref.block) in self.refuse:
                refused.append(Refusal(lane=ref.lane, block=ref.block, code="malformed", reason="told to"))
                continue
            if key in self.blocks:
                self.duplicates += 1
                if self.blocks[key] != data:
                    self.conflicts.append(key)
            self.blocks[key] = data
            stored.append((ref.lane, ref.block))
        self.gaps += [(header.stream, gap) for gap in header.gaps]
        through = {lane: number + self.through_extra for lane, number in stored}
        return Receipt(
            time=time.time_ns() // 1000 + self.clock_ahead_us, stored=stored, refused=refused, through=through
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Door

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/v1/ca":
            self.reply(200, self.owner.root_pem.encode())
        else:
            self.problem(Problem(code="not_found", title="No such route", status=404))

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.owner.requests.append((self.path, self.body))
        if self.owner.faults and self.owner.faults.popleft()(self):
            return
        {"/v1/batch": self.batch, "/v1/enrol": self.enrol, "/v1/renew": self.renew}[self.path]()

    def batch(self) -> None:
        self.reply(200, codec.encode(self.owner.take_batch(self.body)))
        self.owner.answered.set()

    def enrol(self) -> None:
        request = codec.decode(self.body, EnrolRequest, "request")
        if self.owner.enrol_problem:
            self.problem(self.owner.enrol_problem)
        elif (request.token_id, request.token_secret) != (self.owner.token.id, self.owner.token.secret):
            self.problem(Problem(code="bad_token", title="The token is not valid", status=403))
        else:
            chain = self.owner.pki.agent_chain(certificates.request_key(request.csr))
            answer = EnrolAnswer(
                identity=WHO, certificate=chain, ca=self.owner.root_pem, agents_port=self.owner.agents_port, time=1
            )
            self.reply(200, codec.encode(answer))

    def renew(self) -> None:
        request = codec.decode(self.body, RenewRequest, "request")
        chain = self.owner.pki.agent_chain(certificates.request_key(request.csr))
        self.owner.renewed.append(chain)
        self.reply(200, codec.encode(RenewAnswer(certificate=chain)))

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def problem(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        self.reply(problem.status, codec.encode(problem), headers)

    def cut(self) -> None:
        """Drop the connection where it stands."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def other_pki() -> Pki:
    """Somebody else's."""
    return Pki()


@pytest.fixture
def token(pki: Pki) -> EnrolToken:
    return EnrolToken(id="token1", secret="s3cret-of-the-token", ca_sha256=pki.fingerprint)


@pytest.fixture
def open_door(pki: Pki, token: EnrolToken, tmp_path: Path) -> Iterator[Callable[..., Door]]:
    """Open a door: `clients` makes it the agents' one, else it is for enrolment."""
    doors: list[Door] = []

    def open_(clients: bool = True, with_pki: Pki | None = None, name: str = "127.0.0.1") -> Door:
        chosen = with_pki or pki
        door = Door(chosen, chosen.server_context(tmp_path, clients, name), token, root_pem=chosen.root_pem)
        door.start()
        doors.append(door)
        return door

    yield open_
    for door in doors:
        door.stop()


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    """The agents' door."""
    return open_door()


@pytest.fixture
def enrolled(pki: Pki, tmp_path: Path) -> Callable[..., Path]:
    """Make the identity directory of an enrolled agent."""

    def enrol(url: str, days: int = 90) -> Path:
        key = certify.new_key()
        chain = pki.agent_chain(key.public_key(), days)
        record = certify.record(chain, key, WHO, url, 1)
        files = {
            identity.KEY: certify.key_pem(key),
            identity.CERTIFICATE: chain.encode(),
            identity.ROOT: pki.root_pem.encode(),
            identity.RECORD: codec.encode(record),
        }
        directory = tmp_path / "data" / "identity"
        identity.replace(directory, files)
        return directory

    return enrol


@dataclass
class Rig:
    """A spool with its uplink to a door."""

    spool: Spool
    uplink: Uplink
    tally: Tally
    directory: Path


FAST = UplinkConfig(backoff_seconds=0.02, backoff_max_seconds=0.05, timeout_seconds=2, refused_retry_seconds=0.1)
QUICK = SpoolConfig(delay_seconds=0.01, routine_delay_seconds=0.02, min_free_bytes=0)


@pytest.fixture
def make_spool(tmp_path: Path) -> Iterator[Callable[..., Spool]]:
    """Open a spool; it is closed at the end unless the test did."""
    opened: list[Spool] = []

    def make(
        directory: Path | None = None,
        owner: Owner | None = None,
        config: SpoolConfig = QUICK,
        tally: Tally | None = None,
    ) -> Spool:
        place = directory or tmp_path / "spool"
        place.mkdir(parents=True, exist_ok=True)
        spool = Spool(place, owner or Owner(AGENT, "machine", "boot"), config, tally or Tally())
        opened.append(spool)
        return spool

    yield make
    for spool in opened:
        if spool.alive():
            spool.close(5)


@pytest.fixture
def rig(make_spool: Callable[..., Spool], enrolled: Callable[..., Path]) -> Iterator[Callable[..., Rig]]:
    """Start a spool and its uplink towards a URL."""
    rigs: list[Rig] = []

    def start(url: str, config: UplinkConfig = FAST, days: int = 90) -> Rig:
        directory = enrolled(url, days)
        tally = Tally()
        spool = make_spool(tally=tally)
        connection = Connection(
            identity.parse_url(url, 1), lambda: identity.context(directory), config.timeout_seconds
        )
        uplink = Uplink(spool, connection, Renewal(directory, identity.load(directory)), config, tally)
        uplink.start()
        rigs.append(Rig(spool, uplink, tally, directory))
        return rigs[-1]

    yield start
    for one in rigs:
        one.uplink.stop(10)


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """An event that carries a number."""

    def make(number: int, text: str = "x") -> Event:
        source = Logsource(product="linux", category="process_creation")
        return Event(time=1_764_000_000_000_000 + number, source=source, fields={"n": number, "CommandLine": text})

    return make


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition, with a deadline."""

    def wait(condition: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.005)

    return wait


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a tmpfs of so many bytes."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        if os.geteuid() != 0:
            pytest.skip("needs root: mounts a small tmpfs")
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        assert os.system(f"mount -t tmpfs -o size={size} tmpfs {place}") == 0
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        assert os.system(f"umount {place}") == 0
