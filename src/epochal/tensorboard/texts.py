"""What the Text tab shows, as Markdown."""

from __future__ import annotations

import re

from ..core.run_config import RunConfig


def table(config: RunConfig) -> str:
    r"""Return settings as a table.

    >>> print(table({"optimizer": "Adam", "loss|a": None}))
    | setting | value |
    | --- | --- |
    | optimizer | Adam |
    | loss\|a | – |
    """
    rows = [("setting", "value"), ("---", "---"), *config.items()]
    return "\n".join(f"| {_cell(name)} | {_cell('–' if value is None else value)} |" for name, value in rows)


def listing(text: str) -> str:
    """Return text whose lines and spaces stay as they are: an indented block, which the tab's Markdown knows.

    >>> listing("dense (Dense)")
    '    dense (Dense)'
    """
    return "\n".join(f"    {line}" for line in text.splitlines())


def _cell(value: object) -> str:
    return re.sub(r"([\\`*_{}\[\]|])", r"\\\1", " ".join(str(value).split())).replace("<", "&lt;")
