"""Write the measured tables into the pages: `python -m benchmarks.figures`.

A page says where: a table is put between `<!-- peers:begin -->` and `<!-- peers:end -->`, or another name of `TABLES`.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "figures"
PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md", *sorted((ROOT / "docs" / "callbacks").glob("*.md")))

Results = Mapping[str, Any]
Score = Mapping[str, Any]

NOTHING = "–"


def rounded(value: float) -> str:
    """Return a number with two or three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2g}"


def spread(values: Iterable[float]) -> str:
    """Return the median and, in parentheses, the least and the most, where there are several."""
    ordered = sorted(values)
    middle = rounded(statistics.median(ordered))
    return middle if len(ordered) == 1 else f"{middle} ({rounded(ordered[0])}–{rounded(ordered[-1])})"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(header)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def of_peers(results: Results, cell: Callable[[Mapping[str, Any], Score], str]) -> str:
    """Return a table of contestants by workloads, with a cell for each score, and below it why some are out."""
    workloads, reasons = results["workloads"], errors(results)
    titles = {name: score["title"] for w in workloads.values() for name, score in w["contestants"].items()}

    def one(workload: Mapping[str, Any], name: str) -> str:
        score = workload["contestants"].get(name)
        if score is None:
            return NOTHING
        return f"out ({reasons.index(score['error']) + 1})" if score["error"] else cell(workload, score)

    rows = ([title, *(one(w, name) for w in workloads.values())] for name, title in titles.items())
    notes = [f"({number}) {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n\n".join([table(["", *workloads], rows), *notes])


def errors(results: Results) -> list[str]:
    """Return why contestants are out, each reason once."""
    scores = (score for workload in results["workloads"].values() for score in workload["contestants"].values())
    return list(dict.fromkeys(score["error"] for score in scores if score["error"]))


def steps(variant: str) -> Callable[[Results], str]:
    return lambda results: of_peers(results, lambda _, score: spread(score["steps"][variant]))


def stall(results: Results) -> str:
    """Return by how many ms an epoch with a checkpoint is longer; medians of both."""

    def cell(workload: Mapping[str, Any], score: Score) -> str:
        with_it, without = (statistics.median(score["steps"][variant]) for variant in ("checkpoint", "plain"))
        return f"{(with_it - without) * workload['steps'] / 1e3:.1f}"

    return of_peers(results, cell)


def moments(results: Results) -> list[Mapping[str, Any]]:
    """Return the times and loads at which parts of the results began and ended."""
    parts = results["workloads"].values() if "workloads" in results else [results]
    return [part[when] for part in parts for when in ("began", "ended")]


def busy(results: Results) -> bool:
    """Whether the machine did other work than a contestant's, which alone keeps all cores busy."""
    return any(moment["load"] > 2 * results["machine"]["cores"] + 1 for moment in moments(results))


def described(results: Results) -> str:
    """Return a sentence on the machine."""
    machine = results["machine"]
    day = min(moment["time"] for moment in moments(results))[:10]
    loads = [moment["load"] for moment in moments(results)]
    variables = [f"{name}={value}" for name, value in machine["environment"].items()]
    size = ", ".join([f"{machine['cores']} cores", f"{machine['memory GB']} GB", *variables])
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number)
    rely = "**The machine was busy with other work: don't rely on these figures.**" if busy(results) else ""
    return (
        f"Measured by `{results['command']}` on {day}: {machine['processor']}, {size}; "
        f"load average {min(loads):g} to {max(loads):g}. {versions}.\n\n{rely}"
    ).rstrip()


def workloads(results: Results) -> str:
    found = results["workloads"]
    rows = ([name, w["title"], str(w["steps"]), f"{w['rounds']} × {w['epochs']}"] for name, w in found.items())
    return table(["workload", "what", "steps an epoch", "samples: rounds × epochs"], rows)


def scaling(results: Results) -> str:
    """Return a row a series: the best time at each size, and the exponents."""

    def row(series: Mapping[str, Any]) -> Iterable[str]:
        yield series["title"]
        best = {size: min(values) for size, values in series["ours"]["samples"].items()}
        yield ", ".join(f"{int(size):,}: {rounded(time)}" for size, time in best.items()) + f" {series['unit']}"
        yield f"{series['ours']['exponent']:.2f}"
        yield f"{series['by hand']['exponent']:.2f}" if "by hand" in series else NOTHING

    rows = (row(series) for series in results["series"].values())
    return table(["cost of", "size: best time", "exponent", "exponent by hand"], rows)


def callbacks(*names: str) -> Callable[[Results], str]:
    """Return what makes the table of what callbacks add to an epoch and a step: all, or those whose names begin so."""

    def cells(fit: Mapping[str, Any], what: str) -> Iterable[str]:
        bare = min(fit["without"])
        adds = fit["with"][what] - bare
        return f"{adds:+.1f}", f"{adds / fit['steps'] * 1e3:+.1f}", f"{fit['with'][what] / bare:.2f}"

    def make(results: Results) -> str:
        fits = results["fits"]
        columns = [f"*{name}*: {what}" for name in fits for what in ("ms an epoch", "µs a step", "times as long")]
        listed = [what for what in next(iter(fits.values()))["with"] if not names or what.startswith(names)]
        rows = ([what, *(cell for fit in fits.values() for cell in cells(fit, what))] for what in listed)
        return table(["", *columns], rows)

    return make


def without_callbacks(results: Results) -> str:
    """Return sentences on the fits without callbacks, which say how much of the figures is noise."""
    return " ".join(
        f"Without callbacks an epoch of *{name}*, {fit['steps']:,} steps, took {min(fit['without']):.1f} ms, and the "
        f"slowest of {len(fit['without'])} such contestants {max(fit['without']):.1f} ms."
        for name, fit in results["fits"].items()
    )


TABLES: dict[str, tuple[str, Callable[[Results], str]]] = {
    "peers": ("peers", steps("plain")),
    "peers-losses": ("peers", steps("losses")),
    "peers-validation": ("peers", steps("validation")),
    "peers-checkpoint": ("peers", stall),
    "peers-start": ("peers", lambda results: of_peers(results, lambda _, score: spread(score["starts"]))),
    "peers-memory": ("peers", lambda results: of_peers(results, lambda _, score: rounded(score["peak"]))),
    "peers-workloads": ("peers", workloads),
    "peers-machine": ("peers", described),
    "scaling": ("scaling", scaling),
    "scaling-machine": ("scaling", described),
    "callbacks": ("callbacks", callbacks()),
    "callbacks-without": ("callbacks", without_callbacks),
    "callbacks-machine": ("callbacks", described),
}
"""By name: the file of results in docs/figures, and what makes the table of it."""

COSTS = {
    "early_stopping": ("EarlyStopping",),
    "reduce_lr_on_plateau": ("ReduceLROnPlateau",),
    "learning_rate_scheduler": ("LearningRateScheduler",),
    "model_checkpoint": ("ModelCheckpoint",),
    "backup_and_restore": ("BackupAndRestore",),
    "swap_ema_weights": ("SwapEMAWeights",),
    "terminate_on_nan": ("TerminateOnNaN",),
    "csv_logger": ("CSVLogger",),
    "tensorboard": ("TensorBoard",),
    "remote_monitor": ("RemoteMonitor",),
    "progbar_logger": ("ProgbarLogger",),
    "history": ("History",),
    "lambda_callback": ("LambdaCallback", "one for every batch"),
}
"""Which rows of the table of callbacks stand on which page."""

TABLES |= {f"cost-{page}": ("callbacks", callbacks(*names)) for page, names in COSTS.items()}


def filled(page: str, results: Mapping[str, Results]) -> str:
    """Return a page with its tables made of the results.

    Raises:
        ValueError: If a mark names no table, or the table's results aren't there.
    """

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in TABLES:
            raise ValueError(f"no table is named {name!r}; there are: {', '.join(TABLES)}")
        source, make = TABLES[name]
        if source not in results:
            raise ValueError(f"{name} is made of docs/figures/{source}.json, which isn't there: measure it first")
        return f"<!-- {name}:begin -->\n\n{make(results[source])}\n\n<!-- {name}:end -->"

    marks = re.compile(r"<!-- (?P<name>[\w-]+):begin -->.*?<!-- (?P=name):end -->", re.DOTALL)
    return marks.sub(fill, page)


def read(folder: Path = FOLDER) -> dict[str, Results]:
    """Return all files of results by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def save(name: str, results: Results) -> None:
    """Write results into docs/figures, and their tables into the pages."""
    write(FOLDER / f"{name}.json", results)
    main()


def write(path: Path, results: Results) -> None:
    """Write results into a file, which is whole at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False, default=str)
    whole = path.with_suffix(".new")
    whole.write_text(text + "\n", encoding="utf-8")
    whole.replace(path)


def current(page: Path, results: Mapping[str, Results]) -> str:
    """Return what a page should say. What an otherwise idle machine said stays in the README until the next one's."""
    text = page.read_text(encoding="utf-8")
    reliable = page.name != "README.md" or not busy(results["peers"])
    return filled(text, results) if reliable else text


def main() -> None:
    results = read()
    for page in PAGES:
        page.write_text(current(page, results), encoding="utf-8")


if __name__ == "__main__":
    main()
