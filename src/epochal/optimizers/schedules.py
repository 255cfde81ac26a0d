"""Learning rates that follow from the number of the step, which optimizers take, by Keras's names and formulas.

Source: keras/src/optimizers/schedules/learning_rate_schedule.py of Keras 3.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ..messages.names import snake_case
from ..messages.numeric import whole
from ..registry import Config, Named, Registry
from .ranges import not_negative, number


class LearningRateSchedule(Named):
    """The base of schedules: a subclass writes `__call__(self, step)`, of functions of JAX.

        >>> class Halves(LearningRateSchedule):
        ...     def __init__(self, first, name=None):
        ...         super().__init__(name)
        ...         self.first = first
        ...     def __call__(self, step):
        ...         return self.first / 2.0**step
        >>> from epochal.optimizers import SGD
        >>> SGD(Halves(0.5)).schedule(2)
        0.125

    `optimizer.schedule` is the schedule; the rate itself can't be set. Attributes with the names of the constructor's
    arguments are what a file keeps of it; one of your own class is loaded with `custom_objects`.

    Args:
        name: The class's in snake case if None.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name or snake_case(type(self).__name__))

    def __call__(self, step: ArrayLike) -> Any:
        """Return the rate of a step, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} says no rate: write __call__(self, step), which returns it.")


SCHEDULES: Registry[LearningRateSchedule] = Registry(
    "learning rate schedule", "a schedule is a LearningRateSchedule", LearningRateSchedule
)


def described(schedule: Callable[..., object]) -> Config:
    """Return a schedule's class and settings as Keras saves them; of a function, which a file can't hold, the name."""
    if not isinstance(schedule, LearningRateSchedule):
        return {"class_name": getattr(schedule, "__name__", "schedule")}
    kind = type(schedule)
    module = "keras.optimizers.schedules" if SCHEDULES.name_of(kind) is not None else None
    return {"module": module, "class_name": kind.__name__, "config": schedule.get_config(), "registered_name": None}


class _Decay(LearningRateSchedule):
    """The base of those that begin at a rate and go on for a number of steps."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, name: str | None) -> None:
        super().__init__(name)
        self.initial_learning_rate = not_negative("initial_learning_rate", initial_learning_rate)
        self.decay_steps = whole("decay_steps", decay_steps, 1)


class _RateDecay(_Decay):
    """The base of those that have a rate of their own, and may go in steps."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate, self.staircase = not_negative("decay_rate", decay_rate), bool(staircase)

    def _times(self, step: ArrayLike) -> Array:
        """Return how often `decay_steps` have passed before a step."""
        times = _float(step) / self.decay_steps
        return jnp.floor(times) if self.staircase else times


def _float(step: ArrayLike) -> Array:
    return jnp.array(step, jnp.float32)


@SCHEDULES.register()
class ExponentialDecay(_RateDecay):
    """`initial_learning_rate × decay_rate^(step / decay_steps)`.

        >>> float(ExponentialDecay(0.5, 100, 0.5)(200))
        0.125

    Args:
        initial_learning_rate: The rate of step 0.
        decay_steps: Steps in which the rate is multiplied by `decay_rate` once.
        decay_rate: The factor.
        staircase: Whether the rate stays as it is in between.
        name: The class's in snake case if None.
    """

    def __call__(self, step: ArrayLike) -> Array:
        """Return the rate of a step, counted from 0."""
        return self.initial_learning_rate * self.decay_rate ** self._times(step)


@SCHEDULES.register()
class InverseTimeDecay(_RateDecay):
    """`initial_learning_rate / (1 + decay_rate × step / decay_steps)`.

        >>> float(InverseTimeDecay(0.5, 100, 1.0)(300))
        0.125

    Args:
        initial_learning_rate: The rate of step 0.
        decay_steps: Steps in which the divisor grows by `decay_rate`.
        decay_rate: See there.
        staircase: Whether the rate stays as it is in between.
        name: The class's in snake case if None.
    """

    def __call__(self, step: ArrayLike) -> Array:
        """Return the rate of a step, counted from 0."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._times(step))


@SCHEDULES.register()
class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to a step, another one up to the next.

        >>> schedule = PiecewiseConstantDecay([100, 200], [0.5, 0.25, 0.125])
        >>> [float(schedule(step)) for step in (100, 101, 201)]
        [0.5, 0.25, 0.125]

    Args:
        boundaries: The last step of each rate but the last one, in rising order.
        values: The rates: one more.
        name: The class's in snake case if None.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> None:
        super().__init__(name)
        self.boundaries = [number("a boundary", boundary) for boundary in boundaries]
        self.values = [not_negative("a rate in values", value) for value in values]
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"there is one rate more than boundaries; got {len(self.values)} values and {len(self.boundaries)} "
                "boundaries."
            )
        if sorted(self.boundaries) != self.boundaries:
            raise ValueError(f"boundaries come in rising order; got {self.boundaries}.")

    def __call__(self, step: ArrayLike) -> Array:
        """Return the rate of a step, counted from 0."""
        passed = jnp.sum(_float(step) > jnp.array(self.boundaries, jnp.float32))
        return jnp.array(self.values, jnp.float32)[passed]


@SCHEDULES.register()
class PolynomialDecay(_Decay):
    """From a first to a last rate along `(1 - step / decay_steps)^power`.

        >>> float(PolynomialDecay(0.5, 100, end_learning_rate=0.25)(50))
        0.375

    Args:
        initial_learning_rate: The rate of step 0.
        decay_steps: Steps until the last rate, which then stays.
        end_learning_rate: The last rate.
        power: 1 is a straight line.
        cycle: Whether the rate jumps up again beyond `decay_steps`, each time onto a curve over one more of them.
        name: The class's in snake case if None.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.end_learning_rate = not_negative("end_learning_rate", end_learning_rate)
        self.power, self.cycle = number("power", power), bool(cycle)

    def __call__(self, step: ArrayLike) -> Array:
        """Return the rate of a step, counted from 0."""
        times = _float(step) / self.decay_steps
        part = times / jnp.maximum(jnp.ceil(times), 1) if self.cycle else jnp.minimum(times, 1)
        return (self.initial_learning_rate - self.end_learning_rate) * (1 - part) ** self.power + self.end_learning_rate


@SCHEDULES.register()
class CosineDecay(_Decay):
    """Half a cosine down from a rate, after a warmup if there is one: Loshchilov and Hutter 2016.

        >>> schedule = CosineDecay(0.0, 100, warmup_target=0.5, warmup_steps=10)
        >>> [round(float(schedule(step)), 6) for step in (5, 10, 60, 110)]
        [0.25, 0.5, 0.25, 0.0]

    Args:
        initial_learning_rate: The rate of step 0.
        decay_steps: Steps from the warmup's end to the last rate, which then stays.
        alpha: The last rate as a part of the one from which it goes down.
        name: The class's in snake case if None.
        warmup_target: The rate to which the warmup leads, in a straight line; None for no warmup.
        warmup_steps: Steps of the warmup.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.alpha, self.warmup_steps = not_negative("alpha", alpha), whole("warmup_steps", warmup_steps, 0)
        self.warmup_target = None if warmup_target is None else not_negative("warmup_target", warmup_target)
        if self.warmup_steps and warmup_target is None:
            raise ValueError("warmup_steps goes with warmup_target, the rate to which the warmup leads.")

    def __call__(self, step: ArrayLike) -> Array:
        """Return the rate of a step, counted from 0."""
        first, now = self.initial_learning_rate, _float(step)
        target = first if self.warmup_target is None else self.warmup_target
        rising = first + (target - first) * now / max(self.warmup_steps, 1)
        falling = target * _cosine(jnp.minimum((now - self.warmup_steps) / self.decay_steps, 1), self.alpha)
        return jnp.where(now < self.warmup_steps, rising, falling)


@SCHEDULES.register()
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines down from a rate, one after the other: Loshchilov and Hutter 2016.

        >>> schedule = CosineDecayRestarts(0.5, 100)
        >>> [round(float(schedule(step)), 6) for step in (0, 50, 100, 200, 300)]
        [0.5, 0.25, 0.5, 0.25, 0.5]

    Args:
        initial_learning_rate: The rate of step 0.
        first_decay_steps: Steps of the first one.
        t_mul: How many times as many steps the next one has.
        m_mul: The rate from which the next one begins, as a part of that before.
        alpha: The rate at the end of each as a part of that at its begin.
        name: The class's in snake case if None.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.initial_learning_rate = not_negative("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = whole("first_decay_steps", first_decay_steps, 1)
        self.t_mul, self.m_mul, self.alpha = (
            number("t_mul", t_mul),
            number("m_mul", m_mul),
            not_negative("alpha", alpha),
        )
        if self.t_mul < 1:
            raise ValueError(f"t_mul is at least 1; got {t_mul!r}.")

    def __call__(self, step: ArrayLike) -> Array:
        """Return the rate of a step, counted from 0."""
        times, growth = _float(step) / self.first_decay_steps, self.t_mul
        if growth == 1:
            restarts = jnp.floor(times)
            part = times - restarts
        else:
            restarts = jnp.floor(jnp.log1p(times * (growth - 1)) / jnp.log(growth))
            # The logarithm is rounded, and a restart is a jump: one more or one fewer where that is exact
            restarts = jnp.where(_length(growth, restarts + 1) <= times, restarts + 1, restarts)
            restarts = jnp.where(_length(growth, restarts) > times, restarts - 1, restarts)
            part = (times - _length(growth, restarts)) / growth**restarts
        return self.initial_learning_rate * self.m_mul**restarts * _cosine(part, self.alpha)


def _length(growth: float, count: Array) -> Array:
    """Return how long so many curves are together, of which the first one is 1 and each next one longer."""
    return (growth**count - 1) / (growth - 1)


def _cosine(part: Array, alpha: float) -> Array:
    return (1 - alpha) * 0.5 * (1 + jnp.cos(jnp.pi * part)) + alpha
