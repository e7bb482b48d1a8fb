"""How an agent comes to be admitted, and how its certificate is renewed.

The database and the signer cannot commit together, so enrolment takes three steps: reserve an identity for the
key in the request (and a use of the token), have the certificate signed, store it and admit the agent. A crash
between any two is mended by the agent's next attempt with the same key and token: it finds its reservation, costs
no further use, and a certificate that was signed and never stored is admitted by nobody.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import ColumnElement, Connection, RowMapping, insert, or_, select, update

from collector.fleet import agents as fleet
from collector.fleet import tokens
from collector.fleet.exceptions import AlreadyEnrolledError
from collector.fleet.tables import agents
from collector.messages import Certificate, Enrol, Renew, SignCertificate
from collector.state import Database
from collector.trust.certificates import request_key
from wire.identity import EnrolRequest, Identity, Machine

DAYS = 90

Sign = Callable[[SignCertificate], Awaitable[Certificate]]
"""Asks the signer; raises when it refuses or cannot be reached."""


class Enrolment:
    """Enrols and renews agents on this database, with certificates by `sign`."""

    def __init__(self, database: Database, sign: Sign, days: int = DAYS) -> None:
        self._database = database
        self._sign = sign
        self._days = days

    async def enrol(self, asked: Enrol) -> tuple[Identity, str]:
        """Admit an agent; returns its identity and certificate chain (PEM, leaf first).

        Raises:
            TrustError: the certificate request is not acceptable.
            BadTokenError, TokenExpiredError, TokenUsedUpError, TokenRevokedError: as the names say.
            AlreadyEnrolledError: the machine has an admitted agent and the token may not take it over.
        """
        request = asked.request
        key = key_hash(request.csr)
        row = await self._database.writing(lambda c: _reserve(c, request, key))
        identity = fleet.identity(row)
        if row["chain"]:
            return identity, row["chain"]
        signed = await self._certificate(request.csr, identity, request.machine)
        chain = await self._database.writing(lambda c: _admit(c, row, signed, asked))
        return identity, chain

    async def renew(self, asked: Renew) -> str:
        """A new certificate for the same identity; returns the chain. The one the agent used stays accepted
        until it has used the new one.

        Raises:
            TrustError: the certificate request is not acceptable.
            UnknownAgentError, RevokedError, QuarantinedError, SupersededError: the agent may not speak.
        """
        request_key(asked.csr)
        row = await self._database.reading(lambda c: fleet.find(c, asked.agent))
        fleet.require_active(row, asked.serial)
        machine = Machine(hostname=row["host"], machine_id=row["machine_id"])
        signed = await self._certificate(asked.csr, fleet.identity(row), machine)
        await self._database.writing(lambda c: _renewed(c, asked, signed))
        return signed.chain

    async def _certificate(self, csr: str, identity: Identity, machine: Machine) -> Certificate:
        return await self._sign(SignCertificate(csr=csr, identity=identity, machine=machine, days=self._days))


def key_hash(csr: str) -> str:
    """SHA-256 (hex) of the request's public key, which the request proves to be the asker's.

    Raises:
        TrustError: the certificate request is not acceptable.
    """
    der = request_key(csr).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()


def _reserve(connection: Connection, request: EnrolRequest, key: str) -> RowMapping:
    token = tokens.verify(connection, request.token_id, request.token_secret)
    mine = (agents.c.token == token["id"]) & (agents.c.key_sha256 == key)
    held = connection.execute(select(agents).where(mine)).mappings().first()
    if held is not None:
        if held["status"] != "pending":
            fleet.require_active(held, held["serial"])
        return held
    if not token["allow_reenrol"]:
        _refuse_duplicate(connection, request.machine, token["node"])
    tokens.consume(connection, token)
    return _new_agent(connection, request.machine, token, key)


def _new_agent(connection: Connection, machine: Machine, token: RowMapping, key: str) -> RowMapping:
    agent = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    now = time.time_ns() // 1000
    values = {
        "agent": agent,
        **{name: token[name] for name in ("node", "label", "role")},
        "host": machine.hostname,
        **{name: getattr(machine, name) for name in ("machine_id", "os", "kernel", "version")},
        "status": "pending",
        "reason": "",
        "since_us": now,
        "token": token["id"],
        "key_sha256": key,
        **dict.fromkeys(("serial", "previous", "chain"), ""),
        "enrolled_us": now,
        **dict.fromkeys(("last_seen_us", "skew_us"), 0),
    }
    connection.execute(insert(agents).values(**values))
    return fleet.find(connection, agent)


def _refuse_duplicate(connection: Connection, machine: Machine, node: str) -> None:
    if _admitted_on(connection, machine, node):
        raise AlreadyEnrolledError(
            f"{machine.hostname} has an agent that is still admitted; if this is to replace it, a person revokes "
            "that agent first or makes a token that allows re-enrolment"
        )


def _admitted_on(connection: Connection, machine: Machine, node: str) -> list[str]:
    """The admitted agents of this machine: by its machine id, or by name within the node where it has none."""
    same: ColumnElement[bool] = (agents.c.host == machine.hostname) & (agents.c.node == node)
    if machine.machine_id:
        same = or_(agents.c.machine_id == machine.machine_id, same & (agents.c.machine_id == ""))
    live = agents.c.status.in_(["active", "quarantined"])
    return list(connection.scalars(select(agents.c.agent).where(live, same)))


def _admit(connection: Connection, reserved: RowMapping, signed: Certificate, asked: Enrol) -> str:
    """Store the certificate and admit the agent, unless another attempt with the same key was quicker."""
    row = fleet.find(connection, reserved["agent"])
    if row["status"] != "pending":
        fleet.require_active(row, row["serial"])
        return str(row["chain"])
    _take_over(connection, asked.request.machine, row)
    values = {"status": "active", "serial": signed.serial, "chain": signed.chain}
    now = time.time_ns() // 1000
    mine = agents.c.agent == row["agent"]
    connection.execute(update(agents).where(mine).values(**values, since_us=now, enrolled_us=now))
    fleet.record(connection, row["agent"], "", "enrol", f"from {asked.peer} with token {row['token']}")
    fleet.bump(connection)
    return signed.chain


def _take_over(connection: Connection, machine: Machine, row: RowMapping) -> None:
    """With a token that allows it, the machine's former agents are revoked in the same transaction."""
    if not tokens.allows_reenrol(connection, row["token"]):
        _refuse_duplicate(connection, machine, row["node"])
    for former in _admitted_on(connection, machine, row["node"]):
        fleet.set_status(connection, former, "revoked", f"replaced by agent {row['agent']}")
        fleet.record(connection, former, "", "revoke", f"replaced by agent {row['agent']}")


def _renewed(connection: Connection, asked: Renew, signed: Certificate) -> None:
    """The certificate the agent has just used becomes the previous one: if the answer is lost on the way, the
    agent can still speak and renew again."""
    row = fleet.find(connection, asked.agent)
    fleet.require_active(row, asked.serial)
    values = {"previous": asked.serial, "serial": signed.serial, "chain": signed.chain}
    connection.execute(update(agents).where(agents.c.agent == asked.agent).values(**values))
    fleet.record(connection, asked.agent, "", "renew", f"certificate {signed.serial}")
    fleet.bump(connection)
