"""Contestants that take turns, so that a noisy machine is noisy for all of them."""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def samples(contestants: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """Let each contestant do its work once a round, and return the times of each.

    A contestant does its work and returns the seconds that count. The first round, in which things are
    compiled, doesn't.
    """
    times: dict[Name, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            times[name].append(run())
    return {name: taken[1:] for name, taken in times.items()}


def best_of(contestants: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, float]:
    """Return the best time of each contestant of several rounds."""
    return {name: min(taken) for name, taken in samples(contestants, rounds).items()}


def report(what: str, value: float, limit: float, unit: str = "x") -> None:
    """Print a figure beside what it should be at most."""
    verdict = "ok" if value <= limit else "NOT REACHED"
    print(f"  {what:<58} {value:8.3g} {unit:<3} (at most {limit:g}) {verdict}", flush=True)
