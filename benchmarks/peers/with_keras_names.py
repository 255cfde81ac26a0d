"""The networks in Keras's names: of epochal's layers or of Keras's own, in epochal's fit or in Keras's."""

import os

os.environ["KERAS_BACKEND"] = "jax"

from benchmarks.peers.fits import Record
from benchmarks.peers.tasks import BETAS, BLOCKS, EPSILON, HEADS, LEARNING_RATE, NORM_EPSILON, TOKENS, VOCABULARY, WIDTH


def network(kit, task):
    """Return a task's network, of the names of `epochal` or of `keras`."""
    layers = kit.layers
    if task.kind == "transformer":
        return transformer(kit)
    if task.kind == "conv":
        inside = [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
        ]
    else:
        inside = [layers.Input((task.features,))]
        inside += [layers.Dense(task.hidden, activation="relu")] if task.hidden else []
    return kit.models.Sequential([*inside, layers.Dense(task.classes)])


def transformer(kit):
    layers = kit.layers
    tokens = layers.Input((TOKENS,), dtype="int32")
    x = layers.Embedding(VOCABULARY, WIDTH)(tokens)
    for _ in range(BLOCKS):
        h = layers.LayerNormalization(epsilon=NORM_EPSILON)(x)
        x = layers.add([x, layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(h, h, use_causal_mask=True)])
        h = layers.LayerNormalization(epsilon=NORM_EPSILON)(x)
        x = layers.add([x, layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, activation="relu")(h))])
    x = layers.LayerNormalization(epsilon=NORM_EPSILON)(x)
    return kit.models.Model(tokens, layers.Dense(VOCABULARY)(x))


def compile_(kit, model, **settings):
    model.compile(
        optimizer=kit.optimizers.Adam(LEARNING_RATE, *BETAS, epsilon=EPSILON),
        loss=kit.losses.SparseCategoricalCrossentropy(from_logits=True),
        **settings,
    )
    return model


def model_files(kit, suffix=".keras"):
    """Return how to make a callback that saves the model with its optimizer after each epoch."""
    return lambda folder: kit.callbacks.ModelCheckpoint(str(folder / ("{epoch:02d}" + suffix)))


def fitting(kit, fit, task, data, checkpoint):
    """Return a way to train by a `fit`, with the callbacks of `kit`."""
    callbacks = kit.callbacks

    class Losses(callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.losses = []

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    def run(epochs, variant, folder):
        record, losses = Record(), Losses()
        clock = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: record.ended(logs["loss"]))
        added = {"losses": lambda: [losses], "checkpoint": lambda: [checkpoint(folder)]}.get(variant, list)()
        held_out = (data["val_x"], data["val_y"]) if variant == "validation" else None
        history = fit(
            data["x"],
            data["y"],
            batch_size=task.batch,
            epochs=epochs,
            verbose=0,
            validation_data=held_out,
            callbacks=[*added, clock],
        )
        record.kept = len(losses.losses) if variant == "losses" else 0
        record.val_losses = history.history.get("val_loss", [])
        return record

    return run


def epochal_layers(task, data):
    import epochal

    model = compile_(epochal, network(epochal, task))
    return fitting(epochal, model.fit, task, data, model_files(epochal, ".h5"))


def epochal_keras(task, data):
    import keras

    import epochal
    from epochal.keras import Model

    model = compile_(keras, network(keras, task))
    return fitting(epochal, Model(model).fit, task, data, model_files(epochal))


def keras_fit(task, data, steps_per_execution=1):
    import keras

    model = compile_(keras, network(keras, task), steps_per_execution=steps_per_execution)
    return fitting(keras, model.fit, task, data, model_files(keras))


def keras_fit_8(task, data):
    return keras_fit(task, data, 8)


def keras_fit_64(task, data):
    return keras_fit(task, data, 64)
