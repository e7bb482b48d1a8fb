"""`struct audit_status`."""

from __future__ import annotations

import pytest

from agent.helper import status
from agent.helper.exceptions import AuditError


def test_what_is_encoded_is_what_the_kernel_would_read() -> None:
    data = status.encode({"enabled": 1, "backlog_wait_time": 0, "backlog_limit": 8_192})
    assert status.LAYOUT.unpack(data) == (
        status.ENABLED | status.BACKLOG_LIMIT | status.BACKLOG_WAIT_TIME,
        *(1, 0, 0, 0, 8_192, 0, 0, 0, 0),
    )


def test_settings_are_read_back_by_name() -> None:
    settings = {"enabled": 1, "failure": 0, "rate_limit": 7, "backlog_limit": 64, "backlog_wait_time": 15_000}
    assert status.decode(status.encode(settings)).settings() == settings


def test_a_newer_kernels_longer_answer_is_understood_and_a_stump_is_not() -> None:
    data = status.encode({"failure": 1})
    assert status.decode(data + b"\0" * 12).failure == 1
    with pytest.raises(AuditError, match="39 bytes"):
        status.decode(data[:-1])
