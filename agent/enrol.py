"""Enrolment: a bounded token becomes an identity, with the collector proven by its fingerprint before it is told.

First the collector's root is fetched without trusting anybody, which is safe as nothing is sent; only when it has
the fingerprint that the token carries is a second, fully verified connection opened, and the token sent over it.
The key is made here, kept before it is used, and used again when the answer to an earlier try was lost.
"""

from __future__ import annotations

import hashlib
import hmac
import platform
import socket
import ssl
from importlib.metadata import version

from agent import certify, clock, identity
from agent.connection import Answer, Connection
from agent.exceptions import EnrolError, UplinkError
from agent.identity import Address
from agent.layout import Layout
from wire import codec
from wire import version as wire_version
from wire.errors import WireError
from wire.identity import EnrolAnswer, EnrolRequest, EnrolToken, Machine, parse_token

DEFAULT_PORT = 7444
TIMEOUT_SECONDS = 30.0
PENDING_KEY = "enrol.key.pem"

HINTS = {
    "bad_token": "check that the token file is the one made for this collector",
    "token_expired": "ask for a new token: `lienphong-collector token create`",
    "token_used_up": "ask for a new token: `lienphong-collector token create`",
    "token_revoked": "ask for a new token: `lienphong-collector token create`",
    "already_enrolled": "at the collector, a person revokes the old agent or makes a token that may replace it",
}
"""What to do, by the collector's code."""


def enrol(layout: Layout, collector: str, token_text: str, force: bool = False) -> identity.Record:
    """Give this machine an identity and store it.

    Raises:
        EnrolError: it did not work; `code` and text say why and what to do. An existing identity is untouched.
        ConfigError: `collector` is no address.
    """
    address = identity.parse_url(collector, DEFAULT_PORT)
    if identity.exists(layout.identity) and not force:
        raise EnrolError(
            "identity_exists",
            f"{layout.identity}: this machine is enrolled already; --force replaces its identity",
        )
    token = _token(token_text)
    root = _root(address, token.ca_sha256)
    layout.data.mkdir(mode=0o711, parents=True, exist_ok=True)
    layout.identity.mkdir(mode=0o700, exist_ok=True)
    key = _key(layout)
    answer = _ask(address, root, token, key)
    if _fingerprint(answer.ca) != token.ca_sha256:
        raise EnrolError("bad_answer", "the collector's answer names another root than its token")
    door = Address(address.host, answer.agents_port).url()
    record = certify.record(answer.certificate, key, answer.identity, door, clock.now_us())
    files = {
        identity.KEY: certify.key_pem(key),
        identity.CERTIFICATE: answer.certificate.encode(),
        identity.ROOT: answer.ca.encode(),
        identity.RECORD: codec.encode(record),
    }
    identity.replace(layout.identity, files)
    (layout.identity / PENDING_KEY).unlink()
    return record


def _token(text: str) -> EnrolToken:
    try:
        return parse_token(text)
    except WireError as error:
        raise EnrolError("not_a_token", str(error)) from error


def _root(address: Address, fingerprint: str) -> str:
    """The collector's root (PEM), known to be the one the token means."""
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    answer = _request(Connection(address, lambda: blind, TIMEOUT_SECONDS), "GET", "/v1/ca", None)
    root = answer.body.decode("ascii", "replace")
    if answer.status != 200 or "BEGIN CERTIFICATE" not in root:
        raise EnrolError(
            "not_a_collector", f"{address.url()} is no collector's enrolment port (usually {DEFAULT_PORT})"
        )
    found = _fingerprint(root)
    if not hmac.compare_digest(found, fingerprint):
        raise EnrolError(
            "wrong_fingerprint",
            f"{address.url()} is not the collector that made this token: its root's fingerprint is {found},"
            f" the token says {fingerprint}. Somebody may be in between; nothing was sent.",
        )
    return root


def _fingerprint(root_pem: str) -> str:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(root_pem.strip())).hexdigest()
    except ValueError as error:
        raise EnrolError("bad_answer", "the collector's root certificate cannot be read") from error


def _key(layout: Layout) -> certify.Key:
    path = layout.identity / PENDING_KEY
    if path.exists():
        try:
            return certify.read_key(path.read_bytes())
        except ValueError:
            path.unlink()
    key = certify.new_key()
    identity.write_private(path, certify.key_pem(key))
    return key


def _ask(address: Address, root: str, token: EnrolToken, key: certify.Key) -> EnrolAnswer:
    request = EnrolRequest(
        token_id=token.id, token_secret=token.secret, csr=certify.request(key), machine=describe_machine()
    )
    connection = Connection(address, lambda: identity.pinned(root), TIMEOUT_SECONDS)
    answer = _request(connection, "POST", "/v1/enrol", codec.encode(request))
    if answer.status != 200:
        raise _refusal(answer)
    try:
        decoded = codec.decode(answer.body, EnrolAnswer, "enrolment answer")
        wire_version.check(decoded.v, "enrolment answer")
    except WireError as error:
        raise EnrolError("bad_answer", str(error)) from error
    return decoded


def _request(connection: Connection, method: str, path: str, body: bytes | None) -> Answer:
    try:
        return connection.request(method, path, body, {"Content-Type": "application/json"} if body else None)
    except UplinkError as error:
        raise EnrolError(
            "unreachable", f"{error}. Enrolment uses its own port (usually {DEFAULT_PORT})"
        ) from error
    finally:
        connection.close()


def _refusal(answer: Answer) -> EnrolError:
    problem = answer.problem()
    if problem is None:
        return EnrolError("bad_answer", f"the collector answered {answer.status} without a reason")
    hint = HINTS.get(problem.code, "try again later" if problem.retry_after else "")
    reason = (problem.detail or problem.title).rstrip(".")
    return EnrolError(problem.code, f"{reason}; {hint}" if hint else reason)


def describe_machine() -> Machine:
    """What people recognise this machine by."""
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = platform.system()
    return Machine(
        hostname=socket.gethostname()[:255],
        machine_id=clock.machine_id(),
        os=system[:128],
        kernel=platform.release()[:128],
        version=version("lien-phong")[:32],
    )
