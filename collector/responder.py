"""The responder: the process that owns the state, and in it alerts, fleet and the people's door."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from sqlalchemy import Connection

from collector import incidents
from collector.api import Hub, Passwords, Policy, Services, create_app
from collector.api.entrance import more_files
from collector.api.server import MAX_CONNECTIONS, WebServer, configuration, listen
from collector.door import AsyncDoor, DoorError, serve_door
from collector.exceptions import TrustError
from collector.fleet import AdmissionWatch, Enrolment, FleetError, agents, tokens
from collector.fleet.exceptions import SignerError
from collector.messages import (
    Accepted,
    AgentChange,
    Agents,
    AgentsList,
    Answer,
    Certificate,
    Enrol,
    Enrolled,
    Fault,
    Matches,
    Quarantine,
    Renew,
    Renewed,
    ResponderRequest,
    RuleReport,
    Seen,
    SignCertificate,
    TokenCreate,
    TokenCreated,
    TokenRevoke,
    Tokens,
    TokensList,
    WatchAdmissions,
)
from collector.state import Database, StateError, connect, upgrade
from collector.trust.certificates import fingerprint
from wire.identity import EnrolAnswer, RenewAnswer

log = logging.getLogger(__name__)

SIGN_S = 10.0


class Responder:
    """Answers the other processes: matches in, admissions and certificates out, decisions of the command line."""

    def __init__(self, database: Database, hub: Hub, signer: AsyncDoor, ca_pem: str, agents_port: int) -> None:
        self._database = database
        self._hub = hub
        self._signer = signer
        self._ca_pem = ca_pem
        self._ca_sha256 = fingerprint(x509.load_pem_x509_certificate(ca_pem.encode()))
        self._agents_port = agents_port
        self._watch = AdmissionWatch(database)
        self._enrolment = Enrolment(database, self._sign)

    async def answer(self, request: ResponderRequest) -> Answer:
        """Act on one question; what is refused is a `Fault` with a stable code."""
        try:
            return await self._answer(request)
        except FleetError as error:
            return Fault(code=error.code, detail=str(error), retry=error.retry)
        except TrustError as error:
            return Fault(code="bad_request", detail=str(error))
        except (StateError, DoorError) as error:
            log.error("%s: %s", type(request).__name__, error)
            return Fault(code="unavailable", detail=str(error), retry=True)

    async def _answer(self, request: ResponderRequest) -> Answer:
        match request:
            case Matches():
                return await self._take(request)
            case RuleReport():
                await self._database.writing(lambda c: incidents.store_report(c, request))
                return Accepted(count=1)
            case WatchAdmissions():
                return await self._watch.newer(request.version, request.wait)
            case Seen():
                return await self._changing(lambda c: agents.seen(c, request.agents))
            case Enrol():
                return await self._enrol(request)
            case Renew():
                chain = await self._enrolment.renew(request)
                await self._watch.refresh()
                return Renewed(answer=RenewAnswer(certificate=chain))
            case Quarantine():
                return await self._quarantine(request)
            case _:
                return await self._decide(request)

    async def _decide(self, request: TokenCreate | TokensList | TokenRevoke | AgentsList | AgentChange) -> Answer:
        match request:
            case TokenCreate():
                made = await self._database.writing(lambda c: tokens.create(c, request, self._ca_sha256))
                return TokenCreated(text=made.text())
            case TokensList():
                return Tokens(tokens=await self._database.reading(tokens.listed))
            case TokenRevoke():
                return await self._changing(lambda c: tokens.revoke(c, request.id))
            case AgentsList():
                return Agents(agents=await self._database.reading(agents.cards))
            case AgentChange():
                return await self._changing(lambda c: agents.change(c, request))

    async def _take(self, batch: Matches) -> Accepted:
        count = await self._database.writing(lambda c: incidents.take(c, batch))
        if count:
            self._hub.announce()
        return Accepted(count=count)

    async def _enrol(self, asked: Enrol) -> Enrolled:
        identity, chain = await self._enrolment.enrol(asked)
        await self._watch.refresh()
        log.info("agent %s enrolled on node %s from %s", identity.agent, identity.node, asked.peer)
        return Enrolled(
            answer=EnrolAnswer(
                identity=identity,
                certificate=chain,
                ca=self._ca_pem,
                agents_port=self._agents_port,
                time=time.time_ns() // 1000,
            )
        )

    async def _quarantine(self, told: Quarantine) -> Accepted:
        """Hold the agent back and raise an alert about it, both or neither."""

        def hold(connection: Connection) -> int:
            identity, host = agents.hold(connection, told)
            return incidents.take(connection, incidents.quarantined(told, identity, host))

        count = await self._database.writing(hold)
        await self._watch.refresh()
        self._hub.announce()
        log.warning("agent %s quarantined: %s", told.agent, told.code)
        return Accepted(count=count)

    async def _changing(self, work: Callable[[Connection], object]) -> Accepted:
        await self._database.writing(work)
        await self._watch.refresh()
        return Accepted(count=1)

    async def _sign(self, request: SignCertificate) -> Certificate:
        answer = await self._signer.ask(request, SIGN_S)
        if isinstance(answer, Certificate):
            return answer
        if isinstance(answer, Fault) and answer.code == "bad_request":
            raise TrustError(answer.detail)
        raise SignerError(f"the signer did not sign: {answer}")


async def serve(
    *,
    state_url: str,
    doors_dir: Path,
    web: tuple[str, int],
    cert: Path,
    key: Path,
    hostnames: Sequence[str],
    console_dir: Path,
    agents_port: int,
    ca_pem: Path,
    ready: Callable[[], None],
    policy: Policy | None = None,
) -> None:
    """Run the responder until SIGTERM or SIGINT: the door `responder.sock` and the web listener, on one loop.

    `ready` is called once both answer. What was accepted is durable before its answer, so there is nothing to
    save at the end.

    Raises:
        StateError: the state database cannot be opened or upgraded.
        DoorError: the socket cannot be made.
        ListenerError: the web listener cannot start on that address, or its certificate cannot be read.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    more_files(MAX_CONNECTIONS)
    root = await asyncio.to_thread(ca_pem.read_text)
    database = connect(state_url)
    signer = AsyncDoor(doors_dir / "signer.sock")
    passwords = Passwords()
    hub = Hub(database)
    try:
        await asyncio.to_thread(upgrade, database)
        responder = Responder(database, hub, signer, root, agents_port)
        app = create_app(Services(database, passwords, hub, policy or Policy()), hostnames, console_dir)
        listener = listen(*web)
        server = WebServer(configuration(app, cert, key), ready)
        door = await serve_door(doors_dir / "responder.sock", ResponderRequest, responder.answer)
        try:
            await _run(server, listener, hub, stopping)
        finally:
            await door.close()
    finally:
        await signer.close()
        passwords.close()
        database.close()


async def _run(server: WebServer, listener: socket.socket, hub: Hub, stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        pump = group.create_task(hub.run())
        group.create_task(server.serve([listener]))
        await stopping.wait()
        await hub.close()
        server.should_exit = True
        pump.cancel()
