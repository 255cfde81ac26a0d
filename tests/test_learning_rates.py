"""Learning rates that optax injects: one, several by their groups' names, or a schedule that is in charge."""

import jax
import numpy as np
import optax
import pytest

from epochal.callbacks import BackupAndRestore, LambdaCallback, LearningRateScheduler, ReduceLROnPlateau, TensorBoard
from epochal.layers import Dense
from epochal.models import Sequential

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = X[:, :1]
SGD = optax.inject_hyperparams(optax.sgd)


def groups(params):
    return jax.tree_util.tree_map_with_path(lambda path, _: "head" if path[1].key == 1 else "body", params)


def in_groups(body, head):
    return optax.partition({"body": body, "head": head}, groups)


def two_layers(optimizer):
    model = Sequential([Dense(3, input_dim=4), Dense(1)])
    model.compile(optimizer, "mse")
    return model


def fit(model, *callbacks, **options):
    return model.fit(X, Y, batch_size=8, verbose=0, callbacks=callbacks, **options)


def test_several_rates_are_named_and_none_of_them_is_taken_for_all():
    model = two_layers(in_groups(SGD(learning_rate=0.01), SGD(learning_rate=0.1)))
    before = model.get_weights()
    message = r"several learning rates: 'body', 'head'\. Read and set each by its name: optimizer\.learning_rates\["
    for callback in (LearningRateScheduler(lambda epoch: 0.0), ReduceLROnPlateau("loss")):
        with pytest.raises(ValueError, match=message):
            fit(model, callback)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not hasattr(model.optimizer, "lr")


def test_each_of_several_rates_is_read_and_set_by_its_name(tmp_path):
    model = two_layers(in_groups(SGD(learning_rate=0.01), SGD(learning_rate=0.1)))
    seen = []

    def freeze_body(epoch, logs):
        model.optimizer.learning_rates["body"] = 0
        seen.append(model.get_weights())

    fit(model, LambdaCallback(on_epoch_begin=freeze_body), TensorBoard(tmp_path), epochs=2)
    assert dict(model.optimizer.learning_rates) == {"body": 0.0, "head": pytest.approx(0.1)}
    (kernel, _, head, _), after = seen[0], model.get_weights()
    np.testing.assert_array_equal(kernel, after[0])
    assert abs(head - after[2]).max() > 0
    with pytest.raises(KeyError, match="no learning rate 'tail' can be set; there are 'body', 'head'"):
        model.optimizer.learning_rates["tail"] = 0.1
    with pytest.raises(ValueError, match="learning_rate must be a finite number ≥ 0, not -1"):
        model.optimizer.learning_rates["head"] = -1


def test_rates_in_a_chain_are_told_apart_by_their_names_there():
    named = optax.named_chain(("first", SGD(learning_rate=1.0)), ("second", SGD(learning_rate=-0.0)))
    model = two_layers(named)
    fit(model)
    assert list(model.optimizer.learning_rates) == ["first", "second"]
    model = two_layers(optax.chain(optax.clip(1.0), optax.chain(optax.trace(0.5), SGD(learning_rate=0.25))))
    fit(model)
    assert model.optimizer.lr == 0.25


@pytest.mark.parametrize("callback", [LearningRateScheduler(lambda epoch: 0.0), ReduceLROnPlateau("loss")])
def test_a_schedule_in_the_optimizer_is_not_overruled(callback):
    model = two_layers(SGD(learning_rate=optax.linear_schedule(0.1, 0.05, 100)))
    with pytest.raises(AttributeError, match="the schedule given to optax.inject_hyperparams .* is in charge"):
        fit(model, callback)
    assert model.optimizer.iterations == 0
    fit(model, epochs=2)
    assert model.last_learning_rate() == pytest.approx(0.1 - 0.05 * 3 / 100)


def test_of_a_scheduled_and_a_free_rate_only_the_free_one_is_set():
    model = two_layers(in_groups(SGD(learning_rate=optax.constant_schedule(0.1)), SGD(learning_rate=0.1)))
    fit(model)
    assert list(model.optimizer.learning_rates) == ["head"]
    with pytest.raises(ValueError, match=r"several learning rates: 'body' \(a schedule\), 'head'"):
        model.optimizer.lr = 0.0


def test_rates_of_groups_are_resumed(tmp_path):
    def run(epochs):
        model = two_layers(in_groups(SGD(learning_rate=0.01), SGD(learning_rate=0.1)))
        lower = LambdaCallback(on_epoch_end=lambda epoch, logs: model.optimizer.learning_rates.update(head=0.07))
        fit(model, lower, BackupAndRestore(tmp_path), epochs=epochs, seed=0)
        return model

    run(1)
    resumed = run(2)
    assert resumed.optimizer.learning_rates["head"] == 0.07
    assert resumed.optimizer.iterations == 4
