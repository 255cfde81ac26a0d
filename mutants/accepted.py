"""Survivors that nothing needs to be done about, each with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mutants.mutations import Mutant


class Accepted:
    """A list of survivors: `file`, the lines `old` and `new` as the report shows them, and `why` no test kills them.

    Raises:
        ValueError: One has no reason, or its line is no longer in its file: it would accept what nobody has looked at.
    """

    def __init__(self, listed: Path, package: Path) -> None:
        survivors = tomllib.loads(listed.read_text("utf-8")).get("survivor", [])
        for survivor in survivors:
            file, old = survivor["file"], survivor["old"]
            if not survivor.get("why"):
                raise ValueError(f"{listed.name}: no reason is given for {file}, {old!r}.")
            source = {line.strip() for line in (package / file).read_text("utf-8").splitlines()}
            if not source.issuperset(old.splitlines()):
                raise ValueError(f"{listed.name}: {file} has no longer the line {old!r}.")
        self._known = {(s["file"], s["old"], s["new"]) for s in survivors}

    def has(self, mutant: Mutant) -> bool:
        """Return whether it is listed."""
        return (mutant.path.as_posix(), mutant.old, mutant.new) in self._known
