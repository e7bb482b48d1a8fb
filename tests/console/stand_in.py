"""The people's API in miniature, over TLS and under the real headers, so that the console can meet hostile data.

It checks what the console must do right (CSRF token, media type, ids) and answers with the API's own shapes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from collector.console import DIST, IMMUTABLE_PREFIX, SECURITY_HEADERS
from tests.console.world import World, row_of

USER, PASSWORD, ONE_TIME = "ca.truc.mot", "mot-cau-dai-de-nho", "dung-mot-lan-thoi"
CSRF = "csrf-token-of-the-session"
COOKIE = "__Host-lienphong"
LOCK_AFTER, LOCK_SECONDS = 3, 65


def problem(status: int, code: str, **headers: str) -> JSONResponse:
    """An RFC 9457 answer."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": code, "code": code}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def session_of(request: Request, world: World) -> dict[str, Any] | None:
    """The session document for the request's cookie."""
    user = request.cookies.get(COOKIE)
    if user is None:
        return None
    return {
        "user": user,
        "display_name": "Ca trực một" if user == USER else "Quản trị viên",
        "csrf": CSRF,
        "must_change_password": user == "admin" and world.must_change,
        "language": "vi",
        "permissions": world.permissions,
        "expires_us": int((time.time() + 3_600) * 1e6),
    }


class Api:
    """The endpoints, over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def session(self, request: Request) -> Response:
        """Who is signed in; sign in; sign out."""
        if request.method == "DELETE":
            answer = Response(status_code=204)
            answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
            return answer
        if request.method == "GET":
            document = session_of(request, self.world)
            return problem(401, "signed_out") if document is None else JSONResponse(document)
        return self._sign_in(await request.json())

    def _sign_in(self, body: dict[str, str]) -> Response:
        user = body["user"]
        if self.world.failures[user] >= LOCK_AFTER:
            return problem(429, "locked", **{"Retry-After": str(LOCK_SECONDS)})
        if (user, body["password"]) not in ((USER, PASSWORD), ("admin", ONE_TIME)):
            self.world.failures[user] += 1
            return problem(401, "bad_credentials")
        answer = JSONResponse(None)
        answer.set_cookie(COOKIE, user, path="/", secure=True, httponly=True, samesite="strict")
        scope = {"type": "http", "headers": [(b"cookie", f"{COOKIE}={user}".encode())]}
        answer.body = JSONResponse(session_of(Request(scope), self.world)).body
        answer.headers["content-length"] = str(len(answer.body))
        return answer

    async def password(self, request: Request) -> Response:
        """Change the password."""
        body = await request.json()
        if body["old"] != ONE_TIME:
            return problem(401, "bad_credentials")
        if len(body["new"]) < 12:
            return problem(422, "weak_password")
        self.world.must_change = False
        return Response(status_code=204)

    async def alerts(self, request: Request) -> Response:
        """The list."""
        return JSONResponse(self.world.find(dict(request.query_params)))

    async def alert(self, request: Request) -> Response:
        """One alert."""
        found = self.world.alerts.get(request.path_params["id"])
        return problem(404, "not_found") if found is None else JSONResponse(found)

    async def actions(self, request: Request) -> Response:
        """Acknowledge, close, reopen."""
        body = await request.json()
        person = session_of(request, self.world)
        assert person is not None
        return JSONResponse(self.world.act(body["ids"], body["action"], body["note"], person["display_name"]))

    async def summary(self, request: Request) -> Response:
        """The header's numbers."""
        return JSONResponse({**self.world.totals(), **self.world.summary})

    async def stream(self, request: Request) -> Response:
        """Server-sent events, at most four a second."""
        last = request.headers.get("last-event-id")
        after = int(last) if last else self.world.version
        return StreamingResponse(self._deltas(after), media_type="text/event-stream")

    async def _deltas(self, after: int) -> AsyncIterator[str]:
        yield ": ping\n\n"
        while not self.world.down:
            delta = self.world.delta(after)
            if delta:
                after = delta["version"]
                yield f"event: alerts\nid: {after}\ndata: {json.dumps(delta)}\n\n"
            await asyncio.sleep(0.25)


async def console(request: Request) -> Response:
    """Built files; the page itself for every other path."""
    path = DIST / request.path_params["path"].lstrip("/")
    inside = path.resolve().is_relative_to(DIST) and path.is_file()
    return FileResponse(path if inside else DIST / "index.html")


def app(world: World) -> Starlette:
    """The stand-in with guard and headers."""
    api = Api(world)

    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = refuse(request) or await call(request)
        for name, value in SECURITY_HEADERS:
            answer.headers[name] = value
        immutable = request.url.path.startswith(IMMUTABLE_PREFIX)
        answer.headers["Cache-Control"] = "max-age=31536000, immutable" if immutable else "no-store"
        return answer

    def refuse(request: Request) -> Response | None:
        path = request.url.path
        if not path.startswith("/api/"):
            return None
        if world.down:
            return problem(503, "unavailable")
        signing_in = path == "/api/v1/session" and request.method in ("GET", "POST")
        if not signing_in and COOKIE not in request.cookies:
            return problem(401, "signed_out")
        if request.method != "GET" and not signing_in and request.headers.get("x-csrf-token") != CSRF:
            return problem(403, "csrf")
        return None

    routes = [
        Route("/api/v1/session", api.session, methods=["GET", "POST", "DELETE"]),
        Route("/api/v1/account/password", api.password, methods=["POST"]),
        Route("/api/v1/alerts", api.alerts),
        Route("/api/v1/alerts/actions", api.actions, methods=["POST"]),
        Route("/api/v1/alerts/{id}", api.alert),
        Route("/api/v1/stream", api.stream),
        Route("/api/v1/summary", api.summary),
        Route("/{path:path}", console),
    ]
    return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that lives as long as the tests."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


@contextmanager
def serving(world: World, folder: Path) -> Iterator[str]:
    """Serve `world` on a free port of localhost; yields the address."""
    cert, key = certificate(folder)
    config = uvicorn.Config(
        app(world),
        host="127.0.0.1",
        port=0,
        ssl_certfile=cert,
        ssl_keyfile=key,
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="stand-in")
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the stand-in did not start"
        time.sleep(0.01)
    try:
        yield f"https://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        world.down = True
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


__all__ = ["ONE_TIME", "PASSWORD", "USER", "row_of", "serving"]
