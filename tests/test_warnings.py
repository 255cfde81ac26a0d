"""Warnings are about the user's own line, whatever lies between it and the place where something was noticed."""

import warnings

import numpy as np
import pytest

from epochal.callbacks import CSVLogger, LambdaCallback
from epochal.layers import Dense, Flatten, Masking
from epochal.models import Model, Sequential, load_model

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


def compiled():
    model = Sequential([Dense(1, input_dim=3)])
    model.compile("sgd", "mse")
    return model


def both_validations(folder):
    compiled().fit(X, Y, validation_split=0.5, validation_data=(X, Y), verbose=0)


def frozen_late(folder):
    model = compiled()
    model.layers[0].trainable = False
    model.fit(X, Y, verbose=0)


def frozen_late_in_a_batch(folder):
    model = compiled()
    model.layers[0].trainable = False
    model.train_on_batch(X, Y)


def unknown_class(folder):
    compiled().fit(X, np.ones(8), class_weight={1: 1.0, 7: 2.0}, verbose=0)


def lost_mask(folder):
    Sequential([Masking(input_shape=(4, 2)), Flatten()])


def odd_activation(folder):
    model = Sequential([Dense(1, activation="softmax", input_dim=3)])
    model.compile("sgd", "mse")


def short_stream(folder):
    compiled().fit([(X, Y)], steps_per_epoch=2, verbose=0)


def lost_column(folder):
    class Rewarded(LambdaCallback):
        pass

    model = compiled()
    model.fit(X, Y, verbose=0, callbacks=[CSVLogger(folder / "log.csv")])
    adding = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(more=1.0))
    model.fit(X, Y, verbose=0, callbacks=[adding, CSVLogger(folder / "log.csv", append=True)])


def left_uncompiled(folder):
    model = compiled()
    model.compile("sgd", lambda y, p: abs(y - p).mean(axis=-1))
    model.save(folder / "m.h5")
    load_model(folder / "m.h5")


def in_a_hook(folder):
    class Hook(LambdaCallback):
        def on_epoch_end(self, epoch, logs=None):
            compiled().fit(X, Y, validation_split=0.5, validation_data=(X, Y), verbose=0)

    compiled().fit(X, Y, verbose=0, callbacks=[Hook()])


def in_a_generator(folder):
    def batches():
        Sequential([Masking(input_shape=(4, 2)), Flatten()])
        yield X, Y

    compiled().fit(batches(), steps_per_epoch=1, verbose=0)


@pytest.mark.parametrize(
    "warn",
    [both_validations, in_a_hook, in_a_generator, frozen_late, frozen_late_in_a_batch, unknown_class, lost_mask, odd_activation, short_stream,
     lost_column, left_uncompiled],
)  # fmt: skip
def test_a_warning_names_the_line_of_the_user(warn, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn(tmp_path)
    assert caught
    code = warn.__code__
    last = max(line for *_, line in code.co_lines() if line)
    for warning in caught:
        assert warning.filename == __file__, (warning.message, warning.filename, warning.lineno)
        assert code.co_firstlineno < warning.lineno <= last


def test_a_subclass_of_model_is_the_users_code():
    class Mine(Model):
        def fit(self, *args, **kwargs):
            return super().fit(*args, verbose=0, **kwargs)

    model = Mine(compiled().module)
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="validation_split is left out") as caught:
        model.fit(X, Y, validation_split=0.5, validation_data=(X, Y))
    assert caught[0].filename == __file__
