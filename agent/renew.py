"""One certificate renewal: a new key, a certificate for the same identity. See `renewal.py` for when.

`python -m agent.renew DIR URL` does it as a process; exit status 0 means that the files in DIR were exchanged.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from agent import certify, identity
from agent.connection import Connection
from agent.exceptions import AgentError, EnrolError
from wire import codec
from wire import version as wire_version
from wire.errors import WireError
from wire.identity import RenewAnswer, RenewRequest

TIMEOUT_SECONDS = 60.0


def renew(directory: Path, url: str) -> identity.Record:
    """Ask for a certificate to a new key and exchange the files in `directory`.

    Raises:
        AgentError: it did not work, and the old files are untouched.
    """
    old = identity.load(directory)
    tls = identity.context(directory)
    connection = Connection(identity.parse_url(url, 443), lambda: tls, TIMEOUT_SECONDS)
    key = certify.new_key()
    try:
        request = codec.encode(RenewRequest(csr=certify.request(key)))
        answer = connection.request("POST", "/v1/renew", request, {"Content-Type": "application/json"})
    finally:
        connection.close()
    if answer.status != 200:
        problem = answer.problem()
        code = problem.code if problem else f"status {answer.status}"
        raise EnrolError(code, f"the collector did not renew our certificate: {code}")
    chain = _chain(answer.body)
    record = certify.record(chain, key, old.identity, old.collector, old.enrolled)
    files = {
        identity.KEY: certify.key_pem(key),
        identity.CERTIFICATE: chain.encode(),
        identity.RECORD: codec.encode(record),
    }
    identity.replace(directory, files)
    return record


def _chain(body: bytes) -> str:
    try:
        answer = codec.decode(body, RenewAnswer, "renewal answer")
        wire_version.check(answer.v, "renewal answer")
    except WireError as error:
        raise EnrolError("bad_answer", str(error)) from error
    return answer.certificate


if __name__ == "__main__":
    try:
        renew(Path(sys.argv[1]), sys.argv[2])
    except AgentError as failure:
        logging.getLogger(__name__).error("%s", failure)
        sys.exit(1)
