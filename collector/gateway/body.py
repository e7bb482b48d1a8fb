"""Reads a request's body: of stated length, of the right kind, within its time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from collector.gateway.exceptions import Refused

STALL_S = 15.0
"""Between two pieces of a body."""

BODY_S = 120.0
"""For the whole of it: 8 MiB over half a megabit a second."""


def length(request: Request, limit: int, content_type: str) -> int:
    """The length that the request states, before anything of its body is read.

    Raises:
        Refused: `content_type`, `length_required`, `malformed` or `too_large`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != content_type:
        raise Refused("content_type", f"expected {content_type}")
    if "transfer-encoding" in request.headers or "content-length" not in request.headers:
        raise Refused("length_required", "send Content-Length, without Transfer-Encoding")
    size = int(request.headers["content-length"])
    if size > limit:
        raise Refused("too_large", f"{size} bytes; the limit is {limit}")
    return size


async def read(request: Request) -> bytes:
    """The whole body, of a size that `length` has allowed.

    Raises:
        Refused: `timeout`.
        ClientDisconnect: the other side is gone; there is nobody to answer.
    """
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(request)
    except TimeoutError:
        raise Refused("timeout", "the body did not arrive in time", 1.0) from None


async def _read(request: Request) -> bytes:
    pieces: list[bytes] = []
    while True:
        async with asyncio.timeout(STALL_S):
            message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message["body"])
        if not message.get("more_body", False):
            return b"".join(pieces)
