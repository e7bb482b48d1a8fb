"""Headers on everything, the names we answer to, TLS, and the console's files."""

from __future__ import annotations

import gzip
import socket
import ssl
from pathlib import Path

import pytest

from collector.api.console import load
from collector.api.guard import bare_host
from collector.console import SECURITY_HEADERS
from tests.api.responder_process import Browser, Running, running_in

EVERYWHERE = [
    ("GET", "/"), ("GET", "/alerts/some-id"), ("GET", "/assets/index-abc123.js"), ("GET", "/assets/none.js"),
    ("GET", "/healthz"), ("GET", "/api/v1/alerts"), ("GET", "/api/none"), ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/alerts"), ("POST", "/anything"), ("HEAD", "/"), ("GET", "/api/v1/openapi.json"),
    ("OPTIONS", "/api/v1/alerts"), ("GET", "/%2e%2e/%2e%2e/etc/passwd"), ("GET", "/api/v1/alerts/%ff"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_every_answer_carries_the_security_headers(stranger: Browser, method: str, path: str) -> None:
    answer = stranger.call(method, path)
    assert answer.status_code < 500
    for name, value in SECURITY_HEADERS:
        assert answer.headers[name] == value, name
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "collector.test.", "[::2]"])
def test_other_names_are_refused(stranger: Browser, host: str) -> None:
    answer = stranger.get("/", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "bad_host")
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["localhost:38443@evil", "localhost/", "[::1]x", "localhost:1:2", "a@localhost", "localhost evil"]
)
def test_a_host_that_is_more_than_name_and_port_is_malformed(stranger: Browser, host: str) -> None:
    answer = stranger.get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_host")


def test_two_host_headers_are_malformed(running: Running) -> None:
    context = ssl.create_default_context(cafile=running.layout.root_certificate)
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
        assert secured.recv(4096).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("host", ["collector.test", "COLLECTOR.test:8443", "127.0.0.1", "[::1]:1"])
def test_our_names_are_served(stranger: Browser, host: str) -> None:
    assert stranger.get("/healthz", headers={"Host": host}).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("header", "name"),
    [("a:1", "a"), ("[::1]:1", "::1"), ("[::1", "::1"), ("", ""), ("A.b ", "a.b"), ("a:b:c", "a")],
)
def test_a_host_header_gives_its_name(header: str, name: str) -> None:
    assert bare_host(header) == name


def test_assets_are_cached_for_ever_and_the_page_never(stranger: Browser) -> None:
    page = stranger.get("/alerts/any?status=open")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    asset = stranger.get("/assets/index-abc123.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-encoding"] == "gzip"
    plain = stranger.get("/assets/index-abc123.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == asset.text
    unchanged = stranger.get("/assets/index-abc123.js", headers={"If-None-Match": asset.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_missing_asset_is_missing_and_no_page(stranger: Browser) -> None:
    answer = stranger.get("/assets/index-old.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize("path", ["/.secret", "/link", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd"])
def test_nothing_but_the_built_files_is_served(stranger: Browser, path: str) -> None:
    answer = stranger.get(path)
    assert "hidden" not in answer.text
    assert "root:" not in answer.text
    assert "<title>console</title>" in answer.text


def test_only_regular_visible_files_are_loaded(console_dir: Path) -> None:
    assets = load(console_dir)
    assert set(assets) == {"/index.html", "/assets/index-abc123.js", "/icon.svg"}
    packed = assets["/assets/index-abc123.js"].packed
    assert packed is not None
    assert gzip.decompress(packed) == assets["/assets/index-abc123.js"].content
    assert load(console_dir / "assets") == {}


def test_an_unbuilt_console_says_how_to_build_it_and_is_served_once_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist = tmp_path / "dist"
    monkeypatch.setenv("CONSOLE_DIR", str(dist))
    for running in running_in(tmp_path):
        browser = running.browser()
        answer = browser.get("/")
        assert answer.status_code == 503
        assert "./dev setup" in answer.text
        dist.mkdir()
        (dist / "index.html").write_text("<title>built</title>")
        assert "built" in browser.get("/").text


def test_unknown_addresses_and_methods_of_the_api_are_problems(stranger: Browser) -> None:
    for method, path, expected in (
        ("GET", "/api/v1/none", (404, "not_found")),
        ("GET", "/api/", (404, "not_found")),
        ("DELETE", "/api/v1/alerts", (405, "method_not_allowed")),
        ("PUT", "/api/v1/session", (405, "method_not_allowed")),
    ):
        answer = stranger.call(method, path)
        assert (answer.status_code, answer.json()["code"]) == expected
        assert answer.headers["content-type"] == "application/problem+json"


def handshake(running: Running, **versions: ssl.TLSVersion) -> str:
    context = ssl.create_default_context(cafile=running.layout.root_certificate)
    for name, value in versions.items():
        setattr(context, name, value)
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return str(secured.version())


def test_tls_is_modern_only(running: Running) -> None:
    assert handshake(running) == "TLSv1.3"
    assert handshake(running, maximum_version=ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="deprecated"), pytest.raises(ssl.SSLError):
        handshake(running, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_plain_http_gets_nothing(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"ok" not in plain.recv(4096)
