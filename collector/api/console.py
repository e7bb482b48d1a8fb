"""The console's built files, read once and served from memory; any other address is the console's to interpret."""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from collector.console import IMMUTABLE_PREFIX

MAX_FILES = 2_000
MAX_BYTES = 64 << 20
GZIP_FROM_BYTES = 1_024
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "application/manifest", "image/svg")

FOR_EVER = "public, max-age=31536000, immutable"
NEVER = "no-store"

NOT_BUILT = """\
<!doctype html><html lang="vi"><meta charset="utf-8"><title>Liên Phòng</title>
<h1>Giao diện chưa được dựng / The console is not built</h1>
<p>Chạy lệnh sau trong thư mục mã nguồn rồi tải lại trang: / Run this in the source tree, then reload:</p>
<pre>./dev setup</pre>
"""


@dataclass(frozen=True)
class Asset:
    """One file, ready to be sent."""

    content: bytes
    packed: bytes | None
    media_type: str
    etag: str
    cache: str


class Console:
    """The files under `directory` by URL path. Where they are not built yet, a page says how to build them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._assets: dict[str, Asset] = {}

    async def serve(self, request: Request) -> Response:
        """A file, or the console's one page for every address that is no file."""
        if not self._assets:
            self._assets = load(self._directory)
        path = request.url.path
        asset = self._assets.get(path)
        if asset is None and path.startswith(IMMUTABLE_PREFIX):
            return Response("no such file", HTTPStatus.NOT_FOUND, {"Cache-Control": NEVER}, "text/plain")
        asset = asset or self._assets.get("/index.html")
        if asset is None:
            return HTMLResponse(NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, {"Cache-Control": NEVER})
        return _answer(request, asset)


def load(directory: Path) -> dict[str, Asset]:
    """Every file under the directory, by URL path; nothing when there is no index.html.

    Hidden files and symbolic links are left out.
    """
    if not (directory / "index.html").is_file():
        return {}
    assets: dict[str, Asset] = {}
    budget = MAX_BYTES
    for file in sorted(directory.rglob("*")):
        relative = file.relative_to(directory)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or file.is_symlink() or not file.is_file():
            continue
        budget -= file.stat().st_size
        if budget < 0 or len(assets) >= MAX_FILES:
            break
        assets[f"/{relative.as_posix()}"] = _asset(file, f"/{relative.as_posix()}")
    return assets


def _asset(file: Path, path: str) -> Asset:
    content = file.read_bytes()
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    worth = len(content) >= GZIP_FROM_BYTES and media_type.startswith(COMPRESSIBLE)
    return Asset(
        content=content,
        packed=gzip.compress(content, 9, mtime=0) if worth else None,
        media_type=media_type,
        etag=f'"{sha256(content).hexdigest()[:32]}"',
        cache=FOR_EVER if path.startswith(IMMUTABLE_PREFIX) else NEVER if path == "/index.html" else "no-cache",
    )


def _answer(request: Request, asset: Asset) -> Response:
    headers = {"Cache-Control": asset.cache, "Vary": "Accept-Encoding"}
    if asset.cache != NEVER:
        headers["ETag"] = asset.etag
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    content = asset.content
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = asset.packed
    return Response(content, headers=headers, media_type=asset.media_type)
