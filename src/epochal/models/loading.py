"""Models from files."""

from __future__ import annotations

from .. import initializers, saving
from ..engines.jax.trees import Array
from ..layers.streams import outlined
from ..layers.untyped import eval_shape
from ..messages.arguments import names_arguments
from ..messages.printing import warn
from ..saving import graphs
from ..saving.custom_objects import CustomObjects
from ..saving.json_values import Json
from .files import FilePath, ModelFiles
from .model import Model
from .overrides import check_overrides
from .sequential import Sequential


@names_arguments
def load_model(path: FilePath, custom_objects: CustomObjects | None = None) -> Model:
    """Return the model in a file that `Model.save` or Keras's `model.save("….h5")` wrote: a `Sequential` if it was one.

    With epochal's own file, training goes on where it stopped: weights, learning rate, the optimizer's state, compile
    settings and random streams are as they were. Of Keras's, the optimizer's state isn't taken over.

    Args:
        path: The file.
        custom_objects: One's own layers, activations, losses, metrics and optimizers by the names in the file. This
            is the only way code gets in: nothing that a file names is imported, and no code in it is run. An optax
            transform goes in as "OptaxOptimizer". A model's own class gives the loaded model its methods, such as
            `compute_loss`; its `__init__` isn't called.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, holds weights only, or names a layer that isn't known.

    Example:
        >>> import os, tempfile
        >>> from epochal.layers import Dense
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.h5")
        ...     Sequential([Dense(2, input_dim=3)]).save(path)
        ...     model = load_model(path)
        >>> model.output_shape
        (None, 2)
    """
    custom = dict(custom_objects or {})
    left_out: list[str] = []
    with saving.opened(path) as file:
        try:
            outlined = _outlined(file.config, custom, left_out)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error
        if left_out:
            warn(f"{path}: left out, since only training needs it: {', '.join(left_out)}.")
        weights = file.weights(outlined)
        model = _built(file.config, custom, [])
        _give_class(model, file.model_class, custom)
        model.trainee.runtime.load_owned(weights)
        ModelFiles(model.trainee).resume(file, custom, model.compile)
    return model


@names_arguments
def save_model(model: Model, filepath: FilePath, overwrite: bool = True) -> None:
    """Write a whole model into a file: `model.save(filepath)`, which says more."""
    model.save(filepath, overwrite=overwrite)


def _built(config: Json, custom: CustomObjects, left_out: list[str]) -> Model:
    with initializers.zeros_instead():
        graph = graphs.graph_of(config, custom, left_out)
    return Sequential.of_graph(graph) if graph.keras_class == "Sequential" else Model(graph, name=graph.name)


def _give_class(model: Model, name: str | None, custom: CustomObjects) -> None:
    """Make a loaded model one of the class that it had when it was saved, if that has an objective of its own."""
    if name is None:
        return
    if (kind := custom.get(name)) is None:
        warn(
            f"the model was a {name}, whose compute_loss isn't in the file: it is loaded as a {type(model).__name__} "
            f"without it. Pass custom_objects={{{name!r}: {name}}}."
        )
    elif not isinstance(kind, type) or not issubclass(kind, type(model)):
        raise ValueError(f"custom_objects[{name!r}] must be a subclass of {type(model).__name__}; got {kind!r}.")
    else:
        check_overrides(kind, Model)
        model.__class__ = kind


def _outlined(config: Json, custom: CustomObjects, left_out: list[str]) -> list[saving.LayerWeights]:
    """Return a described model's layers with the shapes of their weights; no array is made, however large."""
    made: list[Model] = []

    def outline() -> list[Array]:
        made.append(_built(config, custom, left_out))
        return [variable.get_value() for variable in made[0].trainee.runtime.weights().values()]

    with outlined():
        shapes = eval_shape(outline)
    return ModelFiles(made[0].trainee).layers_with(shapes)
