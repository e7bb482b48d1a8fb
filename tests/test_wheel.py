"""The wheel carries rules, playbooks and the console, and works where there is no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages with our wheel unpacked into it."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", directory, "."],
        cwd=ROOT,
        check=True,
        timeout=170,
    )
    (wheel,) = directory.glob("lien_phong-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", directory / "site", wheel], check=True, timeout=120)
    return directory / "site"


def python(site: Path, *arguments: object) -> str:
    """Run this Python with the wheel's packages before any checkout."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], env={**os.environ, "PYTHONPATH": str(site)}, cwd="/",
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_carries_what_the_product_needs(site: Path) -> None:
    assert list((site / "collector/content/rules").rglob("*.yml"))
    assert (site / "collector/content/playbooks").is_dir()
    assert "<script" in (site / "collector/console/dist/index.html").read_text()
    assert list((site / "collector/state/migrations").rglob("*.py"))
    assert not (site / "collector/console/web").exists()
    assert not (site / "tests").exists()


def test_a_collector_is_made_and_rules_are_found_without_a_checkout(site: Path, tmp_path: Path) -> None:
    where = python(
        site, "-c", "import collector, agent, wire; print(collector.__file__, agent.__file__, wire.__file__)"
    )
    assert all(path.startswith(str(site)) for path in where.split())
    cli = "import sys; from collector.cli import main; sys.exit(main())"
    made = json.loads(
        python(site, "-c", cli, "init", "--data", tmp_path / "c", "--hostname", "a.test", "--format", "json")
    )
    assert Path(made["enrolment_token_file"]).is_file()
    (tmp_path / "none.jsonl").write_text("")
    rules = site / "collector/content/rules"
    summary = tmp_path / "summary.json"
    python(site, "-c", cli, "detect", tmp_path / "none.jsonl", "--rules", rules, "--summary", summary)
    told = json.loads(summary.read_text())
    assert (told["rules"] > 10, told["rules_refused"]) == (True, [])
