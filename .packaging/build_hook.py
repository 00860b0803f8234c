"""Puts man pages and completion scripts into the wheel and the sdist."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHARE = "dci_downloader/share"
COMPLETIONS = {
    "bash": "share/bash-completion/completions/dci-downloader",
    "zsh": "share/zsh/site-functions/_dci-downloader",
    "fish": "share/fish/vendor_completions.d/dci-downloader.fish",
}
EXAMPLE = "downloader.yml.example"


class GeneratedFiles(BuildHookInterface):
    """Generates the files, or takes those of the sdist; a checkout that is installed for editing does without."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to what is built."""
        if version == "editable":
            return
        folder = Path(self.root, SHARE)
        if not folder.is_dir():
            self._temporary = tempfile.TemporaryDirectory()
            folder = Path(self._temporary.name)
            subprocess.run([sys.executable, "-B", ".packaging/generate.py", folder], cwd=self.root, check=True)
        if self.target_name == "sdist":
            build_data["force_include"][str(folder)] = SHARE
            return
        build_data["force_include"][str(folder / "completions")] = f"{SHARE}/completions"
        shared = {str(folder / "completions" / shell): path for shell, path in COMPLETIONS.items()}
        shared[str(folder / "man1")] = "share/man/man1"
        shared[str(Path(self.root, EXAMPLE))] = f"share/doc/dci-downloader/{EXAMPLE}"
        build_data["shared_data"].update(shared)
