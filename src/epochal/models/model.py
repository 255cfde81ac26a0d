"""Models: what a user holds, made of a network, how it is trained, a trainer, its files and its inspector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
from jax.typing import ArrayLike

from ..callbacks import History
from ..engines.jax.metric_like import MetricLike
from ..engines.jax.trees import PyTree
from ..layers.graph import Graph
from ..layers.names import snake_case
from ..layers.tensors import tensors_in
from ..layers.types import Variable
from ..messages.arguments import NamesArguments
from ..messages.tracebacks import shows_users_frames
from ..optimizers.lookup import OptimizerIdentifier
from ..saving.custom_objects import CustomObjects
from ..training.trainer import Trainer
from . import attributes, configs, copies, generators, parts
from .delegation import delegated
from .direct_call import call_model
from .files import ModelFiles
from .inspector import Inspector
from .modules import layers_of
from .network import Child, InputShape, LayerLike, Network
from .networks import network_of
from .overrides import check_overrides
from .own_loss import OwnLoss
from .summary import repr_html, summary
from .trainee import Trainee


class Model(NamesArguments):
    """A model of layers between inputs and outputs, or of any `flax.nnx.Module`.

    Args:
        inputs: An `Input`, or a list or dict of them. Or else a module by itself, which takes a batch of inputs,
            an array or a nest of them, and returns a batch of outputs; after `fit` it holds the trained weights.
        outputs: What layers made of the inputs: a tensor, or a list or dict of them.
        name: Of the model; its class's name in snake case if None.

    Attributes:
        stop_training: Set by a callback to end the fit; `stop_evaluating` and `stop_predicting` end those.
        history: The `History` of the last fit.
        data_wait: Seconds for which batches had to be waited for, in all.

    Raises:
        TypeError: If it is neither a module nor tensors.
        ValueError: If an output doesn't follow from the inputs, an input leads nowhere, or two layers have one name.

    Example:
        >>> from epochal.layers import Dense, Input
        >>> x = Input((4,))
        >>> model = Model(x, Dense(1)(Dense(8, activation="relu")(x)))
        >>> model.compile(optimizer="adam", loss="mse")
        >>> history = model.fit(np.ones((32, 4)), np.ones(32), epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
    """

    history: History | None = None
    stop_training = stop_evaluating = stop_predicting = False
    data_wait = 0.0
    _is_copy = False  # in a copy of a layer of which it is a part

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Look, before a subclass does anything, whether it overrides what would be ignored."""
        check_overrides(cls, Model)
        return super().__new__(cls, *args, **kwargs)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        parts.register(cls)

    def __init__(self, inputs: PyTree, outputs: PyTree = None, name: str | None = None) -> None:
        own_name = name or snake_case(self)
        self._assemble(network_of(inputs, outputs, name, own_name))

    def _assemble(self, network: Network) -> None:
        """Make the model of a network."""
        self._trainee = Trainee(network, OwnLoss(self, Model.compute_loss))
        self._trainer = Trainer(self._trainee, self, self._trainee.activity)
        self._files, self._inspector = ModelFiles(self._trainee), Inspector(self._trainee)

    def assemble_copy(self, children: Iterable[Child]) -> None:
        """Become a copy that is a part of a copied module, with a network of other modules; flax calls it."""
        self._assemble(self._trainee.network.with_children(children))
        self._is_copy = True

    def __getstate__(self) -> dict[str, object]:
        own: dict[str, object] = {name: value for name, value in vars(self).items() if name not in PARTS}
        return own | {"contents": copies.Contents.of(self._trainee)}

    def __setstate__(self, state: dict[str, object]) -> None:
        contents = cast("copies.Contents", state.pop("contents"))
        vars(self).update(state)
        self._assemble(contents.network)
        contents.fill(self._trainee)

    def __setattr__(self, name: str, value: object) -> None:
        attributes.check(self, name, value)
        super().__setattr__(name, value)

    @property
    def trainee(self) -> Trainee:
        """The network with all that it takes to train it, which the parts of the model share."""
        return self._trainee

    @property
    def name(self) -> str:
        """What errors, files and layers around it call the model."""
        return self._trainee.name

    @name.setter
    def name(self, name: str) -> None:
        self._trainee.network.name = name

    # Layers

    @property
    def module(self) -> Any:
        """The module, holding the weights after the last finished batch; within `compute_loss`, that of the step."""
        return self._trainee.current_module

    @property
    def built(self) -> bool:
        """Whether the layers have their variables."""
        return self._trainee.network.module is not None

    def build(self, input_shape: InputShape = None) -> None:
        """Make the variables of the layers, which a model of tensors or of a module has already.

        Args:
            input_shape: The shape of the input that is expected, the batch axis in front: `(None, 64)`; of several
                inputs the shapes in a list, or in a dict by name. None if the first layer of a `Sequential` says it.

        Raises:
            ValueError: If nobody says it, there are no layers, or they are built already, for another shape.
        """
        self._trainee.network.build(input_shape)

    def build_for(self, args: tuple[PyTree, ...], kwargs: dict[str, PyTree]) -> None:
        """Make the variables for these arguments of a call, arrays or tensors."""
        self._trainee.network.build_for(args[0])

    def __call__(self, x: PyTree, *more: PyTree, training: bool | None = None) -> PyTree:
        """Return the outputs for a batch of arrays, or symbolic ones for tensors: a model is a layer too.

        Args:
            x: Inputs as `predict` takes them, or tensors.
            *more: Further arguments of a plain module.
            training: Whether to compute as in training; then dropout draws, and batch statistics move. None: as the
                layer does of which the model is a part, or the step within `compute_loss`, else no.
        """
        return call_model(self, self._trainee, self._is_copy, x, more, training)

    @property
    def layers(self) -> list[LayerLike]:
        """The layers, holding the weights after the last finished batch; a plain module is one layer."""
        return [layer for _, layer in layers_of(self.module)]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, by which data may be given in a dict; empty for a plain module."""
        inputs = self._trainee.network.inputs
        return [] if inputs is None else list(inputs.names)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs; empty for a plain module that hasn't seen data yet."""
        outputs = self._trainee.network.outputs
        return [] if outputs is None else list(outputs.names)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, the batch axis in front; a list of them for several, None where it isn't known."""
        inputs = self._trainee.network.inputs
        return None if inputs is None else inputs.shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output, as `input_shape`."""
        return self._trainee.output_shape

    @property
    def input(self) -> PyTree:
        """The symbolic input: a tensor, or the list or dict of them that the model was made from.

        `Model(model.input, model.get_layer("features").output)` gives what is in between.

        Raises:
            AttributeError: If the model isn't built yet, or is made of a plain module.
        """
        return self._trainee.network.ends().inputs

    @property
    def output(self) -> PyTree:
        """The symbolic output, as `input`."""
        return self._trainee.network.ends().outputs

    inputs = property(lambda self: tensors_in(self.input), doc="The symbolic inputs, in a list.")
    outputs = property(lambda self: tensors_in(self.output), doc="The symbolic outputs, in a list.")
    losses = property(lambda self: self._inspector.losses(), doc="What regularizers and `add_loss` add to the loss.")

    summary, _repr_html_ = summary, repr_html

    # Weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers. `compile` reads it."""
        return self._trainee.network.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainee.network.trainable = value

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes, holding the weights after the last finished batch."""
        return [variable for variable, trained in self._inspector.trained_variables() if trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that training leaves alone, and those that are no parameters, such as moving averages."""
        return [variable for variable, trained in self._inspector.trained_variables() if not trained]

    def count_params(self) -> int:
        """Return how many numbers the weights are."""
        return sum(variable.size for variable in self._trainee.runtime.weights().values())

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, in the layers' order; in a layer, trainable ones first."""
        return self._trainee.runtime.read()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights by arrays of the same shapes, in the order of `get_weights`.

        Raises:
            ValueError: If the number or a shape differs; then nothing is changed.
        """
        self._trainee.runtime.write(weights)

    # Training

    @property
    def optimizer(self) -> Any:
        """What `compile` got; `optimizer.lr` is the current learning rate. Another one may be set: it starts afresh."""
        config = self._trainee.config
        return None if config is None else config.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: OptimizerIdentifier) -> None:
        self._trainee.replace_optimizer(optimizer)

    @property
    def loss(self) -> object:
        """What `compile` got as the loss."""
        config = self._trainee.config
        return None if config is None else config.given_loss

    @property
    def metrics(self) -> list[MetricLike]:
        """The metrics that are logged beside the losses, in log order."""
        return [logged.metric for logged in self._trainee.logged_metrics()]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what is logged, in log order: the loss, the losses of several outputs, the metrics."""
        return self._trainee.log_names()

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of a batch; override it for an objective of your own, in one of two forms.

        It becomes part of the compiled step, so it must be made of functions of JAX.

        `compute_loss(self, batch, training)` finds the module in `self.module` and calls it itself. `batch` is
        `(x, y, sample_weight)`, where what wasn't given is None; `training` says in which mode the module is. It
        returns the loss, a scalar, or `(loss, outputs)`, which metrics need.

        `compute_loss(self, x, y, y_pred, sample_weight, training)` is Keras's form; any of these may be left out but
        `y_pred`, the outputs. It returns the loss.

        Here both return what is compiled: the first the loss and the outputs, the second the loss.
        """
        return self._trainee.compiled_plan.compiled_loss(self.module, args, kwargs)

    compile = delegated("_trainee", Trainee.compile)
    fit = shows_users_frames(delegated("_trainer", Trainer.fit))
    evaluate = shows_users_frames(delegated("_trainer", Trainer.evaluate))
    predict = shows_users_frames(delegated("_trainer", Trainer.predict))
    train_on_batch = shows_users_frames(delegated("_trainer", Trainer.train_on_batch))
    test_on_batch = shows_users_frames(delegated("_trainer", Trainer.test_on_batch))
    predict_on_batch = shows_users_frames(delegated("_trainer", Trainer.predict_on_batch))

    # Keras 2's names for batches that come one after the other

    fit_generator = generators.fit_generator
    evaluate_generator = generators.evaluate_generator
    predict_generator = generators.predict_generator

    # Settings

    get_config = configs.get_config
    to_json = configs.to_json

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: CustomObjects | None = None) -> Self:
        """Return a new model, with new weights, of what `get_config` returned; see `models.model_from_json`."""
        return cls.of_graph(configs.graph_from("Functional", config, custom_objects))

    @classmethod
    def of_graph(cls, graph: Graph) -> Self:
        """Return the model of a graph of layers."""
        model = cls.__new__(cls)
        Model.__init__(model, graph, name=graph.name)
        return model

    # Files

    save = delegated("_files", ModelFiles.save)
    save_weights = delegated("_files", ModelFiles.save_weights)
    load_weights = delegated("_files", ModelFiles.load_weights)
    check_filepath = delegated("_files", ModelFiles.check_filepath)
    snapshot = delegated("_files", ModelFiles.snapshot)

    # A look inside

    get_layer = delegated("_inspector", Inspector.get_layer)
    named_weights = delegated("_inspector", Inspector.named_weights)
    weights_by_layer = delegated("_inspector", Inspector.weights_by_layer)
    activations = delegated("_inspector", Inspector.activations)
    gradients = delegated("_inspector", Inspector.gradients)
    layer_graph = delegated("_inspector", Inspector.layer_graph)
    training_settings = delegated("_inspector", Inspector.training_settings)
    last_learning_rate = delegated("_inspector", Inspector.last_learning_rate)
    direction = delegated("_trainee", Trainee.direction)
    track_average = delegated("_trainee", Trainee.track_average)
    use_average = delegated("_trainee", Trainee.use_average)


PARTS = ("_trainee", "_trainer", "_files", "_inspector")
"""Attributes that a copy makes anew."""


parts.register(Model)
