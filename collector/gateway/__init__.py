"""The agents' door: mutual TLS, admission on every request, batches into the inbox, and the enrolment listener."""

from __future__ import annotations

from collector.gateway.exceptions import GatewayError, ListenError
from collector.gateway.service import serve

__all__ = ["GatewayError", "ListenError", "serve"]
