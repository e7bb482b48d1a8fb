"""Worker processes: results in order, nothing stuck on full pipes, a death is told."""

from __future__ import annotations

import os

import pytest

from collector.detection.exceptions import DetectionError
from collector.detection.offline import Bad, Result, Work
from collector.detection.workers import Workers


def echo(work: Work) -> Result:
    return Result(work.file, events=work.index, bad=[Bad(0, 0, "x" * 1_000)] * work.line)


@pytest.mark.timeout(30)
def test_results_come_in_order_and_large_ones_stop_nobody() -> None:
    workers = Workers(3, echo)
    items: list[Work | Result] = [Work("f", index=n, line=500, texts=[b"y" * 200_000]) for n in range(20)]
    items.insert(5, Result("told", events=99))
    found = [result.events for result in workers.results(items)]
    workers.close()
    assert found == [0, 1, 2, 3, 4, 99, *range(5, 20)]


@pytest.mark.timeout(30)
def test_a_process_that_dies_is_told() -> None:
    workers = Workers(1, lambda work: os._exit(3))
    with pytest.raises(DetectionError, match="ended before its work was done"):
        list(workers.results([Work("f")]))
    workers.close()
