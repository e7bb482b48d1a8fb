"""What the sensors say where they cannot work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.agent.helper.audit_state import Audit
from tests.agent.helper.divided import Divided

PROGRAM = Path(__file__).with_name("watching.py")


@pytest.mark.root
def test_where_auditing_cannot_be_had_the_reason_reaches_the_person(audit: Audit, reachable: Path) -> None:
    subprocess.run(["auditctl", "-a", "task,never"], check=True, capture_output=True)
    divided = Divided(PROGRAM, reachable, "process")
    try:
        divided.wait_said("^availability False an audit rule `-a never,task`")
        divided.wait_said("SensorError: process starts: .*Delete it")
    finally:
        divided.close()
