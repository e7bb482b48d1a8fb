"""Audit records back into process starts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import records
from agent.sensors.records import CWD, EOE, EXECVE, GAP, SYSCALL, Assembler, ExecRecord

CALLS = {0xC000003E: (59, 322)}
MAX_PIECE = 100
"""Bytes; the kernel cuts at about 7,500, in the same way."""

Record = tuple[int, bytes]


def kernel_string(value: bytes) -> str:
    """As audit_log_n_untrustedstring writes it."""
    if any(byte == 0x22 or not 0x21 <= byte <= 0x7E for byte in value):
        return value.hex().upper()
    return f'"{value.decode()}"'


def execve(arguments: list[bytes]) -> list[bytes]:
    """EXECVE records as audit_log_execve_info writes them: a long argument announced, and cut."""
    texts = [f"argc={len(arguments)}"]
    for place, argument in enumerate(arguments):
        if len(argument) <= MAX_PIECE:
            texts[-1] += f" a{place}={kernel_string(argument)}"
            continue
        texts[-1] += f" a{place}_len={len(argument)}"
        plain = kernel_string(argument).startswith('"')
        for number, start in enumerate(range(0, len(argument), MAX_PIECE)):
            piece = argument[start : start + MAX_PIECE]
            texts.append(f"a{place}[{number}]={kernel_string(piece) if plain else piece.hex().upper()}")
    return [text.encode() for text in texts]


def start(serial: int, arguments: list[bytes], cwd: bytes = b"/", success: str = "yes") -> list[Record]:
    stamp = b"audit(1795545778.344:%d): " % serial
    syscall = f'arch=c000003e syscall=59 success={success} exit=0 ppid=1 pid={serial} exe="/bin/x"'.encode()
    return [
        (SYSCALL, stamp + syscall),
        *((EXECVE, stamp + text) for text in execve(arguments)),
        (CWD, stamp + b"cwd=" + kernel_string(cwd).encode()),
        (EOE, stamp),
    ]


ARGUMENTS = st.lists(st.binary(max_size=350).map(lambda data: data.replace(b"\0", b"")), min_size=1, max_size=8)


@given(ARGUMENTS, st.binary(min_size=1, max_size=40).map(lambda data: data.replace(b"\0", b"x")))
def test_every_argument_comes_back(arguments: list[bytes], cwd: bytes) -> None:
    (found,) = Assembler(CALLS).feed(start(1, arguments, cwd))
    assert found.arguments == [argument.decode(errors="replace") for argument in arguments]
    assert found.cwd == cwd.decode(errors="replace")
    assert found.time_us == 1_795_545_778_344_000
    assert not found.truncated


@given(st.lists(ARGUMENTS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_interleaved_starts_are_told_apart(starts: list[list[bytes]], chance: random.Random) -> None:
    queues = [start(serial, arguments) for serial, arguments in enumerate(starts)]
    mixed: list[Record] = []
    while any(queues):
        mixed.append(chance.choice([queue for queue in queues if queue]).pop(0))
    assembler = Assembler(CALLS)
    found = [done for record in mixed for done in assembler.feed([record])]
    assert {int(done.syscall["pid"]): done.arguments for done in found} == {
        serial: [argument.decode(errors="replace") for argument in arguments]
        for serial, arguments in enumerate(starts)
    }
    assert assembler.incomplete == 0


@given(
    st.lists(st.tuples(st.sampled_from([SYSCALL, CWD, EXECVE, EOE, 1305]), st.binary(max_size=80)), max_size=12)
)
def test_no_bytes_upset_it(garbage: list[Record]) -> None:
    assert all(isinstance(done, ExecRecord) for done in Assembler(CALLS).feed(garbage))


@given(st.binary(max_size=60))
def test_a_damaged_start_is_counted_not_raised(damage: bytes) -> None:
    assembler = Assembler(CALLS)
    broken = [*start(1, [b"x"])[:2], (EXECVE, b"audit(1795545778.344:1): " + damage), *start(1, [])[-1:]]
    assert len(list(assembler.feed(broken))) + assembler.incomplete == 1


def test_failed_starts_and_other_calls_are_neither_starts_nor_lost() -> None:
    assembler = Assembler(CALLS)
    other = [(kind, text.replace(b"syscall=59", b"syscall=101")) for kind, text in start(2, [b"ptrace"])]
    assert list(assembler.feed([*start(1, [b"x"], success="no"), *other])) == []
    assert assembler.incomplete == 0
    assert not assembler._pending


def test_arguments_without_their_call_are_counted_as_lost() -> None:
    assembler = Assembler(CALLS)
    assert list(assembler.feed(start(1, [b"x"])[1:])) == []
    assert assembler.incomplete == 1


def test_a_command_line_without_end_is_bounded_and_says_so() -> None:
    arguments = [b"%06d" % number * 15 for number in range(3_000)]
    stamp = b"audit(1795545778.344:1): "
    begin, *_, end = start(1, [b"x"])
    texts = [(EXECVE, stamp + b"argc=3000")]
    texts += [(EXECVE, stamp + f"a{n}={kernel_string(argument)}".encode()) for n, argument in enumerate(arguments)]
    (found,) = Assembler(CALLS).feed([begin, *texts, end])
    assert found.truncated
    assert 1_000 < len(found.arguments) < 3_000
    gap = found.arguments.index(GAP)
    assert found.arguments[:gap] == [argument.decode() for argument in arguments[:gap]]
    tail = found.arguments[gap + 1 :]
    assert tail == [argument.decode() for argument in arguments[-len(tail) :]]
    assert min(gap, len(tail)) > 400


@given(st.integers(1, 400_000), st.booleans())
def test_what_stands_behind_padding_is_kept(padding: int, spaced: bool) -> None:
    script = b": " + b"A" * padding + b"; evil" if spaced else b"A" * padding + b";evil"
    (found,) = Assembler(CALLS).feed(start(1, [b"bash", b"-c", script, b"last"]))
    assert found.arguments[:2] + found.arguments[3:] == ["bash", "-c", "last"]
    front, gap, end = found.arguments[2].partition(GAP)
    assert bool(gap) is found.truncated
    assert script.startswith(front.encode())
    assert script.endswith((end or front).encode())
    assert found.truncated or front.encode() == script


def test_an_argument_whose_beginning_is_left_out_is_not_taken_for_another() -> None:
    texts = [b'argc=9 a0="x" a1_len=3', b'a1[0]="abc"', b"\0", b'a7[4]="tail" a8="end"']
    assert records.arguments(texts) == ["x", "abc", GAP, "tail", "end"]
    assert records.arguments([*texts[:3], b'a1[4]="tail"']) == ["x", f"abc{GAP}tail"]
    assert records.arguments([*texts[:3], b'a8="end"']) == ["x", "abc", GAP, "end"]


def test_starts_without_end_are_bounded_and_counted() -> None:
    assembler = Assembler(CALLS)
    for serial in range(records.MAX_PENDING + 10):
        assert list(assembler.feed(start(serial, [b"x"])[:-1])) == []
    assert len(assembler._pending) == records.MAX_PENDING
    assert assembler.incomplete == 10
