"""Layers by Keras's names and with Keras 3's defaults, thin over flax.nnx.

A layer is a `flax.nnx.Module` that holds its settings first and makes its variables in `build`, when the
shape of its input is known. In a model, any other `nnx.Module` and any plain function is a layer too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx

from . import activations, initializers

Shape = tuple[int | None, ...]


class Input:
    """The shape of a model's input, without the batch axis.

    Args:
        shape: For example `(64,)` or `(28, 28, 1)`.
        dtype: Of the input; "int32" for an `Embedding`.
        name: The input's name.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None) -> None:
        self.shape, self.dtype, self.name = tuple(shape), dtype, name


class Layer(nnx.Module):
    """The base of the layers here.

    Args:
        name: In the model; the class's name in snake case, numbered, if None.
        input_shape: Of one sample, for a model's first layer, which is then built at once.
        input_dim: The same for a vector: `input_dim=64` is `input_shape=(64,)`.

    Raises:
        ValueError: If both `input_shape` and `input_dim` are given.
    """

    def __init__(
        self, *, name: str | None = None, input_shape: Sequence[int | None] | None = None, input_dim: int | None = None
    ) -> None:
        if input_shape is not None and input_dim is not None:
            raise ValueError(f"give input_shape or input_dim, not both; got {input_shape} and {input_dim}.")
        self.name = name
        self.input_shape = (
            (input_dim,) if input_dim is not None else None if input_shape is None else tuple(input_shape)
        )

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        """Make the variables for inputs of a shape, the batch axis left out."""

    def weights(self) -> list[tuple[str, nnx.Variable]]:
        """Return the variables by Keras's names and in Keras's order: trainable ones first."""
        return []

    def get_config(self) -> dict[str, Any]:
        """Return the settings as Keras's own JSON values."""
        return {"name": self.name}


class _Activated(Layer):
    """A layer that ends in an activation; `linear` is what comes before it, its logits."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def linear(self, x: jax.Array) -> jax.Array:
        """Return what the activation is applied to."""
        return x

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.activation(self.linear(x))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"activation": activations.name_of(self.activation)}


class Activation(_Activated):
    """Applies an activation: a name such as "relu" or "softmax", or any function of one array."""


class Dense(_Activated):
    """`activation(x @ kernel + bias)` over the last axis.

    Args:
        units: The size of the output.
        activation: A name or function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(inputs, units)`.
        bias_initializer: Of the bias, `(units,)`.
        **kwargs: `name`, `input_shape`, `input_dim`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, **kwargs)
        self.units, self.use_bias = _positive("units", units), use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.kernel_and_bias = nnx.Linear(
            _known(self, shape, -1),
            self.units,
            use_bias=self.use_bias,
            kernel_init=self.kernel_initializer,
            bias_init=self.bias_initializer,
            rngs=rngs,
        )

    def linear(self, x: jax.Array) -> jax.Array:
        return self.kernel_and_bias(x)

    def weights(self) -> list[tuple[str, nnx.Variable]]:
        return _kernel_and_bias(self.kernel_and_bias)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units, "use_bias": self.use_bias} | _initializers(self)


class Conv2D(_Activated):
    """Convolution over height and width; inputs `(batch, height, width, channels)`.

    Args:
        filters: The number of output channels.
        kernel_size: One number or two.
        strides: One number or two.
        padding: "valid" or "same".
        dilation_rate: One number or two.
        groups: Into how many groups input channels and filters fall.
        activation: A name or function; None is the identity.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, `(height, width, channels / groups, filters)`.
        bias_initializer: Of the bias, `(filters,)`.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, **kwargs)
        self.filters, self.groups, self.use_bias = _positive("filters", filters), _positive("groups", groups), use_bias
        self.kernel_size, self.strides = _pair("kernel_size", kernel_size), _pair("strides", strides)
        self.dilation_rate, self.padding = _pair("dilation_rate", dilation_rate), _padding(padding)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        if len(shape) != 3:
            raise ValueError(
                f"Conv2D takes (height, width, channels); got inputs of shape {shape}. Add a channel axis?"
            )
        self.convolution = nnx.Conv(
            _known(self, shape, -1),
            self.filters,
            self.kernel_size,
            self.strides,
            padding=self.padding.upper(),
            kernel_dilation=self.dilation_rate,
            feature_group_count=self.groups,
            use_bias=self.use_bias,
            kernel_init=self.kernel_initializer,
            bias_init=self.bias_initializer,
            rngs=rngs,
        )

    def linear(self, x: jax.Array) -> jax.Array:
        return self.convolution(x)

    def weights(self) -> list[tuple[str, nnx.Variable]]:
        return _kernel_and_bias(self.convolution)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "use_bias": self.use_bias,
            **_initializers(self),
        }


class _Pooling2D(Layer):
    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = _pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else _pair("strides", strides)
        self.padding = _padding(padding)

    def get_config(self) -> dict[str, Any]:
        settings = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return super().get_config() | settings


class MaxPooling2D(_Pooling2D):
    """The largest value of each window; inputs `(batch, height, width, channels)`.

    Args:
        pool_size: One number or two.
        strides: One number or two; the pool size if None.
        padding: "valid" or "same".
    """

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.max_pool(x, self.pool_size, self.strides, self.padding.upper())


class AveragePooling2D(_Pooling2D):
    """The mean of each window, padding not counted; inputs and arguments as in `MaxPooling2D`."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.avg_pool(x, self.pool_size, self.strides, self.padding.upper(), count_include_pad=False)


class GlobalAveragePooling1D(Layer):
    """The mean over steps: `(batch, steps, features)` to `(batch, features)`."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.mean(axis=1)


class GlobalAveragePooling2D(Layer):
    """The mean over height and width: `(batch, height, width, channels)` to `(batch, channels)`."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.mean(axis=(1, 2))


class Flatten(Layer):
    """All axes but the batch in one."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.reshape(len(x), -1)


class Reshape(Layer):
    """Another shape for each sample.

    Args:
        target_shape: Without the batch axis; one number may be -1.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.reshape(len(x), *self.target_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"target_shape": self.target_shape}


class Dropout(Layer):
    """Sets a share of the values to 0 in training and scales the others up.

    Args:
        rate: The share, from 0 to less than 1.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate is the share of values that are dropped, from 0 to less than 1; got {rate!r}.")
        self.rate = float(rate)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.dropout = nnx.Dropout(self.rate, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.dropout(x)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate}


class BatchNormalization(Layer):
    """Normalises each channel by the batch in training, by moving averages in inference.

    Args:
        axis: The axis of the channels.
        momentum: Of the moving averages.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon, self.center, self.scale = axis, momentum, epsilon, center, scale

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.normalization = nnx.BatchNorm(
            _known(self, (None, *shape), self.axis),
            axis=self.axis,
            momentum=self.momentum,
            epsilon=self.epsilon,
            use_bias=self.center,
            use_scale=self.scale,
            use_fast_variance=False,
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.normalization(x)

    def weights(self) -> list[tuple[str, nnx.Variable]]:
        inner = self.normalization
        moving = [("moving_mean", inner.mean), ("moving_variance", inner.var)]
        return _gamma_and_beta(inner) + moving

    def get_config(self) -> dict[str, Any]:
        settings = {"axis": self.axis, "momentum": self.momentum, "epsilon": self.epsilon}
        return super().get_config() | settings | {"center": self.center, "scale": self.scale}


class LayerNormalization(Layer):
    """Normalises each sample over its last axis.

    Args:
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
    """

    def __init__(self, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = epsilon, center, scale

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.normalization = nnx.LayerNorm(
            _known(self, shape, -1),
            epsilon=self.epsilon,
            use_bias=self.center,
            use_scale=self.scale,
            use_fast_variance=False,
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.normalization(x)

    def weights(self) -> list[tuple[str, nnx.Variable]]:
        return _gamma_and_beta(self.normalization)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": -1, "epsilon": self.epsilon, "center": self.center, "scale": self.scale}


class Embedding(Layer):
    """A learned vector for each integer: `(batch, …)` to `(batch, …, output_dim)`.

    Args:
        input_dim: How many integers there are, from 0.
        output_dim: The size of a vector.
        embeddings_initializer: Of the table, `(input_dim, output_dim)`.
        input_length: The length of the sequences, for a model's first layer.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        input_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        if input_length is not None:
            kwargs.setdefault("input_shape", (input_length,))
        super().__init__(**kwargs)
        self.input_dim, self.output_dim = _positive("input_dim", input_dim), _positive("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(self.input_dim, self.output_dim, embedding_init=self.embeddings_initializer, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.table(x.astype(jnp.int32))

    def weights(self) -> list[tuple[str, nnx.Variable]]:
        return [("embeddings", self.table.embedding)]

    def get_config(self) -> dict[str, Any]:
        settings = {"input_dim": self.input_dim, "output_dim": self.output_dim}
        return super().get_config() | settings | _initializers(self)


class Lambda(Layer):
    """A plain function of one array as a layer.

    Args:
        function: Takes and returns an array, the batch axis first.
    """

    def __init__(self, function: Callable[[jax.Array], jax.Array], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.function(x)


def as_layer(layer: Any) -> nnx.Module:
    """Return a layer for what a user put into a model.

    Raises:
        TypeError: If it is neither a layer, nor an `nnx.Module`, nor a function.
    """
    if isinstance(layer, nnx.Module):
        return layer
    if isinstance(layer, type):
        raise TypeError(f"layers must be instances; got the class {layer.__name__}. Write {layer.__name__}(…).")
    if callable(layer):
        return Lambda(cast("Callable[[jax.Array], jax.Array]", layer))
    raise TypeError(f"a layer is a Layer, a flax.nnx.Module or a function; got {layer!r}.")


def snake_case(layer: Any) -> str:
    """Return a layer's class name as Keras numbers it: `MaxPooling2D` is `max_pooling2d`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", type(layer).__name__))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def weights_of(layer: nnx.Module) -> list[tuple[str, nnx.Variable]]:
    """Return a layer's variables with names: a Keras layer's own order, else parameters first, then other state."""
    if isinstance(layer, Layer):
        return layer.weights()
    variables = [("/".join(map(str, path)), v) for path, v in nnx.iter_graph(layer) if isinstance(v, nnx.Variable)]
    kept = [(name, v) for name, v in variables if not isinstance(v, nnx.RngState)]
    return sorted(kept, key=lambda item: not isinstance(item[1], nnx.Param))


def is_trainable(variable: nnx.Variable) -> bool:
    """Say whether the optimizer changes a variable."""
    return isinstance(variable, nnx.Param)


def _initializers(layer: Layer) -> dict[str, Any]:
    """Return the settings of a layer that say how its weights start."""
    return {name: initializers.describe(value) for name, value in vars(layer).items() if name.endswith("_initializer")}


def _kernel_and_bias(inner: Any) -> list[tuple[str, nnx.Variable]]:
    return [("kernel", inner.kernel)] + ([("bias", inner.bias)] if inner.bias is not None else [])


def _gamma_and_beta(inner: Any) -> list[tuple[str, nnx.Variable]]:
    named = [("gamma", inner.scale), ("beta", inner.bias)]
    return [(name, variable) for name, variable in named if variable is not None]


def _known(layer: Layer, shape: Shape, axis: int) -> int:
    if not shape or (size := shape[axis]) is None:
        raise ValueError(f"{type(layer).__name__} needs the size of axis {axis} of its input; got the shape {shape}.")
    return size


def _pair(what: str, value: int | Sequence[int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, int) or v < 1 for v in pair):
        raise ValueError(f"{what} is one or two positive whole numbers; got {value!r}.")
    return pair


def _positive(what: str, value: Any) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise ValueError(f"{what} must be a positive whole number; got {value!r}.")
    return int(value)


def _padding(value: str) -> str:
    if value not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'; got {value!r}.")
    return value
