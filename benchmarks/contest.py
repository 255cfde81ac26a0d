"""Contestants that take turns, so that a noisy machine is noisy for all of them."""

from collections.abc import Callable, Mapping


def best_of(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Let each contestant do its work once a round, and return the best time of each.

    A contestant does its work and returns the seconds that count. The first round, in which things are
    compiled, doesn't.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            times[name].append(run())
    return {name: min(taken[1:]) for name, taken in times.items()}


def report(what: str, value: float, limit: float, unit: str = "x") -> None:
    """Print a figure beside what it should be at most."""
    verdict = "ok" if value <= limit else "NOT REACHED"
    print(f"  {what:<58} {value:8.3g} {unit:<3} (at most {limit:g}) {verdict}", flush=True)
