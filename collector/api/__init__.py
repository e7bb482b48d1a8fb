"""The people's door: sign-in, access, REST under /api/v1, server-sent events, and the console's files."""

from collector.api.app import ROUTES, create_app
from collector.api.passwords import Passwords
from collector.api.services import Services
from collector.api.sessions import Policy
from collector.api.stream import Hub

__all__ = ["ROUTES", "Hub", "Passwords", "Policy", "Services", "create_app"]
