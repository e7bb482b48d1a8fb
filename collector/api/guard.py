"""Around everything the web listener answers: only under our names, always with the security headers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.api.problems import problem
from collector.console import SECURITY_HEADERS

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

HOST = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^\s:/?#@\[\]\\]*)(:[0-9]*)?")
"""A Host header (RFC 9110, 7.2): a name or address and perhaps a port, nothing of a URL around them."""


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
            status, code, detail = refusal
            await problem(status, code, detail)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str) -> tuple[HTTPStatus, str, str] | None:
        hosts = headers.getlist("host")
        if len(hosts) > 1 or not all(HOST.fullmatch(host.strip()) for host in hosts):
            return HTTPStatus.BAD_REQUEST, "bad_host", "send one Host header, with a name and perhaps a port"
        host = hosts[0] if hosts else ""
        if bare_host(host) not in self._names:
            detail = "use one of the names given to init --hostname (hostnames in collector.yaml)"
            return HTTPStatus.MISDIRECTED_REQUEST, "bad_host", detail
        if method not in {"GET", "HEAD"} and _foreign(headers, host):
            return HTTPStatus.FORBIDDEN, "bad_origin", "changes are taken from this console's own pages only"
        return None


def _foreign(headers: Headers, host: str) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"https://{host.lower()}":
        return True
    return headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def bare_host(header: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
