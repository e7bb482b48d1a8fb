"""Around everything the web listener answers: only under our names, always with the security headers."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.api.problems import problem
from collector.console import SECURITY_HEADERS

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Guard:
    """ASGI wrapper that refuses foreign host names and foreign origins and puts headers on every answer.

    A page of another site that has its name resolve to this server (DNS rebinding) asks under that name, and a
    form of another site names itself in Origin: neither gets further than here.
    """

    def __init__(self, app: ASGIApp, hostnames: Iterable[str]) -> None:
        self._app = app
        self._names = {name.lower() for name in (*hostnames, *LOCAL_NAMES)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"the web listener speaks HTTP alone, not {scope['type']}")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS:
                    headers[name] = value
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"])
        if refusal:
            code, detail = refusal
            status = HTTPStatus.MISDIRECTED_REQUEST if code == "bad_host" else HTTPStatus.FORBIDDEN
            await problem(status, code, detail)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str) -> tuple[str, str] | None:
        host = headers.get("host", "")
        if bare_host(host) not in self._names:
            return "bad_host", "use one of the names given to init --hostname (hostnames in collector.yaml)"
        if method in {"GET", "HEAD"}:
            return None
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"https://{host.lower()}":
            return "bad_origin", "changes are taken from this console's own pages only"
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return "bad_origin", "changes are taken from this console's own pages only"
        return None


def bare_host(header: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
