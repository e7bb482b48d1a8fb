"""The house keeps its shape: who imports whom, first lines, names, and what no file may hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("wire", "agent", "collector")
SIDES = {"wire": {"wire"}, "agent": {"agent", "wire"}, "collector": {"collector", "wire"}}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "core"}

RESIDENT_AGENT = ("requests", "scapy", "duckdb", "sqlalchemy", "starlette")
"""What the agent's resident process must never load, for its size."""


def modules(*packages: str) -> list[Path]:
    return sorted(p for name in packages for p in (ROOT / name).rglob("*.py") if "node_modules" not in p.parts)


def imports(path: Path) -> Iterator[str]:
    """The top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_side_imports_only_itself_and_the_wire(package: str) -> None:
    for path in modules(package):
        ours = set(imports(path)) & {*PACKAGES, "tests", "bench", "deploy"}
        assert ours <= SIDES[package], f"{path.relative_to(ROOT)} imports {ours - SIDES[package]}"


def test_the_wire_needs_two_packages() -> None:
    allowed = {"wire", "msgspec", "zstandard", *sys.stdlib_module_names}
    for path in modules("wire"):
        assert set(imports(path)) <= allowed, path


def test_scapy_stays_in_the_packet_sensor() -> None:
    for path in modules(*PACKAGES, "tests", "bench", "deploy"):
        if "netsensor" not in path.relative_to(ROOT).parts:
            assert "scapy" not in set(imports(path)), (
                f"{path}: scapy is GPL and large; agent/netsensor alone loads it"
            )


def test_the_agent_never_loads_what_is_too_large_for_it() -> None:
    for path in modules("agent"):
        assert not set(imports(path)) & set(RESIDENT_AGENT), path


def test_every_module_says_what_it_is_for() -> None:
    for path in modules(*PACKAGES, "tests", "bench", "deploy"):
        text = path.read_text()
        assert not text or ast.get_docstring(ast.parse(text)), f"{path.relative_to(ROOT)} has no first line"


def test_names_are_the_fields() -> None:
    for path in modules(*PACKAGES):
        assert path.stem not in FORBIDDEN_NAMES, path


def test_no_file_names_a_machine_or_a_registry() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    hosts = ["pypi" + ".org", "registry." + "npmjs", "deb." + "debian.org"]
    for name in filter(None, tracked):
        path = ROOT / name
        if not path.is_file() or path.stat().st_size > 4 << 20:
            continue
        text = path.read_bytes()
        for host in hosts:
            assert host.encode() not in text, f"{name} names {host}"
