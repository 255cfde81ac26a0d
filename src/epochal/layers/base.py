"""The base of all layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flax import nnx
from jax.typing import ArrayLike

from ..messages.numeric import whole
from . import building, calling, current, final, harmless, restraints, tensors, weights
from .call_context import add_loss, losses_of
from .entries import with_entries
from .frozen import truth_of
from .harmless import OF_ALL, HarmlessArguments
from .listing import trained_of, weights_in_attributes, weights_of
from .masks import accepted
from .members import layers_in, members_of
from .shapes import sample_shape
from .symbolic_ends import EndOfFirstCall
from .types import (
    AnyWeight,
    Array,
    Config,
    ConstraintLike,
    DTypeLike,
    InitializerLike,
    NamedWeights,
    Nest,
    NumpyArray,
    PlacedWeight,
    RegularizerLike,
    Variable,
)


class Layer(nnx.Module, pytree=False):
    """The base of all layers, also of your own.

    One of your own is written as for Keras: make its layers in the constructor, its weights in `build`, and compute in
    `call`. Layers, models and other modules may lie in attributes, and in lists, tuples and dicts there.

        >>> from epochal.layers import Dense
        >>> class Residual(Layer):
        ...     def __init__(self, units, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.units = units
        ...         self.denses = [Dense(units, activation="relu"), Dense(units)]
        ...
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        ...
        ...     def call(self, x, training=None):
        ...         y = x * self.scale
        ...         for dense in self.denses:
        ...             y = dense(y)
        ...         return x + y
        ...
        ...     def get_config(self):
        ...         return {**super().get_config(), "units": self.units}
        >>> Residual(4)(np.ones((2, 4))).shape
        (2, 4)

    Args:
        name: In the model; the class's name in snake case, numbered, if None.
        input_shape: Of one sample, for a model's first layer, which is then built at once.
        input_dim: The same for a vector: `input_dim=64` is `input_shape=(64,)`.
        trainable: Whether training changes the weights; see the attribute.
        **others: `activity_regularizer`, of the output: its value, divided by the batch's size, is added to the loss;
            regularizers and constraints of `restrained` weights; and Keras's arguments that say what is so anyway, such
            as `dtype="float32"`. (A model's `compile(dtype=…)` says in which numbers it computes.) Others are refused.

    Attributes:
        uses_mask: Whether `call` takes `mask`, the mask of its first argument or None, or `<argument>_mask`, the mask
            of that argument. Set for a class whose `call` has such an argument.
        keeps_mask: Whether the mask of the first argument is also the mask of the output; a number if of so many
            outputs. A layer with another mask overrides `output_mask`.
        regularizes_inside: Whether `activity_regularizer` isn't for the output, but for what the class says.
        restrained: The weights of the class whose regularizers and constraints are settings: "kernel" for
            `kernel_regularizer` and `kernel_constraint`.
        input: The symbolic tensor that it takes in a model, or the list of them; of its first call, if it has several.
        output: The symbolic output of that call, so that `Model(model.input, layer.output)` is the part up to it.

    Raises:
        TypeError: If there is no such argument; the nearest is named.
        ValueError: If both `input_shape` and `input_dim` are given, or a harmless argument isn't harmless.
    """

    harmless: HarmlessArguments = OF_ALL
    uses_mask = False
    keeps_mask: int = False
    supports_masking = False
    activity_regularizer: Any = None
    regularizes_inside = False
    restrained: tuple[str, ...] = ()
    input = EndOfFirstCall("input")
    output = EndOfFirstCall("output")
    attribute_order: tuple[str, ...] = ()  # when attributes were first set: the order of weights in files
    made_weights: Sequence[Variable] = ()  # by add_weight
    deterministic: bool | None = None  # set by train() and eval(), as in flax; None: nobody said

    def __init_subclass__(cls, pytree: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(pytree=pytree, **kwargs)  # pyright: ignore[reportUnknownMemberType]  # False, so that attributes may be plain lists of layers
        if "__call__" in vars(cls):
            raise TypeError(f"{cls.__name__}: write what the layer computes in `call`; `__call__` also draws graphs.")
        if "build" in vars(cls):
            cls.build = building.in_either_form(vars(cls)["build"])
        if "call" in vars(cls) and "uses_mask" not in vars(cls):
            cls.uses_mask = any(name == "mask" or name.endswith("_mask") for name in accepted(cls.call))

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        trainable: bool = True,
        **others: object,
    ) -> None:
        harmless.check(self, others, self.harmless, restraints.names_of(type(self)))
        if input_shape is not None and input_dim is not None:
            raise ValueError(f"give input_shape or input_dim, not both; got {input_shape} and {input_dim}.")
        self.name = name
        self.numbered = False  # whether a model chose the name
        self.built = False
        self._trainable = truth_of(trainable)
        self.input_shape = (whole("input_dim", input_dim, 1),) if input_dim is not None else sample_shape(input_shape)
        restraints.keep(self, others)

    def __call__(self, *args: Nest, **kwargs: Nest) -> Nest:
        """Return the output for arrays; for tensors, the tensors that will hold it in a model.

        Args:
            *args: The arguments of `call`.
            **kwargs: Others of them, and `training`, which every layer may be given: it is for all layers inside, too.
        """
        calling.check_constructed(self)
        if tensors.tensors_in((args, kwargs)):
            return tensors.connect(self, args, kwargs)
        return calling.call_layer(self, args, kwargs)[0]

    def _setattr(self, name: str, value: Nest) -> None:
        final.check_free(Layer, self, name)
        calling.check_attribute(self, name, value)
        final.check(self, name, value)
        super()._setattr(name, with_entries(value))  # pyright: ignore[reportUnknownMemberType]
        if name in vars(self) and name not in self.attribute_order:
            object.__setattr__(self, "attribute_order", (*self.attribute_order, name))

    def build_for(self, args: tuple[Nest, ...], kwargs: dict[str, Nest]) -> None:
        """Make the variables for these arguments of `call`, arrays or tensors, if there are none yet."""
        if not self.built:
            building.build(self, args, kwargs)
            self.built = True

    @building.in_either_form
    def build(self, input_shape: Nest) -> None:
        """Make the variables for inputs of a shape; a layer of one's own overrides it in one of two forms.

        As in Keras: `build(self, input_shape)` gets the shape with the batch axis in front, such as `(None, 64)`, or a
        list or dict of shapes if `call` takes a list or dict of inputs; an argument `x_shape` gets the shape of the
        argument `x` of `call`. Or `build(self, shape, rngs)`, where `shape` is without the batch axis, and `rngs` the
        streams to draw from. Whoever calls it may use either form.

        Args:
            input_shape: With the batch axis in front.
        """
        if self.has_default_build():
            building.build_by_calling(self, input_shape)

    @classmethod
    def has_default_build(cls) -> bool:
        """Return whether a class has no `build` of its own, so that only layers inside have weights."""
        return cls.build is Layer.build

    def add_weight(
        self,
        shape: int | Sequence[int] | None = None,
        initializer: InitializerLike | None = None,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
        name: str | None = None,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        **others: object,
    ) -> Any:
        """Make a weight, in `__init__` or in `build`; keep it in an attribute.

        In `call` it is used like an array, `x @ self.w`; `assign`, `assign_add` and `assign_sub` change it, and their
        changes are kept from step to step in training. (In evaluation and prediction they aren't.)

        Args:
            shape: A whole number for each axis; `()` if None.
            initializer: Its first value: a name, an initializer of `epochal.initializers`, `function(shape, dtype)` or
                `function(key, shape, dtype)`; if None, "glorot_uniform" for floats and "zeros" for others.
            dtype: "float32" if None.
            trainable: Whether the optimizer changes it.
            name: Its name in files and in `summary` if no attribute has it.
            regularizer: Returns what is added to the loss while it is trained; see `epochal.regularizers`.
            constraint: Returns what it becomes after each step of the optimizer; see `epochal.constraints`.
            **others: Keras's other arguments, with the values that change nothing.

        Raises:
            TypeError: If there is no such argument.
            ValueError: If an argument has no counterpart here; or in `call`.
        """
        metadata = restraints.given(regularizer, constraint)
        weight = weights.new_weight(self, shape, initializer, dtype, trainable, name, metadata, others)
        object.__setattr__(self, "made_weights", [*self.made_weights, weight])
        return weight

    def add_loss(self, loss: Nest) -> None:
        """Add to the loss that is minimised and logged, in training and in evaluation; to be called in `call`.

        Args:
            loss: One number, such as a mean over the batch, or a list of them.

        Raises:
            ValueError: If it is an array of several numbers.
        """
        add_loss(self, loss)

    @property
    def losses(self) -> list[Array]:
        """What is added to the loss, also by the layers inside: in the last call, and the penalties of weights now.

        The weights are those that training changes. In a step these are what it has added so far.
        """
        return losses_of(self, self.trainable_weights)

    def _identity(self, x: Nest) -> Nest:
        """Return the output for a batch.

        An argument `training` gets whether this is a training step, one called `mask` the mask of the first argument,
        one called `<argument>_mask` the mask of another one.
        """
        return x

    call: Callable[..., Nest] = _identity  # of a declared type, since each layer's takes other arguments

    def compute_mask(self, inputs: Nest, previous_mask: Nest) -> Nest:
        """Return the mask of the output, as Keras's layers do; `output_mask` by another name."""
        return previous_mask

    def output_mask(self, x: Nest, mask: Nest) -> Nest:
        """Return which steps of the output count, `(batch, steps)`, or None if all do.

        Args:
            x: The first argument of `call`.
            mask: Which steps of it count, None if all do; a nest of masks, if `x` is a nest.
        """
        if type(self).compute_mask is not Layer.compute_mask:
            return self.compute_mask(x, mask)
        return mask if (self.keeps_mask or self.supports_masking) and hasattr(mask, "shape") else None

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights of this layer; setting it sets it for the layers within too.

        A change holds from the model's next `compile` on. Weights that aren't trained have no gradient and no optimizer
        state, and batch normalization among them uses its moving averages, also in training, and leaves them alone.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = truth_of(value)
        for layer in self.sublayers():
            layer.trainable = self._trainable

    @property
    def trainable_weights(self) -> list[AnyWeight]:
        """The variables that training changes: none if the layer isn't `trainable`."""
        current.write_back(weights_of(self))
        return [variable for variable, trained in trained_of(self) if trained]

    @property
    def non_trainable_weights(self) -> list[AnyWeight]:
        """The variables that training leaves alone, or that are no parameters, such as moving averages."""
        current.write_back(weights_of(self))
        return [variable for variable, trained in trained_of(self) if not trained]

    @property
    def weights(self) -> list[AnyWeight]:
        """The variables, also of the layers inside, in Keras's order: trainable ones first.

        They hold the values after the last finished batch.
        """
        return [variable for _, variable in current.write_back(weights_of(self))]

    def sublayers(self) -> Iterator[Any]:
        """Yield the layers and models directly inside: in attributes, and in lists, tuples and dicts there."""
        inside = (layer for member in members_of(self) for layer in layers_in(member.value, Layer))
        yield from {id(layer): layer for layer in inside}.values()

    def placed_weights(self) -> list[PlacedWeight]:
        """Return the name, the variable and the place of each weight, also of the layers inside."""
        return weights_in_attributes(self)

    def named_weights(self) -> NamedWeights:
        """Return the variables by Keras's names and in Keras's order: trainable ones first."""
        return [(name, weight) for name, weight, _ in self.placed_weights()]

    @classmethod
    def lists_own_weights(cls) -> bool:
        """Return whether a class overrides `named_weights`, to say by itself which weights it has."""
        return cls.named_weights is not Layer.named_weights

    def get_weights(self) -> list[NumpyArray]:
        """Return copies of the weights after the last finished batch, trainable ones first; none before it is built."""
        return current.read(weights_of(self))

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace the weights by arrays of the same shapes, in the order of `get_weights`.

        Models that have the layer go on from them with the next batch, also when this is called in a hook.

        Args:
            weights: One array for each weight.

        Raises:
            ValueError: If the number or a shape differs; then nothing is changed.
        """
        current.write(weights_of(self), weights, f"the layer {self.name or type(self).__name__!r}")

    def count_params(self) -> int:
        """Return how many numbers the weights are.

        Raises:
            ValueError: If the layer isn't built yet, so that nobody knows.
        """
        if not self.built:
            raise ValueError(f"the layer {self.name or type(self).__name__!r} isn't built yet: give it an input first.")
        return sum(variable.size for _, variable in self.named_weights())

    def places(self) -> list[str]:
        """Return where a `.weights.h5` of Keras has each of `named_weights` in the layer: "cell" in an LSTM, or ""."""
        if not self.lists_own_weights():
            return [place for _, _, place in self.placed_weights()]
        return ["" for _ in self.named_weights()]

    def get_config(self) -> Config:
        """Return the settings as Keras's own JSON values."""
        return {"name": self.name, "trainable": self.trainable, **restraints.settings_of(self)}

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Return a new layer with the settings that `get_config` returned."""
        return cls(**config)
