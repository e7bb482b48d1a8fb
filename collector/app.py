"""The only place that wires rooms together: one process of the collector, by its role."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from collector.exceptions import CollectorError, SetupError
from collector.layout import Layout
from collector.privileges import drop, end_with_parent
from collector.settings import Settings, load
from collector.supervisor import ROLES, SUPERVISOR_PID, announce_ready

LOCK_WAIT_S = 20.0


async def signer(layout: Layout, settings: Settings) -> None:
