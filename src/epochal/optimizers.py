"""Keras's optimizers: their names, arguments, defaults and update rules, as optax transforms.

The rules are those of Keras 3 (keras/src/optimizers/). Where optax has the same rule it is used; where Keras places its
epsilon or its learning rate elsewhere, a small transform here does.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from numbers import Real
from typing import Any, NamedTuple, TypedDict, Unpack
from weakref import WeakMethod

import numpy as np

from epochal.messages.extras import needed_by
from epochal.messages.names import suggest, unknown

with needed_by(__name__):
    import jax
    import jax.numpy as jnp
    import optax

Schedule = Callable[[Any], Any]
Rate = float | Schedule


class Count(int):
    """A number of steps, with the method by which programs ask Keras's variables for it."""

    def numpy(self) -> np.int64:
        """Return it as a number of NumPy."""
        return np.int64(self)


class SeveralRates(ValueError, AttributeError):
    """One learning rate was asked for where there are several; `hasattr` is then False."""


class LearningRates(MutableMapping[str, float]):
    """Learning rates by name; a number ≥ 0 may be set for each of them, and none added or taken away."""

    def __init__(self, rates: Mapping[str, float]):
        self._rates = dict(rates)

    def __getitem__(self, name: str) -> float:
        return self._rates[self._known(name)]

    def __setitem__(self, name: str, rate: float) -> None:
        self._rates[self._known(name)] = _not_negative("learning_rate", rate)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"the learning rate {name!r} can't be taken away; set it to 0.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._rates)

    def __len__(self) -> int:
        return len(self._rates)

    def __repr__(self) -> str:
        return repr(self._rates)

    def as_dict(self) -> dict[str, float]:
        """Return a copy."""
        return self._rates.copy()

    def _known(self, name: str) -> str:
        if name not in self._rates:
            raise KeyError(
                f"no learning rate {name!r} can be set; there are {', '.join(map(repr, self._rates)) or 'none'}."
            )
        return name


class Common(TypedDict, total=False):
    """What every optimizer takes besides its own arguments; see `Optimizer`."""

    name: str | None
    weight_decay: float | None
    clipnorm: float | None
    global_clipnorm: float | None
    clipvalue: float | None
    lr: Rate


class Optimizer:
    """The base of all optimizers: their learning rate, clipping and weight decay.

    Args:
        learning_rate: A number ≥ 0, or an optax schedule: a function of the number of the step.
        lr: Another name for `learning_rate`; giving both is a TypeError.
        name: A name; default the class's, in lower case.
        weight_decay: In each step every weight also loses learning rate × this part of itself.
        clipnorm: The gradient of each weight is scaled down to at most this norm.
        global_clipnorm: All gradients together are scaled down to at most this norm.
        clipvalue: Each element of a gradient is clipped to ± this. At most one of the three may be given.
        others: Any other keyword is a TypeError.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Optimizer:
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
        **others: Any,
    ):
        _no_others(type(self), others)
        clips = {"clipnorm": clipnorm, "global_clipnorm": global_clipnorm, "clipvalue": clipvalue}
        if sum(limit is not None for limit in clips.values()) > 1:
            raise ValueError(f"give one of clipnorm, global_clipnorm and clipvalue, not {clips}")
        for key, limit in clips.items():
            if limit is not None and not _real(key, limit) > 0:
                raise ValueError(f"{key} must be above 0, not {limit!r}")
        self.name = name or type(self).__name__.lower()
        self.weight_decay = None if weight_decay is None else _not_negative("weight_decay", weight_decay)
        self.clipnorm, self.global_clipnorm, self.clipvalue = clipnorm, global_clipnorm, clipvalue
        rate = learning_rate if lr is None else lr
        self.schedule: Schedule | None = rate if callable(rate) else None
        self._rates = LearningRates({} if callable(rate) else {"learning_rate": _not_negative("learning_rate", rate)})
        self._done, self._counter = 0, None

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
    def learning_rates(self) -> LearningRates:
        """The learning rates that can be set, by name: `learning_rate`, or one for each group of an optax transform.

        ``optimizer.learning_rates["head"] = 0.01`` takes effect at the next step.
        """
        return self._rates

    def _only_rate(self) -> str:
        if not self._rates:
            raise AttributeError(self._no_rate())
        return "learning_rate"

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
        self._counter: WeakMethod[Callable[[], int]] | None = WeakMethod(count)

    def expose_rates(self, rates: Mapping[str, float], scheduled: Iterable[str] = ()) -> None:
        """Let learning rates that were found in the state be read and set; there are none but the optimizer's own."""

    def start_from(self, done: int) -> None:
        """Let `iterations` be a number until there is somebody who counts; a model is compiled with it now."""
        self._done, self._counter = done, None
        self._is_compiled = True

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            self._check_setting(name, value)
        super().__setattr__(name, value)

    def _check_setting(self, name: str, value: Any) -> None:
        """Refuse what would do nothing: another value of a setting that steps are compiled with, an unknown name."""
        if getattr(self, "_count", None) is not None and name in vars(self) and vars(self)[name] != value:
            raise AttributeError(
                f"{name} of this {type(self).__name__} can't be changed any more, a model trains with it: compile the "
                f"model with a new one. Only learning_rate may change."
            )
        if "_is_compiled" in vars(self) and name not in vars(self) and type(self) in (*_ALL, OptaxOptimizer):
            known = ["learning_rate", "lr", *(setting for setting in vars(self) if not setting.startswith("_"))]
            raise AttributeError(f"{type(self).__name__} has no setting {name!r}. {suggest(name, known)}")

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_done": int(self.iterations), "_counter": None}

    @property
    def is_known(self) -> bool:
        """Whether it is one of this module's, whose steps ask for gradients and weights only and keep their dtypes."""
        return type(self) in _ALL

    @property
    def lr(self) -> float:
        """Another name for `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, rate: float) -> None:
        self.learning_rate = rate

    def transform(self) -> optax.GradientTransformation:
        """Return the optax transform. Its `update` needs the weights, as `params`, if there is weight decay.

        The learning rate, and nothing else, is in the state: ``state.hyperparams["learning_rate"]``, a float32 scalar.
        """

        def rule(learning_rate: Any) -> optax.GradientTransformation:
            parts = [self._clipping(), self._rule(learning_rate), self._decay(learning_rate)]
            return optax.chain(*(part for part in parts if part is not None))

        rate = self.learning_rate if self.schedule is None else self.schedule
        return optax.inject_hyperparams(rule, hyperparam_dtype=jnp.float32)(learning_rate=rate)  # type: ignore[arg-type]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as Keras saves them, fit for JSON.

        A schedule, which a file can't hold, is named in place of the learning rate; `get` then refuses the config.
        """
        common = {key: getattr(self, key) for key in ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue")}
        rate = (
            self.learning_rate
            if self.schedule is None
            else {"class_name": getattr(self.schedule, "__name__", "schedule")}
        )
        return {"name": self.name, "learning_rate": rate, **common, **self._own_config()}

    def _own_config(self) -> dict[str, Any]:
        known = ("name", "schedule", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue")
        return {key: value for key, value in vars(self).items() if key not in known and not key.startswith("_")}

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        """Return the transform of gradients into what is added to the weights."""
        raise NotImplementedError

    def _clipping(self) -> optax.GradientTransformation | None:
        if self.clipnorm is not None:
            return _clip_each_by_norm(self.clipnorm)
        if self.global_clipnorm is not None:
            return optax.clip_by_global_norm(self.global_clipnorm)
        return None if self.clipvalue is None else optax.clip(self.clipvalue)

    def _decay(self, learning_rate: Any) -> optax.GradientTransformation | None:
        if not self.weight_decay:
            return None
        shrink = lambda update, weight: update - _like(weight, learning_rate * self.weight_decay) * weight
        return optax.stateless_with_tree_map(shrink)

    def _no_rate(self) -> str:
        return f"{self.name}: the schedule given as learning_rate is in charge of it; see .schedule"


# The optimizers


class SGD(Optimizer):
    """Gradient descent, with momentum: velocity = momentum × velocity - learning_rate × gradient.

    Args:
        learning_rate: See `Optimizer`.
        momentum: 0 to 1.
        nesterov: Whether to look ahead, one step of the velocity.
        common: See `Optimizer`.
    """

    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **common: Unpack[Common]
    ):
        super().__init__(learning_rate, **common)
        self.momentum, self.nesterov = _part("momentum", momentum, up_to_one=True), bool(nesterov)

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        return _with_momentum(_descend(learning_rate), self.momentum, self.nesterov)


class RMSprop(Optimizer):
    """Gradients divided by the root of the running mean of their squares: Hinton 2012.

    Args:
        learning_rate: See `Optimizer`.
        rho: How much of the running mean is kept at each step.
        momentum: 0 to 1; the steps, learning rate and all, are what it accumulates.
        epsilon: Added under the root.
        centered: Whether to divide by the running standard deviation instead.
        common: See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self.rho, self.momentum = _part("rho", rho), _part("momentum", momentum, up_to_one=True)
        self.epsilon, self.centered = _not_negative("epsilon", epsilon), bool(centered)

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        scale = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        step = optax.chain(scale(self.rho, self.epsilon, eps_in_sqrt=True), _descend(learning_rate))
        return _with_momentum(step, self.momentum)


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares so far: Duchi et al. 2011.

    Args:
        learning_rate: See `Optimizer`.
        initial_accumulator_value: What that sum starts from.
        epsilon: Added under the root.
        common: See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = _not_negative("initial_accumulator_value", initial_accumulator_value)
        self.epsilon = _not_negative("epsilon", epsilon)

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_rss(self.initial_accumulator_value, self.epsilon), _descend(learning_rate))


class Adadelta(Optimizer):
    """Gradients times the root mean square of past steps, divided by that of gradients: Zeiler 2012.

    Args:
        learning_rate: See `Optimizer`; 1.0 is the paper's.
        rho: How much of the running means is kept at each step.
        epsilon: Added under both roots.
        common: See `Optimizer`.
    """

    def __init__(self, learning_rate: Rate = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **common: Unpack[Common]):
        super().__init__(learning_rate, **common)
        self.rho, self.epsilon = _part("rho", rho), _not_negative("epsilon", epsilon)

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_adadelta(self.rho, self.epsilon), _descend(learning_rate))


class _Moments(Optimizer):
    """What optimizers with two running moments of the gradient share: their arguments."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2 = _part("beta_1", beta_1), _part("beta_2", beta_2)
        self.epsilon = _not_negative("epsilon", epsilon)


class Adam(_Moments):
    """The running mean of gradients, divided by the root of that of their squares: Kingma and Ba 2014.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the mean of gradients is kept at each step.
        beta_2: How much of the mean of squares is kept at each step.
        epsilon: Added to the root before the bias is corrected: the paper's "epsilon hat" (optax adds it after).
        amsgrad: Whether to divide by the largest mean of squares so far: Reddi et al. 2018.
        common: See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.amsgrad = bool(amsgrad)

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        b1, b2, eps = self.beta_1, self.beta_2, self.epsilon
        if self.amsgrad:
            scale = optax.scale_by_amsgrad(b1, b2, eps, bias_correction_mu=False, bias_correction_nu=False)
        else:
            squares = lambda gradients, nu: optax.tree.update_moment(gradients, nu, b2, 2)
            scale = _scale_by_moments(b1, squares, lambda nu: jnp.sqrt(nu) + eps)
        unbiased = optax.scale_by_schedule(lambda t: jnp.sqrt(1 - b2 ** (t + 1)) / (1 - b1 ** (t + 1)))
        return optax.chain(scale, unbiased, _descend(learning_rate))


class AdamW(Adam):
    """Adam with weight decay apart from the gradients: Loshchilov and Hutter 2017.

    Args:
        learning_rate: See `Optimizer`.
        weight_decay: In each step every weight also loses learning rate × this part of itself.
        beta_1: See `Adam`.
        beta_2: See `Adam`.
        epsilon: See `Adam`.
        amsgrad: See `Adam`.
        common: See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)


class Adamax(_Moments):
    """The running mean of gradients, divided by their running largest size: Kingma and Ba 2014, section 7.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the mean is kept at each step.
        beta_2: How much of the largest size is kept at each step.
        epsilon: Added to the largest size where it divides (optax keeps it within).
        common: See `Optimizer`.
    """

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        b1, b2, eps = self.beta_1, self.beta_2, self.epsilon
        largest = lambda gradients, nu: optax.tree.update_infinity_moment(gradients, nu, b2, 0.0)
        scale = _scale_by_moments(b1, largest, lambda nu: nu + eps)
        unbiased = optax.scale_by_schedule(lambda t: 1 / (1 - b1 ** (t + 1)))
        return optax.chain(scale, unbiased, _descend(learning_rate))


class Nadam(_Moments):
    """Adam with Nesterov momentum on a schedule of its own, beta_1 × (1 - 0.96^step / 2): Dozat 2016.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the mean of gradients is kept at each step.
        beta_2: How much of the mean of squares is kept at each step.
        epsilon: Added to the root of the unbiased mean of squares.
        common: See `Optimizer`.
    """

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        return optax.chain(_scale_by_nadam(self.beta_1, self.beta_2, self.epsilon), _descend(learning_rate))


class Lion(Optimizer):
    """The sign of a running mean of gradients: Chen et al. 2023.

    Args:
        learning_rate: See `Optimizer`; 3 to 10 times smaller than Adam's is the paper's advice.
        beta_1: The part of the mean in each step, against the gradient.
        beta_2: How much of the mean is kept at each step.
        common: See `Optimizer`.
    """

    def __init__(
        self, learning_rate: Rate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **common: Unpack[Common]
    ):
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2 = _part("beta_1", beta_1), _part("beta_2", beta_2)

    def _rule(self, learning_rate: Any) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_lion(self.beta_1, self.beta_2), _descend(learning_rate))


class OptaxOptimizer(Optimizer):
    """An optax transform as it was given.

    Its learning rate can be read and set only if it was made with `optax.inject_hyperparams`: the engine, which holds
    the state, then calls `expose_rates` with what is in there. Else reading and setting it is an AttributeError. Of
    several rates each is read and set in `learning_rates`, by the name of its group.
    """

    def __init__(self, transform: optax.GradientTransformation):
        super().__init__(0.0, name="optax")
        self._transform = transform
        self.expose_rates({})

    def transform(self) -> optax.GradientTransformation:
        """Return the transform."""
        return self._transform

    def expose_rates(self, rates: Mapping[str, float], scheduled: Iterable[str] = ()) -> None:
        """Take the rates that are in the state, by the names of their groups: from now on they are read and set.

        Args:
            rates: All of them.
            scheduled: The names of those that a schedule sets.
        """
        self._scheduled = frozenset(scheduled)
        self._names = tuple(rates)
        self._rates = LearningRates({name: rate for name, rate in rates.items() if name not in self._scheduled})

    def get_config(self) -> dict[str, Any]:
        """Return the name only: a file can't hold a transform."""
        return {"name": self.name}

    def _only_rate(self) -> str:
        if len(self._names) > 1:
            raise SeveralRates(self._which())
        if not self._rates:
            raise AttributeError(self._no_rate())
        return next(iter(self._names))

    def _which(self) -> str:
        rates = ", ".join(f"{name!r}" + " (a schedule)" * (name in self._scheduled) for name in self._names)
        return (
            f"the optimizer has several learning rates: {rates}. Read and set each by its name: "
            f"optimizer.learning_rates[{self._names[-1]!r}] = 0.001."
        )

    def _no_rate(self) -> str:
        if self._names:
            return (
                "the schedule given to optax.inject_hyperparams as learning_rate is in charge of it, so it can't be "
                "read or set: inject a number instead, or leave it to the schedule"
            )
        return (
            "the learning rate of a bare optax transform can't be read or set: make it with "
            "optax.inject_hyperparams(optax.adam)(learning_rate=0.001), or use optimizer='adam'"
        )


# The rules that optax doesn't have


def _like(array: Any, value: Any) -> jax.Array:
    """Return `value` in the dtype of `array`, so that a float32 rate doesn't widen the state of smaller floats."""
    return jnp.asarray(value, array.dtype)


def _descend(learning_rate: Any) -> optax.GradientTransformation:
    return optax.stateless_with_tree_map(lambda update, _: -_like(update, learning_rate) * update)


def _with_momentum(
    step: optax.GradientTransformation, momentum: float, nesterov: bool = False
) -> optax.GradientTransformation:
    # The trace is over whole steps, learning rate included, as in Keras: a changed rate leaves the velocity as it is.
    return optax.chain(step, optax.trace(momentum, nesterov)) if momentum else step


def _clip_each_by_norm(limit: float) -> optax.GradientTransformation:
    scale = lambda gradient: _like(gradient, limit / jnp.maximum(optax.tree.norm(gradient), limit))
    return optax.stateless_with_tree_map(lambda gradient, _: scale(gradient) * gradient)


class _MomentsState(NamedTuple):
    mu: optax.Updates
    nu: optax.Updates


def _scale_by_moments(
    b1: float, second: Callable[[Any, Any], Any], divisor: Callable[[jax.Array], jax.Array]
) -> optax.GradientTransformation:
    """Return the transform to mean / divisor(second moment), neither corrected for the zeros that they start from."""

    def init(params: Any) -> _MomentsState:
        return _MomentsState(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, _MomentsState]:
        mu, nu = optax.tree.update_moment(updates, state.mu, b1, 1), second(updates, state.nu)
        return jax.tree.map(lambda m, v: m / divisor(v), mu, nu), _MomentsState(mu, nu)

    return optax.GradientTransformation(init, update)


class _NadamState(NamedTuple):
    count: jax.Array
    product: jax.Array
    mu: optax.Updates
    nu: optax.Updates


def _scale_by_nadam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    def init(params: Any) -> _NadamState:
        one = jnp.ones((), jnp.float32)
        return _NadamState(jnp.zeros((), jnp.int32), one, optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, _NadamState]:
        step = jnp.asarray(optax.safe_increment(state.count))
        now, following = (b1 * (1 - 0.5 * 0.96**t) for t in (step, step + 1))
        product = (state.product * now).astype(jnp.float32)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        of_mean, of_gradient = following / (1 - product * following), (1 - now) / (1 - product)
        nu_hat = optax.tree.bias_correction(nu, b2, step)
        scaled = lambda m, g, v: (_like(m, of_mean) * m + _like(g, of_gradient) * g) / (jnp.sqrt(v) + eps)
        return jax.tree.map(scaled, mu, updates, nu_hat), _NadamState(step, product, mu, nu)

    return optax.GradientTransformation(init, update)


# Arguments


def _real(name: str, value: Any) -> float:
    """Return a real number as a float; a TypeError for anything else, a boolean too."""
    if isinstance(value, np.ndarray | jax.Array) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    return float(value)


def _not_negative(name: str, value: Any) -> float:
    number = _real(name, value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be a finite number ≥ 0, not {value!r}")
    return number


def _part(name: str, value: Any, up_to_one: bool = False) -> float:
    number = _real(name, value)
    if not (0 <= number < 1 or (up_to_one and number == 1)):
        raise ValueError(f"{name} must be from 0 up to {'and including' if up_to_one else 'below'} 1, not {value!r}")
    return number


def _no_others(optimizer: type[Optimizer], given: dict[str, Any]) -> None:
    for key, value in given.items():
        if key == "decay":  # Keras 2
            hint = f"Use a schedule: learning_rate=lambda step: rate / (1 + {value!r} * step)."
        else:
            hint = suggest(key, [*inspect.signature(optimizer).parameters, *Common.__annotations__])
        raise TypeError(f"{optimizer.__name__} has no argument {key!r}. {hint}")


# By name

_ALL: tuple[type[Optimizer], ...] = (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, Lion)
_BY_NAME = {optimizer.__name__.lower(): optimizer for optimizer in _ALL}
_KERAS_ONLY = {
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "decay": 0.0,
    "jit_compile": ...,
    "is_legacy_optimizer": ...,
}
"""What Keras also saves, with the one value that changes nothing (... means any); another value is a TypeError."""


def known_names() -> list[str]:
    """Return the names of all optimizers."""
    return list(_BY_NAME)


def _works_as_transform(identifier: Any) -> bool:
    """Return whether something that is no optax transform has its two functions, as `optax.MultiSteps` has."""
    functions = (getattr(identifier, name, None) for name in ("init", "update"))
    return not isinstance(identifier, type) and all(callable(function) for function in functions)


def get(identifier: str | dict[str, Any] | Optimizer | type[Optimizer] | optax.GradientTransformation) -> Optimizer:
    """Return the optimizer that an identifier stands for.

    A Keras name in any case, for its defaults; what Keras saves (``{"class_name": …, "config": {…}}``); an `Optimizer`;
    or an optax transform, which trains as it was given. An unknown name is a ValueError, and so is what was saved with
    a function (a schedule, a bare transform), which a file can't hold; anything else is a TypeError.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()  # type: ignore[call-arg]
    if isinstance(identifier, optax.GradientTransformation):
        return OptaxOptimizer(identifier)
    if _works_as_transform(identifier):
        return OptaxOptimizer(optax.GradientTransformationExtraArgs(identifier.init, identifier.update))  # type: ignore[union-attr]
    name, config = identifier, {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str):
        raise TypeError(f"an optimizer is a name, an Optimizer or an optax transform, not {identifier!r}")
    if name == "OptaxOptimizer" or isinstance(config.get("learning_rate"), dict):
        raise ValueError(f"{name} was saved with a function, which a file can't hold: compile again with your own")
    if name.lower() not in _BY_NAME:
        raise unknown("optimizer", name, _BY_NAME)
    off = {key for key, value in config.items() if key in _KERAS_ONLY and _KERAS_ONLY[key] in (value, ...)}
    return _BY_NAME[name.lower()](**{key: value for key, value in config.items() if key not in off})
