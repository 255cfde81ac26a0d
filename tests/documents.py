"""Run the code blocks of a Markdown page as its reader would: in order, in one folder.

- Blocks of `python` share one namespace. One with a `title="train.py"` is a script of its own, in that file.
- A block of `text` right after one of `python` is what that one prints: numbers nearly, times not at all.
- `<!-- needs lightning -->` before a block: where that library isn't installed, the block is only compiled.
- Blocks of `bash` are checked by Bash, `yaml` and `toml` by their parsers, and each command of this project's in `console`
  is one that there is.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(
    r"(?:<!-- needs (?P<needs>\w+) -->\n+)?^(?P<indent> *)```(?P<language>\w+)(?P<options>[^\n]*)\n(?P<code>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)
TIME = re.compile(r" *\d[\d.]*\s?(us|µs|ms|s|MB/s)(?=\W|$)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Block:
    """One code block of a page."""

    language: str
    code: str
    line: int
    title: str | None = None
    needs: str | None = None
    prints: str | None = None
    """What it should print, where the page says so."""


def blocks(path: Path) -> Iterator[Block]:
    """Return the page's blocks, in order."""
    text, found = path.read_text(), list(FENCE.finditer(path.read_text()))
    for block, after in zip(found, [*found[1:], None][: len(found)], strict=True):
        title = re.search(r'title="([^"]+)"', block["options"])
        shown = after and after["language"] == "text" and not text[block.end() : after.start()].strip()
        yield Block(
            block["language"],
            undented(block),
            text.count("\n", 0, block.start("language")) + 1,
            title and title[1],
            block["needs"],
            undented(after) if shown else None,
        )


def undented(fence: re.Match[str]) -> str:
    """Return the code of a fence that may stand in a list or a tab."""
    return re.sub(f"^{fence['indent']}", "", fence["code"], flags=re.MULTILINE)


def run_page(path: Path) -> dict[str, object]:
    """Run a page's blocks in the current folder and return what they define."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path):
        if block.language == "python":
            run_python(path, block, names)
    return names


def run_python(path: Path, block: Block, names: dict[str, object]) -> None:
    """Run a block, and hold what it prints against what the page says."""
    where = "\n" * block.line + block.code  # so that a traceback names the line of the page
    code = compile(where, path.name, "exec")
    if block.needs and importlib.util.find_spec(block.needs) is None:
        return
    if block.prints is None:
        execute(code, block, names)
        return
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        execute(code, block, names)
    difference = first_difference(block.prints, printed.getvalue())
    assert difference is None, f"{path.name}, line {block.line}: {difference}\n--- printed:\n{printed.getvalue()}"


def execute(code: object, block: Block, names: dict[str, object]) -> None:
    """Run a block's code in the page's namespace, or as the script that its title names."""
    if block.title is None:
        exec(code, names)  # type: ignore[arg-type]
    else:
        Path(block.title).write_text(block.code)
        runpy.run_path(block.title, run_name="__main__")


def first_difference(expected: str, printed: str) -> str | None:
    """Say where a printed text isn't the expected one, in which a line of `...` stands for any lines."""
    wanted, lines = expected.strip().splitlines(), iter(printed.split("\r")[-1].strip().splitlines())
    skipping = False
    for line in wanted:
        if line.strip() in ("...", "…"):
            skipping = True
            continue
        found = next((got for got in lines if not skipping or alike(line, got)), None)
        if found is None or not alike(line, found):
            return f"the page says {line!r}, printed is {found!r}"
        skipping = False
    more = None if skipping else next(lines, None)
    return more and f"the page says nothing of {more!r}"


def alike(expected: str, printed: str) -> bool:
    """Whether two lines are equal but for times and for a twentieth of each number."""
    expected, printed = (TIME.sub("#", line.rstrip()) for line in (expected, printed))
    if [*NUMBER.split(expected)] != [*NUMBER.split(printed)]:
        return False
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(printed), strict=True)
    return all(abs(float(a) - float(b)) <= 0.05 * max(abs(float(a)), abs(float(b))) + 1e-9 for a, b in pairs)


def check_other(block: Block) -> None:
    """Hold a block that isn't Python to its own language, and the project's commands to what there is."""
    if block.language in ("bash", "sh"):
        subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    elif block.language == "yaml":
        list(yaml.safe_load_all(block.code))
    elif block.language == "toml":
        tomllib.loads(block.code)
    elif block.language == "console":
        for command in re.findall(r"^\$ (.+?)(?: +#.*)?$", block.code, re.MULTILINE):
            assert is_there(command), command


def is_there(command: str) -> bool:
    """Whether a command that begins with `make` or `epochal` is one of this project's."""
    from epochal.cli import main

    first, *rest = command.split()
    if first == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return all(word in targets for word in rest if "=" not in word)
    if Path(first).name == "epochal":
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                main([*rest, "--help"])
        except SystemExit as end:
            return end.code == 0
    return True
