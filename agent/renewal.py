"""When the certificate is renewed: after two thirds of its life, in a child that takes `cryptography` with it."""

from __future__ import annotations

import importlib
import logging
import os
import random
import subprocess
import sys
from pathlib import Path

from agent import clock, identity
from agent.exceptions import AgentError, EnrolError

log = logging.getLogger(__name__)

TRIES = 50
"""In the last third of the certificate's life."""

CHILD_SECONDS = 120.0


class Renewal:
    """The record of the current certificate, and its timely exchange. For one thread."""

    def __init__(self, directory: Path, record: identity.Record) -> None:
        self._directory = directory
        self._record = record
        self._next_try = record.renew_at()

    @property
    def record(self) -> identity.Record:
        """The identity now in force."""
        return self._record

    def attempt(self, url: str, offset_us: int) -> bool:
        """Renew when it is time (by the collector's clock: ours plus `offset_us`); True when a new certificate is
        in place. A failure is logged and tried again later, with jitter."""
        now = clock.now_us() + offset_us
        if now < self._next_try:
            return False
        try:
            _renew(self._directory, url)
            self._record = identity.load(self._directory)
        except AgentError as error:
            log.warning("%s", error)
            self._next_try = now + self._pause()
            return False
        self._next_try = max(self._record.renew_at(), now + self._pause())
        return True

    def _pause(self) -> int:
        left = self._record.not_after - self._record.renew_at()
        return int(left / TRIES * random.uniform(0.5, 1.5))  # noqa: S311 -- spreads load, guards nothing


def _renew(directory: Path, url: str) -> None:
    """In a child process, which takes no module from its working directory (`-P`); in this one where our account
    may not run the interpreter."""
    if not os.access(sys.executable, os.X_OK):
        importlib.import_module("agent.renew").renew(directory, url)
        return
    command = [sys.executable, "-P", "-m", "agent.renew", str(directory), url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnrolError("renewal", f"the certificate was not renewed: {error}") from error
    if done.returncode:
        reason = done.stderr.strip().rsplit("\n", 1)[-1]
        raise EnrolError("renewal", f"the certificate was not renewed: {reason}")
