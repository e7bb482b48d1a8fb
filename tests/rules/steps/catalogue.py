"""Every step there is, in the order of the rules' subjects."""

from __future__ import annotations

from tests.rules.steps.concealment import CONCEALMENT
from tests.rules.steps.execution import EXECUTION
from tests.rules.steps.log_ins import LOG_INS
from tests.rules.steps.network_shells import NETWORK_SHELLS
from tests.rules.steps.persistence import PERSISTENCE

STEPS = (*NETWORK_SHELLS, *PERSISTENCE, *CONCEALMENT, *EXECUTION, *LOG_INS)
