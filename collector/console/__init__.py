"""The web console: where its built files lie, and the headers they must be served with.

The source is Svelte and TypeScript in ``web/``; ``npm ci --ignore-scripts && npm run build`` there writes
:data:`DIST`. No Node is needed at run time: the API serves these files and nothing else belongs to the console.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

DIST: Final = Path(__file__).parent / "dist"
"""Directory of the built files: ``index.html`` (answer to every unknown path outside ``/api``) and ``assets/``."""

IMMUTABLE_PREFIX: Final = "/assets/"
"""Files under this URL prefix carry a hash of their content in the name: they may be cached for ever."""

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        # Svelte 5 parses its compiled templates (never data) through this one policy.
        "trusted-types svelte-trusted-html",
    )
)
"""Value of ``Content-Security-Policy`` for every answer of the console's door, the API's included."""

SECURITY_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Strict-Transport-Security", "max-age=31536000"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
"""Headers the browser tests run under; the web listener sends exactly these."""
