"""Who this agent is: its key, certificate and pinned root on disk, replaced as one.

Files: `key.pem`, `cert.pem` (chain, leaf first), `ca.pem` (the only root that is trusted), `identity.json`. New
ones are written beside them as `*.next`, `identity.json.next` last; from then on the exchange is decided, and
whoever finds it half done finishes it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from agent.exceptions import ConfigError, IdentityMissingError
from wire import codec
from wire.errors import MalformedError
from wire.identity import Identity

KEY, CERTIFICATE, ROOT, RECORD = "key.pem", "cert.pem", "ca.pem", "identity.json"
FILES = (KEY, CERTIFICATE, ROOT, RECORD)
NEXT = ".next"

MAX_HOST = 253
"""Bytes of a host name (RFC 1035, 2.3.4)."""

RENEW_AFTER = 2 / 3
"""Part of a certificate's life after which it is renewed."""


class Record(Struct, frozen=True, kw_only=True):
    """What the agent knows of its own identity without parsing a certificate. Times are µs UTC."""

    identity: Identity
    collector: str
    """URL of the agents' door."""
    enrolled: int
    not_before: int
    not_after: int

    def renew_at(self) -> int:
        """When to ask for the next certificate, µs UTC."""
        return self.not_before + int((self.not_after - self.not_before) * RENEW_AFTER)


class Address(Struct, frozen=True):
    """Host and port of one of the collector's doors."""

    host: str
    port: int

    def url(self) -> str:
        """As people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def parse_url(url: str, default_port: int) -> Address:
    """Host and port of `https://HOST[:PORT]`.

    Raises:
        ConfigError: anything else; the text shows the right form.
    """
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
        host, port = parts.hostname or "", parts.port
        wire_host = host.encode("idna")
    except ValueError as error:
        raise ConfigError(f"{url!r} is no collector address ({error}); write https://HOST:PORT") from error
    if len(wire_host) > MAX_HOST or not host.isprintable() or " " in host:
        raise ConfigError(f"{url!r} is no collector address (no such host name can be); write https://HOST:PORT")
    if parts.scheme != "https" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise ConfigError(f"{url!r} is no collector address; write https://HOST:PORT")
    return Address(host, port or default_port)


def load(directory: Path) -> Record:
    """The identity in this directory, after finishing an exchange that was cut short.

    Raises:
        IdentityMissingError: not enrolled, or the record is not readable.
    """
    roll_forward(directory)
    path = directory / RECORD
    try:
        return codec.decode(path.read_bytes(), Record, str(path))
    except FileNotFoundError as error:
        raise IdentityMissingError(
            f"{directory}: this machine is not enrolled; run `lienphong-agent enrol --data DIR --collector URL"
            " --token-file FILE` with a token from the collector"
        ) from error
    except PermissionError as error:
        raise IdentityMissingError(f"{path}: not readable; run this as root or as the agent's account") from error
    except MalformedError as error:
        raise IdentityMissingError(f"{error}; enrol this machine again with --force") from error


def exists(directory: Path) -> bool:
    """Whether there is an identity here, complete or being exchanged."""
    return (directory / RECORD).exists() or (directory / (RECORD + NEXT)).exists()


def context(directory: Path) -> ssl.SSLContext:
    """TLS towards the collector: our certificate, its name checked, and no root but the pinned one.

    Raises:
        IdentityMissingError: the files are absent or do not fit together.
    """
    try:
        tls = pinned((directory / ROOT).read_text(encoding="ascii"))
        tls.load_cert_chain(directory / CERTIFICATE, directory / KEY)
    except (OSError, ValueError) as error:
        raise IdentityMissingError(
            f"{directory}: key, certificate or root unusable ({error}); enrol this machine again with --force"
        ) from error
    return tls


def pinned(root_pem: str) -> ssl.SSLContext:
    """TLS that trusts this root alone, TLS 1.2 (RFC 5246) or newer."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.verify_flags |= ssl.VERIFY_X509_STRICT
    tls.load_verify_locations(cadata=root_pem)
    return tls


def replace(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put new files, `identity.json` among them, in place of the old ones: all, or none of them.

    Raises:
        OSError: they could not be written; the old ones are untouched.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FILES:
        (directory / (name + NEXT)).unlink(missing_ok=True)
    for name in sorted(files, key=FILES.index):
        write_private(directory / (name + NEXT), files[name])
    roll_forward(directory)


def roll_forward(directory: Path) -> None:
    """Finish an exchange that was decided."""
    if not (directory / (RECORD + NEXT)).exists():
        return
    for name in FILES:
        following = directory / (name + NEXT)
        if following.exists():
            following.replace(directory / name)
    _sync(directory)


def write_private(path: Path, content: bytes) -> None:
    """Write a file only its owner can read; durable, and whole or not at all, on return. As root, it belongs to
    the directory's owner."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
