"""Values brought to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from flax import nnx

from ..initializers import Ones, Zeros
from ..messages.numeric import real, whole
from .base import Layer
from .restraints import ScaleOptions, restrain
from .settings import known, other_axis, positive, present
from .types import Array, Config, Mask, NamedWeights, Shape


class BatchNormalization(Layer):
    """Normalises each channel by the batch in training, by moving averages in inference: Ioffe and Szegedy 2015.

    Arrays of any shape keep it. Masked steps don't count.

        >>> layer = BatchNormalization()
        >>> layer(np.array([[1.0], [3.0]]), training=True).tolist()
        [[-0.9995], [0.9995]]
        >>> [name for name, _ in layer.named_weights()]
        ['gamma', 'beta', 'moving_mean', 'moving_variance']

    Args:
        axis: The axis of the channels, with the batch axis as 0.
        momentum: Of the moving averages: the share that they keep at a batch.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        **kwargs: `beta_regularizer`, `gamma_regularizer`, `activity_regularizer`, `beta_constraint`,
            `gamma_constraint`, `name`, `input_shape`, `input_dim`, `trainable`.

    Raises:
        ValueError: If an argument isn't a number or, when built, the size of the axis isn't known.
    """

    uses_mask = keeps_mask = True
    restrained = ("beta", "gamma")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Unpack[ScaleOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.axis = whole("axis", axis)
        self.momentum, self.epsilon = real("momentum", momentum), real("epsilon", epsilon)
        self.center, self.scale = center, scale

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.normalization = nnx.BatchNorm(
            known(self, (None, *shape), self.axis),
            axis=self.axis,
            momentum=self.momentum,
            epsilon=self.epsilon,
            use_bias=self.center,
            use_scale=self.scale,
            use_fast_variance=False,
            bias_init=Zeros(),
            scale_init=Ones(),
            rngs=rngs,
        )
        restrain(self, beta=self.normalization.bias, gamma=self.normalization.scale)

    def call(self, x: Array, mask: Mask = None) -> Array:
        return self.normalization(x, mask=None if mask is None else mask[..., None])

    def named_weights(self) -> NamedWeights:
        inner = self.normalization
        return present(gamma=inner.scale, beta=inner.bias, moving_mean=inner.mean, moving_variance=inner.var)

    def get_config(self) -> Config:
        settings = {"axis": self.axis, "momentum": self.momentum, "epsilon": self.epsilon}
        return super().get_config() | settings | {"center": self.center, "scale": self.scale}


class LayerNormalization(Layer):
    """Normalises each sample over its last axis: Ba et al. 2016. Arrays of any shape keep it.

        >>> LayerNormalization()(np.array([[1.0, 3.0]])).tolist()
        [[-0.9995, 0.9995]]

    Args:
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        **kwargs: `beta_regularizer`, `gamma_regularizer`, `activity_regularizer`, `beta_constraint`,
            `gamma_constraint`, `name`, `input_shape`, `input_dim`, `trainable`.

    Raises:
        ValueError: If `epsilon` isn't a number or, when built, the size of the axis isn't known.
    """

    keeps_mask = True
    restrained = ("beta", "gamma")

    def __init__(
        self, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Unpack[ScaleOptions]
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = real("epsilon", epsilon), center, scale

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.normalization = nnx.LayerNorm(
            known(self, shape, -1),
            epsilon=self.epsilon,
            use_bias=self.center,
            use_scale=self.scale,
            use_fast_variance=False,
            bias_init=Zeros(),
            scale_init=Ones(),
            rngs=rngs,
        )
        restrain(self, beta=self.normalization.bias, gamma=self.normalization.scale)

    def call(self, x: Array) -> Array:
        return self.normalization(x)

    def named_weights(self) -> NamedWeights:
        return present(gamma=self.normalization.scale, beta=self.normalization.bias)

    def get_config(self) -> Config:
        return super().get_config() | {"axis": -1, "epsilon": self.epsilon, "center": self.center, "scale": self.scale}

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Return a new layer with the settings that `get_config` returned; the axis is no argument."""
        if config.get("axis", -1) not in (-1, [-1]):
            raise ValueError(f"LayerNormalization normalises over the last axis; got axis={config['axis']!r}.")
        return super().from_config({name: value for name, value in config.items() if name != "axis"})


class GroupNormalization(Layer):
    """Normalises each sample in groups of channels: Wu and He 2018. Arrays of any shape keep it.

        >>> GroupNormalization(groups=2)(np.array([[1.0, 3.0, 5.0, 9.0]])).tolist()
        [[-0.9995, 0.9995, -0.9999, 0.9999]]

    Args:
        groups: How many groups the channels fall into; -1 for each channel by itself.
        axis: The axis of the channels, with the batch axis as 0.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        **kwargs: `beta_regularizer`, `gamma_regularizer`, `activity_regularizer`, `beta_constraint`,
            `gamma_constraint`, `name`, `input_shape`, `input_dim`, `trainable`.

    Raises:
        ValueError: If `axis` is the batch's or, when built, `groups` doesn't divide the channels.
    """

    keeps_mask = True
    restrained = ("beta", "gamma")

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Unpack[ScaleOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.groups = -1 if groups == -1 else positive("groups", groups)
        self.axis, self.epsilon = other_axis(axis), real("epsilon", epsilon)
        self.center, self.scale = center, scale

    def build(self, shape: Shape, rngs: nnx.Rngs) -> None:
        channels = known(self, (None, *shape), self.axis)
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ValueError(f"channels must fall into equal groups; got {channels} channels and {groups} groups.")
        self.normalization = nnx.GroupNorm(
            channels,
            groups,
            epsilon=self.epsilon,
            use_bias=self.center,
            use_scale=self.scale,
            use_fast_variance=False,
            bias_init=Zeros(),
            scale_init=Ones(),
            rngs=rngs,
        )
        restrain(self, beta=self.normalization.bias, gamma=self.normalization.scale)

    def call(self, x: Array) -> Array:
        return jnp.moveaxis(self.normalization(jnp.moveaxis(x, self.axis, -1)), -1, self.axis)

    def named_weights(self) -> NamedWeights:
        return present(gamma=self.normalization.scale, beta=self.normalization.bias)

    def get_config(self) -> Config:
        settings = {"groups": self.groups, "axis": self.axis, "epsilon": self.epsilon}
        return super().get_config() | settings | {"center": self.center, "scale": self.scale}
