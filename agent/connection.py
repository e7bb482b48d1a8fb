"""One kept-alive HTTPS connection to the collector, with answers that are bounded in size and time."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from agent.exceptions import UplinkError
from agent.identity import Address
from wire import codec
from wire.batch import Problem
from wire.errors import MalformedError

MAX_ANSWER_BYTES = 1 << 20
READ_BYTES = 64 << 10

_STALE = (
    http.client.RemoteDisconnected,
    BrokenPipeError,
    ConnectionResetError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
"""What a connection says that the other side closed while it was idle."""


class Answer(Struct, frozen=True):
    """Status, headers (names in lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Problem | None:
        """The collector's own words for a refusal; None when this is not from a collector of ours."""
        try:
            return codec.decode(self.body, Problem, "problem")
        except MalformedError:
            return None


class Connection:
    """Opened at the first request, and again whenever it was lost. For one thread."""

    def __init__(self, address: Address, tls: Callable[[], ssl.SSLContext], timeout: float) -> None:
        """`tls` is asked whenever a connection is opened; `timeout` (seconds) bounds connecting, every wait for
        the network, and the reading of an answer."""
        self.address = address
        self._tls = tls
        self._timeout = timeout
        self._http: http.client.HTTPSConnection | None = None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request that may safely be sent twice, and read the whole answer.

        Raises:
            UplinkError: not reached, not trusted, cut off, too slow or too long; the text says which.
        """
        reused = self._http is not None
        try:
            try:
                return self._exchange(method, path, body, headers or {})
            except _STALE:
                self.close()
                if not reused:
                    raise
                return self._exchange(method, path, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UplinkError(f"{self.address.url()}: {explain(error)}") from error
        except UplinkError:
            self.close()
            raise

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if self._http is None:
            self._http = http.client.HTTPSConnection(
                self.address.host, self.address.port, timeout=self._timeout, context=self._tls()
            )
        self._http.request(method, path, body, dict(headers))
        response = self._http.getresponse()
        content = self._read(response)
        if response.will_close:
            self.close()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        while part := response.read1(READ_BYTES):
            content += part
            if len(content) > MAX_ANSWER_BYTES:
                raise UplinkError(f"{self.address.url()}: answer over {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > deadline:
                raise UplinkError(f"{self.address.url()}: answer not complete within {self._timeout:g} s")
        if response.length:
            raise http.client.IncompleteRead(bytes(content), response.length)
        response.close()  # read1 leaves it open at its end, and the connection busy
        return bytes(content)


def explain(error: Exception) -> str:
    """What went wrong on the way, in words that say what to do."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message}); was the collector set up anew?"
        case ssl.SSLError() if "ALERT" in (error.reason or ""):
            return f"it refused our certificate ({_words(error.reason)})"
        case ssl.SSLError():
            return f"TLS failed ({_words(error.reason)}); is this the collector's agents' port?"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused; is the collector running, and is this its port?"
        case http.client.HTTPException():
            return f"the answer was cut off or is not HTTP ({type(error).__name__})"
    return str(error) or type(error).__name__


def _words(reason: str | None) -> str:
    return (reason or "no reason given").replace("_", " ").lower()
