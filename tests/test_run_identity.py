"""A saved run knows what it is a run of: what has changed is named, and `strict=False` goes on as far as it fits."""

import re
import warnings

import numpy as np
import optax
import pytest
from flax import nnx

from epochal.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback
from epochal.core.identity import described, differences
from epochal.data.digest import digest_of
from epochal.layers import Add, Dense, Dropout, Input, Lambda, Layer
from epochal.models import Model, Sequential
from epochal.models.identity import current_rate
from epochal.optimizers import SGD

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, :1]


def net(*layers, optimizer="sgd", loss="mse", **compiled):
    model = Sequential(list(layers) or [Dense(1, input_dim=4)])
    model.compile(optimizer, loss, **compiled)
    return model


def train(folder, model, epochs=1, x=X, y=Y, strict=True, callbacks=(), **options):
    options = {"batch_size": 32, "verbose": 0} | options
    return model.fit(x, y, epochs=epochs, callbacks=[*callbacks, BackupAndRestore(folder, strict=strict)], **options)


@pytest.fixture
def refused(tmp_path):
    """Return a function that trains one model, then another in its folder, and returns the differences it names."""

    def compare(then, now, options=None, more=None):
        train(tmp_path, then, **options or {})
        with pytest.raises(ValueError, match=r"holds a run of something else:") as caught:
            train(tmp_path, now, epochs=2, **more or options or {})
        return [line.strip() for line in str(caught.value).split("\n")[1:-1]]

    return compare


@pytest.mark.parametrize(
    ("then", "now", "line"),
    [
        (
            lambda: net(optimizer=SGD(0.1)),
            lambda: net(optimizer=SGD(0.001)),
            "learning_rate: 0.1 then, 0.001 now",
        ),
        (
            lambda: net(optimizer=SGD(0.1, momentum=0.9)),
            lambda: net(optimizer=SGD(0.1, momentum=0.5)),
            "engine.optimizer.momentum: 0.9 then, 0.5 now",
        ),
        (
            lambda: net(Dense(2, "relu", input_dim=4), Dense(1)),
            lambda: net(Dense(2, "tanh", input_dim=4), Dense(1)),
            "layers.dense.activation: relu then, tanh now",
        ),
        (
            lambda: net(Dropout(0.1, input_shape=(4,)), Dense(1)),
            lambda: net(Dropout(0.2, input_shape=(4,)), Dense(1)),
            "layers.dropout.rate: 0.1 then, 0.2 now",
        ),
        (lambda: net(loss="mse"), lambda: net(loss="mae"), r"loss\.\S*: mean_squared_error then, .* now"),
        (lambda: net(metrics=["mae"]), lambda: net(metrics=["mse"]), r"metrics: \['mae'\] then, \['mse'\] now"),
        (lambda: net(loss_weights=[1.0]), lambda: net(loss_weights=[2.0]), r"loss_weights: \[1.0\] then, \[2.0\] now"),
    ],
)
def test_what_has_changed_is_named(refused, then, now, line):
    assert any(re.fullmatch(line, found) for found in refused(then(), now())), line


@pytest.mark.parametrize(
    ("then", "now", "line"),
    [
        ({"batch_size": 32}, {"batch_size": 16}, "data.batch_size: 32 then, 16 now"),
        ({"class_weight": {0: 1}}, {"class_weight": {0: 2}}, "class_weight.0: 1 then, 2 now"),
        ({"y": Y * 0}, {"y": Y * 0 + 1}, r"data.content.y: \w{12} then, \w{12} now"),
        ({"x": X}, {"x": X[::-1].copy()}, r"data.content.x: \w{12} then, \w{12} now"),
        ({}, {"sample_weight": np.ones(64)}, r"data.content.sample_weight: nothing then, \w{12} now"),
        ({"validation_split": 0.5}, {"validation_split": 0.25}, "validation.samples: 32 then, 16 now"),
    ],
)
def test_what_fit_is_asked_for_is_named(refused, then, now, line):
    y = Y * 0 if "class_weight" in then else Y
    found = refused(net(), net(), {"y": y} | then, {"y": y} | now)
    assert any(re.fullmatch(line, each) for each in found), found


def test_a_finished_run_that_is_asked_for_again_notices_too(tmp_path):
    train(tmp_path, net(), epochs=2)
    with pytest.raises(ValueError, match=r"loss"):
        train(tmp_path, net(loss="mae"), epochs=2)


def test_two_runs_of_one_script_are_equal_whatever_their_seed(tmp_path):
    make = lambda: net(Dense(2, lambda x: x * 0.5, input_dim=4), Lambda(lambda x: x + 1), Dense(1), loss=squares(2.0))
    train(tmp_path, make())
    assert train(tmp_path, make(), epochs=2).epoch == [0, 1]


def squares(factor):
    def loss(y_true, y_pred):
        """Return factor times the squared error."""
        return factor * (y_true - y_pred) ** 2

    return loss


def cubes(factor):
    def loss(y_true, y_pred):
        return factor * abs(y_true - y_pred) ** 3

    return loss


def test_a_loss_of_ones_own_is_known_by_what_it_does_and_holds(refused):
    assert any("2.0 then, 3.0 now" in line for line in refused(net(loss=squares(2.0)), net(loss=squares(3.0))))
    assert any("code" in line for line in differing(net(loss=squares(2.0)), net(loss=cubes(2.0))))


def differing(then, now):
    for model in (then, now):
        model.predict(X[:1])
        model.trainee.declared_rate.fit_begins(*current_rate(model.optimizer))
    return differences(then.trainee.identity(), now.trainee.identity())


class Halved(nnx.Module):
    def __init__(self, part, rngs):
        self.dense, self.part, self.dropout = nnx.Linear(4, 1, rngs=rngs), part, nnx.Dropout(part, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.dense(x)) * self.part


def module(part=0.5):
    model = Model(Halved(part, nnx.Rngs(0)))
    model.compile("sgd", "mse")
    return model


def test_a_modules_plain_settings_count(refused):
    found = refused(module(0.5), module(0.25))
    assert {line.split(":")[0].rpartition(".")[2] for line in found} == {"part", "rate"}


def wired(crossed):
    a, b = Input((4,)), Input((4,))
    first, second = Dense(4, name="first"), Dense(4, name="second")
    u, v = first(b if crossed else a), second(a if crossed else b)
    model = Model([a, b], Dense(1, name="out")(Add()([u, v])))
    model.compile("sgd", "mse")
    return model


def test_which_layer_takes_whose_output_counts(refused):
    both = {"x": [X, X]}
    assert any(line.startswith("wiring: ") for line in refused(wired(False), wired(True), both))


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: optax.adam(rate),
        lambda rate: optax.chain(optax.clip(1.0), optax.sgd(optax.exponential_decay(rate, 10, 0.5))),
        lambda rate: optax.inject_hyperparams(optax.sgd)(learning_rate=rate),
        lambda rate: SGD(optax.cosine_decay_schedule(rate, 100)),
    ],
)
def test_rates_within_transforms_and_schedules_count(make):
    found = differing(net(optimizer=make(0.1)), net(optimizer=make(0.2)))
    assert any(re.search(r"0\.1\b.* then, .*0\.2\b.* now", line) for line in found), found
    assert differing(net(optimizer=make(0.1)), net(optimizer=make(0.1))) == []


def test_a_rate_that_callbacks_have_changed_is_no_other_rate(tmp_path):
    model = net(optimizer=SGD(0.1))
    lowers = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model.optimizer, "lr", 0.05))
    train(tmp_path, model, callbacks=[lowers])
    train(tmp_path, model, epochs=2)
    assert model.optimizer.lr == pytest.approx(0.05)
    model.optimizer.lr = 0.2  # but this is
    with pytest.raises(ValueError, match=r"learning_rate: 0\.1 then, 0\.2 now"):
        train(tmp_path, model, epochs=3)


# strict=False


def test_the_new_rate_is_taken_and_the_momentum_stays(tmp_path):
    train(tmp_path, net(optimizer=SGD(0.1, momentum=0.9)), epochs=2)
    model, rates = net(optimizer=SGD(0.001, momentum=0.9)), []
    watch = LambdaCallback(on_epoch_begin=lambda epoch, logs: rates.append(model.optimizer.lr))
    train(tmp_path, model, epochs=4, strict=False, callbacks=[watch])
    assert rates == [0.001, 0.001]
    assert model.last_learning_rate() == pytest.approx(0.001)


def test_another_optimizer_begins_afresh_and_is_told(tmp_path):
    train(tmp_path, net(optimizer="adam"), epochs=2)
    weights = []
    model = net(optimizer="sgd")
    watch = LambdaCallback(
        on_train_begin=lambda logs: None, on_epoch_begin=lambda *_: weights.append(model.get_weights())
    )
    with pytest.warns(UserWarning, match=r"the optimizer's state is left out"):
        history = train(tmp_path, model, epochs=3, strict=False, callbacks=[watch])
    assert history.epoch == [0, 1, 2]
    assert np.abs(weights[0][0]).sum() > 0
    assert model.optimizer.lr == pytest.approx(0.01)


class Block(Layer):
    """A layer of one's own with layers inside, and a loss that it adds."""

    def __init__(self, units, **more):
        super().__init__(**more)
        self.units, self.parts, self.calls = units, [Dense(units), Dense(units)], 0

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(self.units,), initializer="ones")

    def call(self, x, training=None):
        for part in self.parts:
            x = part(x)
        self.add_loss(0.0)
        return x * self.scale


def test_a_layer_of_ones_own_is_the_same_again_in_one_process(tmp_path):
    make = lambda units=3: net(Block(units, input_dim=4), Dense(1))
    model = make()
    train(tmp_path, model)
    train(tmp_path, model, epochs=2)
    assert train(tmp_path, make(), epochs=3).epoch == [0, 1, 2]
    with pytest.raises(ValueError, match=r"layers\.block\.units: 3 then, 2 now"):
        train(tmp_path, make(2), epochs=3)


def test_a_layer_that_is_frozen_now_keeps_what_it_learnt(tmp_path):
    def make(frozen):
        model = Sequential([Dense(2, input_dim=4), Dense(1)])
        model.layers[0].trainable = not frozen
        model.compile("adam", "mse")
        return model

    first = make(False)
    train(tmp_path, first, epochs=2)
    with pytest.raises(ValueError, match=r"layers\.dense\.trainable: True then, False now"):
        train(tmp_path, make(True), epochs=3)
    with pytest.warns(UserWarning, match=r"the optimizer's state is left out"):
        train(tmp_path, second := make(True), epochs=3, strict=False)
    same = [np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True)]
    assert same == [True, True, False, False]


def test_weights_of_other_shapes_begin_afresh_and_the_best_ones_are_forgotten(tmp_path):
    best = lambda: EarlyStopping("loss", patience=9, restore_best_weights=True)
    train(tmp_path, net(Dense(2, input_dim=4), Dense(1)), epochs=2, callbacks=[best()])
    with pytest.warns(UserWarning) as told:
        train(tmp_path, net(Dense(3, input_dim=4), Dense(1)), epochs=3, strict=False, callbacks=[best()])
    text = "\n".join(str(warning.message) for warning in told)
    assert "params/layers/0/affine/kernel" in text
    assert "EarlyStopping: the best weights that were saved have other shapes" in text


def test_with_another_batch_size_the_epoch_under_way_begins_again(tmp_path):
    class Stop(Exception):
        pass

    def stops(batch, logs):
        if batch == 2:
            raise Stop

    with pytest.raises(Stop):
        net().fit(
            X, Y, batch_size=16, epochs=2, verbose=0,
            callbacks=[LambdaCallback(on_batch_end=stops), BackupAndRestore(tmp_path, save_freq=1)],
        )  # fmt: skip
    batches = []
    watch = LambdaCallback(on_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.warns(UserWarning, match="epoch 1 begins again"):
        history = train(tmp_path, net(), epochs=1, strict=False, callbacks=[watch])
    assert (batches, history.epoch) == ([0, 1], [0])


def test_another_source_of_data_goes_on_at_the_epoch(tmp_path):
    train(tmp_path, net(), epochs=2)
    batches = [(X[:32], Y[:32]), (X[32:], Y[32:])]
    history = net().fit(batches, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path, strict=False)])
    assert history.epoch == [0, 1, 2, 3]


def test_more_differences_than_one_can_read_are_counted(tmp_path):
    layers = lambda n: [Dense(n, input_dim=4), *(Dense(n) for _ in range(9)), Dense(1)]
    train(tmp_path, net(*layers(2)))
    with pytest.raises(ValueError, match=r"\n  … and \d+ more\n"):
        train(tmp_path, net(*layers(3)))


# Digests and descriptions


def test_a_digest_tells_arrays_apart_by_all_of_a_small_one_and_some_rows_of_a_large_one(tmp_path):
    small = np.zeros((1000, 10))
    changed = small.copy()
    changed[500, 3] = 1
    assert digest_of(small) != digest_of(changed)
    large = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (4000, 1000))
    assert digest_of(large) == digest_of(np.zeros((4000, 1000), np.float32))
    large[0, 0] = 1
    assert digest_of(large) != digest_of(np.zeros((4000, 1000), np.float32))
    wide = np.zeros((2, 4_000_000), np.float32)
    assert digest_of(wide) == digest_of(wide.copy())
    assert digest_of(np.float32(1)[None]) != digest_of(np.float32(2)[None])
    for odd in (np.zeros((0, 3)), np.array(1.0), np.zeros((3, 4)).T, np.array(["a", "b"])):
        assert digest_of(odd) == digest_of(odd.copy())


def test_things_within_things_end_somewhere():
    circle = {"a": 1}
    circle["self"] = circle
    assert described(circle) == {"a": 1, "self": "dict"}

    class Slots:
        __slots__ = ()

    assert described([Slots(), print, int, np.float32(2), {3}]) == ["Slots", "print", "int", 2.0, ["3"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert described(nnx.Rngs(0)) is not None
