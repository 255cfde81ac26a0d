"""What all optimizers share, and the registry of their names."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypedDict
from weakref import WeakMethod

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from ..messages.arguments import constructor_arguments, unknown_argument
from ..messages.names import suggest
from ..registry import Config, Registry
from .learning_rates import LearningRates
from .ranges import not_negative, number
from .rules import clip_each_by_norm, shrink_weights, with_decay
from .schedules import LearningRateSchedule, described

Rate = float | optax.Schedule | LearningRateSchedule
"""A learning rate ≥ 0, or a function of the number of the step, from 0 on."""


class Count(int):
    """A number of steps, with the method by which programs ask Keras's variables for it."""

    def numpy(self) -> np.int64:
        """Return it as a number of NumPy."""
        return np.int64(self)


class RateAndClipping(TypedDict, total=False):
    """The name, the other name of the learning rate, its decay, and the clipping; see `Optimizer`."""

    name: str | None
    clipnorm: float | None
    global_clipnorm: float | None
    clipvalue: float | None
    lr: Rate
    decay: float


class CommonSettings(RateAndClipping, total=False):
    """What every optimizer takes besides its own arguments; see `Optimizer`."""

    weight_decay: float | None


class Optimizer:
    """The base of all optimizers: learning rate, clipping and weight decay.

    For a rule of your own, compile with a transform of optax instead.

    Args:
        learning_rate: A number ≥ 0; or a schedule, of `optimizers.schedules` or of optax: a function of the number of
            the step.
        lr: Another name for `learning_rate`; giving both is a TypeError.
        decay: The rate of a step is learning_rate / (1 + decay × steps before it), as in Keras 2; `learning_rate` stays
            what it is, and can be set.
        name: A name; the class's in lower case if None.
        weight_decay: In each step every weight also loses learning rate × this part of itself.
        clipnorm: The gradient of each weight is scaled down to at most this norm.
        global_clipnorm: All gradients together are scaled down to at most this norm.
        clipvalue: Each element of a gradient is clipped to ± this. At most one of the three may be given.
        others: Any other keyword is a TypeError.

    Attributes:
        schedule: The schedule that was given as learning rate; None for a number.

    Example:
        >>> from epochal.optimizers import Adam
        >>> optimizer = Adam(learning_rate=0.01, clipnorm=1.0)
        >>> optimizer.learning_rate = 0.005
        >>> optimizer.lr, optimizer.clipnorm, optimizer.iterations
        (0.005, 1.0, 0)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Look, before the defaults are filled in, whether the learning rate was given twice."""
        if "lr" in kwargs and (args or "learning_rate" in kwargs):
            raise TypeError(f"{cls.__name__}: lr is another name for learning_rate; give one of them")
        return super().__new__(cls)

    def __init__(
        self,
        learning_rate: Rate,
        *,
        lr: Rate | None = None,
        name: str | None = None,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        clipvalue: float | None = None,
        decay: float = 0.0,
        **others: object,
    ) -> None:
        _refuse(type(self), others)
        limits = _limits({"clipnorm": clipnorm, "global_clipnorm": global_clipnorm, "clipvalue": clipvalue})
        self.name = name or type(self).__name__.lower()
        self.weight_decay = None if weight_decay is None else not_negative("weight_decay", weight_decay)
        self.clipnorm, self.global_clipnorm, self.clipvalue = limits
        rate = learning_rate if lr is None else lr
        self.schedule: optax.Schedule | None = rate if callable(rate) else None
        self._rates = LearningRates({} if callable(rate) else {"learning_rate": not_negative("learning_rate", rate)})
        self.decay = not_negative("decay", decay)
        if self.decay and self.schedule is not None:
            raise ValueError("decay goes with a number as learning_rate; a schedule says all rates itself.")
        self._done = 0
        self._counter: WeakMethod[Callable[[], int]] | None = None

    # Learning rates

    @property
    def learning_rate(self) -> float:
        """The learning rate, a Python float, to read and to set; a number ≥ 0 takes effect at the next step.

        Under a schedule, reading and setting it is an AttributeError. A negative or infinite number, or NaN, is a
        ValueError, anything but a number a TypeError.
        """
        return self._rates[self._only_rate()]

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._rates[self._only_rate()] = rate

    @property
    def lr(self) -> float:
        """Another name for `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, rate: float) -> None:
        self.learning_rate = rate

    @property
    def learning_rates(self) -> LearningRates:
        """The learning rates that can be set, by name: `learning_rate`, or one for each group of an optax transform.

        ``optimizer.learning_rates["head"] = 0.01`` takes effect at the next step.
        """
        return self._rates

    def expose_rates(self, rates: Mapping[str, float], scheduled: Iterable[str] = ()) -> None:
        """Let learning rates that were found in the state be read and set; there are none but the optimizer's own."""

    def _only_rate(self) -> str:
        if not self._rates:
            raise AttributeError(self._no_rate())
        return "learning_rate"

    def _no_rate(self) -> str:
        return (
            f"{self.name}: the schedule given as learning_rate is in charge of it, so it can't be read or set: "
            "optimizer.schedule(optimizer.iterations) is the rate of the next step"
        )

    # Steps

    @property
    def iterations(self) -> Count:
        """How many steps it has done, those before a save or a resume included."""
        count = self._count
        return Count(self._done if count is None else count())

    @property
    def _count(self) -> Callable[[], int] | None:
        return None if self._counter is None else self._counter()

    def count_by(self, count: Callable[[], int]) -> None:
        """Let `iterations` be what a method returns, as long as its owner, who holds the state, lives."""
        self._counter = WeakMethod(count)

    def start_from(self, done: int) -> None:
        """Let `iterations` be a number until there is somebody who counts; a model is compiled with it now."""
        self._done, self._counter = done, None
        self._is_compiled = True

    # Settings

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            self._check_setting(name, value)
        super().__setattr__(name, value)

    def _check_setting(self, name: str, value: object) -> None:
        """Refuse what would do nothing: another value of a setting that steps are compiled with, an unknown name."""
        if getattr(self, "_count", None) is not None and name in vars(self) and vars(self)[name] != value:
            raise AttributeError(
                f"{name} of this {type(self).__name__} can't be changed any more, a model trains with it: compile the "
                f"model with a new one. Only learning_rate may change."
            )
        if "_is_compiled" in vars(self) and name not in vars(self) and self._knows_all_settings:
            known = ["learning_rate", "lr", *(setting for setting in vars(self) if not setting.startswith("_"))]
            raise AttributeError(f"{type(self).__name__} has no setting {name!r}. {suggest(name, known)}")

    @property
    def _knows_all_settings(self) -> bool:
        """Whether nobody but a typo sets an attribute that the constructor didn't."""
        return self.is_known

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_done": int(self.iterations), "_counter": None}

    def get_config(self) -> Config:
        """Return the constructor's arguments as Keras saves them, fit for JSON.

        A schedule that is a function, which a file can't hold, is named in place of the learning rate; `get` then
        refuses the config. `decay` is left out if it is 0.
        """
        left_out = {"schedule", *(() if self.decay else ("decay",))}
        others = {key: value for key, value in vars(self).items() if not key.startswith("_") and key not in left_out}
        rate = self.learning_rate if self.schedule is None else described(self.schedule)
        return {"name": self.name, "learning_rate": rate, **others}

    # The transform

    @property
    def is_known(self) -> bool:
        """Whether it is one of this package's, whose steps ask for gradients and weights only and keep their dtypes."""
        return OPTIMIZERS.name_of(type(self)) is not None

    def transform(self) -> optax.GradientTransformation:
        """Return the optax transform. Its `update` needs the weights, as `params`, if there is weight decay.

        The learning rate, and nothing else, is in the state: ``state.hyperparams["learning_rate"]``, a float32 scalar.
        """

        def rule(learning_rate: Array) -> optax.GradientTransformation:
            decay = shrink_weights(learning_rate, self.weight_decay) if self.weight_decay else None
            parts = [self._clipping(), self._rule(learning_rate), decay]
            return optax.chain(*(part for part in parts if part is not None))

        rate = self.learning_rate if self.schedule is None else self.schedule
        inject = optax.inject_hyperparams(with_decay(rule, self.decay), hyperparam_dtype=jnp.dtype("float32"))
        return inject(learning_rate=rate)

    def _rule(self, learning_rate: Array) -> optax.GradientTransformation:
        """Return the transform of gradients into what is added to the weights."""
        raise NotImplementedError

    def _clipping(self) -> optax.GradientTransformation | None:
        if self.clipnorm is not None:
            return clip_each_by_norm(self.clipnorm)
        if self.global_clipnorm is not None:
            return optax.clip_by_global_norm(self.global_clipnorm)
        return None if self.clipvalue is None else optax.clip(self.clipvalue)


def _refuse(optimizer: type[Optimizer], others: Mapping[str, object]) -> None:
    """Raise a TypeError if there are arguments that an optimizer doesn't take."""
    for key in others:
        raise unknown_argument(optimizer.__name__, key, constructor_arguments(optimizer))


def _limits(given: Mapping[str, float | None]) -> list[float | None]:
    """Return the limits for gradients by name as Python's numbers; a ValueError if there are two, or one isn't > 0."""
    if sum(limit is not None for limit in given.values()) > 1:
        raise ValueError(f"give one of clipnorm, global_clipnorm and clipvalue, not {given}")
    limits = {name: None if limit is None else number(name, limit) for name, limit in given.items()}
    for name, limit in limits.items():
        if limit is not None and not limit > 0:
            raise ValueError(f"{name} must be above 0, not {limit!r}")
    return [*limits.values()]


OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    "an optimizer is a name, an Optimizer or an optax transform",
    Optimizer,
    ignored={
        "use_ema": False,
        "ema_momentum": 0.99,
        "ema_overwrite_frequency": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
        "decay": 0.0,
        "jit_compile": ...,
        "is_legacy_optimizer": ...,
    },
)
