"""Certificates: `POST /v1/enrol` and `GET /v1/ca` on the enrolment door, `POST /v1/renew` on the agents' door.

The gateway decides nothing here: it bounds what comes in and passes it on to the responder.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.door import AsyncDoor, DoorError
from collector.gateway import body
from collector.gateway.admission import Caller
from collector.gateway.answers import Answering
from collector.gateway.exceptions import GatewayError, Refused
from collector.gateway.limits import Buckets, Room
from collector.gateway.refusals import from_fault, pause
from collector.messages import Answer, Enrol, Enrolled, Fault, Renew, Renewed
from wire import codec, version
from wire.errors import VersionError, WireError
from wire.identity import EnrolRequest, RenewRequest

JSON = "application/json"
MAX_BYTES = 32 << 10
ASK_S = 20.0
AT_ONCE = 16
"""Requests at the responder together: each costs it a signature and a transaction or two."""

ENROL_BYTES = 1 << 20
PER_ADDRESS_S = 1.0
PER_ADDRESS_BURST = 60.0
"""A site behind one address enrols sixty machines at once, then one a second."""

Message = TypeVar("Message", EnrolRequest, RenewRequest)


class Enrolment:
    """The enrolment door's application: callers are strangers until the responder has judged their token."""

    def __init__(self, responder: AsyncDoor, ca: Path) -> None:
        self._responder = responder
        self._ca = ca.read_text()
        self._rate = Buckets(PER_ADDRESS_S, PER_ADDRESS_BURST)
        self._room = Room(ENROL_BYTES, ENROL_BYTES)
        self._turn = asyncio.Semaphore(AT_ONCE)

    def application(self, answering: Answering) -> Starlette:
        """The routes."""
        routes = [
            Route("/v1/ca", answering("ca", self.ca), methods=["GET"]),
            Route("/v1/enrol", answering("enrol", self.enrol), methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers=answering.otherwise())

    async def ca(self, request: Request) -> Response:
        """The root certificate (PEM). Whoever knows its fingerprint trusts it, not because it came from here.

        Raises:
            Refused: `rate_limited`.
        """
        self._rate.take(_address(request))
        return PlainTextResponse(self._ca, media_type="application/x-pem-file")

    async def enrol(self, request: Request) -> Response:
        """Pass a token and a key on to the responder; answers with the certificate.

        Raises:
            Refused: as the responder says, or because of the request's form or rate.
        """
        peer = _address(request)
        self._rate.take(peer)
        asked = await _read(request, self._room, peer, EnrolRequest)
        async with self._turn:
            answer = await _ask(self._responder, Enrol(request=asked, peer=peer))
        if not isinstance(answer, Enrolled):
            raise _unexpected(answer)
        return Response(codec.encode(answer.answer), media_type=JSON)


class Renewal:
    """The route on the agents' door, for an agent that proved who it is with the certificate it has."""

    def __init__(self, responder: AsyncDoor) -> None:
        self._responder = responder
        self._room = Room(ENROL_BYTES, ENROL_BYTES)
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def post(self, request: Request, caller: Caller) -> Response:
        """A new certificate for the same identity and a new key.

        Raises:
            Refused: as the responder says, or because of the request's form.
        """
        asked = await _read(request, self._room, caller.agent, RenewRequest)
        question = Renew(agent=caller.agent, serial=caller.certificate.serial, csr=asked.csr)
        async with self._turn:
            answer = await _ask(self._responder, question)
        if not isinstance(answer, Renewed):
            raise _unexpected(answer)
        return Response(codec.encode(answer.answer), media_type=JSON)


async def _read(request: Request, room: Room, caller: str, kind: type[Message]) -> Message:
    with room.body(caller, body.length(request, MAX_BYTES, JSON)):
        content = await body.read(request)
    try:
        message = codec.decode(content, kind, "request")
        version.check(message.v, "request")
    except WireError as error:
        code = "version" if isinstance(error, VersionError) else "malformed"
        raise Refused(code, str(error)) from error
    return message


async def _ask(responder: AsyncDoor, question: msgspec.Struct) -> Answer:
    try:
        return await responder.ask(question, ASK_S)
    except DoorError as error:
        raise Refused("unavailable", "try again later", pause()) from error


def _unexpected(answer: Answer) -> GatewayError:
    if isinstance(answer, Fault):
        return from_fault(answer)
    return GatewayError(f"the responder answered {type(answer).__name__} to a request for a certificate")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
