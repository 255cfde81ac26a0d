"""A user's own module during a fit: what is read there is current, what is written there counts, and it is there once."""

import copy
import gc
import pickle
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from nnx_nets import TARGETS, Linear, Net, X, Y, compiled

from epochal.callbacks import LambdaCallback, SwapEMAWeights
from epochal.models import Model


def kernel_of(model):
    return next(w for w in model.get_weights() if w.shape == (6, 1))


def fit(model, callbacks=(), **options):
    return model.fit(X, Y, **{"batch_size": 10, "epochs": 2, "verbose": 0, "seed": 1} | options, callbacks=[*callbacks])


LOOKS = {
    "get_value": lambda net: net.out.kernel.get_value(),
    "index": lambda net: net.out.kernel[...],
    "raw value": lambda net: net.out.kernel.get_raw_value(),
    "arithmetic": lambda net: net.out.kernel + 0,
    "state": lambda net: nnx.state(net)["out"]["kernel"].get_value(),
    "pure state": lambda net: nnx.to_pure_dict(nnx.state(net, nnx.Param))["out"]["kernel"],
    "merged": lambda net: nnx.merge(*nnx.split(net)).out.kernel[...],
    "clone": lambda net: nnx.clone(net).out.kernel[...],
    "deepcopy": lambda net: copy.deepcopy(net).out.kernel[...],
    "pickle": lambda net: pickle.loads(pickle.dumps(net.out.kernel)).get_value(),
    "leaves": lambda net: next(a for a in jax.tree.leaves(nnx.state(net)) if a.shape == (6, 1)),
    "call": lambda net: net.out(jnp.eye(6)) - net.out.bias,
    "nnx.jit": lambda net: nnx.jit(lambda out: out(jnp.eye(6)) - out.bias)(net.out),
    "jax.jit around it": lambda net: jax.jit(lambda x: net.out(x) - net.out.bias)(jnp.eye(6)),
    "cached_partial": lambda net: nnx.cached_partial(nnx.jit(lambda out: out.kernel[...]), net.out)(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_hook_of_a_batch_finds_the_current_values_in_a_captured_module_and_changes_nothing_by_looking(look):
    net, seen, true = Net(), [], []
    model, undisturbed = compiled(net), compiled(Net())

    def on_batch_end(batch, logs):
        seen.append(np.array(look(net)))
        true.append(kernel_of(model))

    fit(model, [LambdaCallback(on_train_batch_end=on_batch_end)])
    np.testing.assert_allclose(seen, true, atol=1e-7)
    assert len({w.tobytes() for w in true}) == 8
    fit(undisturbed)
    for ours, theirs in zip(model.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


WRITES = {
    "index": lambda net: net.linear.kernel.__setitem__(..., jnp.zeros((6, 1))),
    "set_value": lambda net: net.linear.kernel.set_value(jnp.zeros((6, 1))),
    "set_raw_value": lambda net: net.linear.kernel.set_raw_value(jnp.zeros((6, 1))),
    "copy_from": lambda net: net.linear.kernel.copy_from(nnx.Param(jnp.zeros((6, 1)))),
    "part": lambda net: [net.linear.kernel.__setitem__(row, 0) for row in range(6)],
    "update": lambda net: nnx.update(net, jax.tree.map(jnp.zeros_like, nnx.state(Linear()))),
    "nnx.jit": lambda net: nnx.jit(lambda out: out.kernel.set_value(0 * out.kernel[...]))(net.linear),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_a_hook_of_a_batch_writes_into_a_captured_module_holds_from_the_next_batch_on(write):
    net, losses = Linear(), []
    model = compiled(net, optimizer=optax.sgd(0.0))

    def on_batch_end(batch, logs):
        losses.append(float(logs["loss"]))
        if batch == 1:
            write(net)

    callback = LambdaCallback(on_train_batch_end=on_batch_end)
    model.fit(X, TARGETS, batch_size=10, verbose=0, callbacks=[callback])
    assert all(loss != 1 for loss in losses[:2])
    assert losses[2:] == [1, 1]
    assert not kernel_of(model).any()


def test_a_captured_module_has_the_averaged_weights_while_these_are_what_everybody_sees():
    net, seen, true = Linear(), [], []
    model = compiled(net)

    def on_batch_end(batch, logs):
        seen.append(np.array(net.linear.kernel[...]))
        true.append(kernel_of(model))

    fit(model, [SwapEMAWeights(), LambdaCallback(on_train_batch_end=on_batch_end)])
    np.testing.assert_array_equal(seen, true)


def test_types_metadata_and_graph_of_a_captured_module_stay_during_a_fit():
    net, seen = Net(), []
    kernel = net.out.kernel
    before = nnx.graphdef(net)
    kernel.set_metadata("note", "mine")

    def on_batch_end(batch, logs):
        facts = kernel.dtype, kernel.shape, type(kernel), kernel.get_metadata("note"), kernel.has_metadata("note")
        seen.append((facts, hasattr(kernel, "nonsense"), kernel.note))
        kernel.set_metadata("seen", batch)

    fit(compiled(net), [LambdaCallback(on_train_batch_end=on_batch_end)])
    assert set(seen) == {((jnp.dtype("float32"), (6, 1), nnx.Param, "mine", True), False, "mine")}
    assert kernel.get_metadata("seen") == 3
    kernel.del_metadata("note")
    kernel.del_metadata("seen")
    assert nnx.graphdef(net) == before


class Counting(Linear):
    def __init__(self):
        super().__init__()
        self.calls = nnx.data(jnp.zeros(()))

    def __call__(self, x):
        self.calls = self.calls + 1
        return self.linear(x)


def test_arrays_in_attributes_of_a_captured_module_are_current_and_taken_up_in_hooks_of_batches():
    net, seen = Counting(), []

    def on_batch_end(batch, logs):
        seen.append(int(net.calls))
        if batch == 1:
            net.calls = net.calls + 100

    fit(compiled(net), [LambdaCallback(on_train_batch_end=on_batch_end)])
    assert seen == [1, 2, 103, 104, 105, 106, 207, 208]
    assert net.calls == 208


def test_of_variables_that_cannot_be_empty_hooks_of_batches_see_the_current_values_too(monkeypatch):
    monkeypatch.setattr("epochal.engines.jax.module_arrays.can_be_absent", lambda variable: False)
    net, seen, true = Linear(), [], []
    model = compiled(net)

    def on_batch_end(batch, logs):
        seen.append(np.array(net.linear.kernel[...]))
        true.append(kernel_of(model))
        if batch == 2:
            net.linear.kernel[...] = jnp.zeros((6, 1))

    fit(model, [LambdaCallback(on_train_batch_end=on_batch_end)], epochs=1)
    np.testing.assert_array_equal(seen, true)
    assert np.abs(seen[2]).max() > 0.1 > np.abs(seen[3]).max()
    np.testing.assert_array_equal(net.linear.kernel[...], kernel_of(model))


def test_a_loss_that_reads_a_trained_weight_of_a_captured_module_is_told_that_it_is_a_constant():
    net = Linear()
    model = Model(net)
    model.compile("sgd", lambda y_true, y_pred: jnp.mean((y_true - y_pred) ** 2) + jnp.sum(net.linear.kernel[...] ** 2))
    with pytest.warns(
        UserWarning, match="a weight that is trained was read in the loss .*: the compiled steps take it"
    ):
        fit(model)
    np.testing.assert_array_equal(net.linear.kernel[...], kernel_of(model))


# Whose arrays they are


def test_arrays_that_the_user_holds_stay_whatever_is_trained():
    net, kept = Linear(), []
    other = Linear()
    other.linear.kernel.set_value(net.linear.kernel.get_value())  # one array in two modules
    kept.append(net.linear.kernel.get_value())
    first = np.array(kept[0])
    model = compiled(net)
    keep = LambdaCallback(on_train_batch_end=lambda batch, logs: kept.append(net.linear.kernel.get_value()))
    fit(model, [keep])
    kept.append(net.linear.kernel.get_value())
    fit(model)
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(kept[0], first)
    np.testing.assert_array_equal(other.linear.kernel[...], first)
    assert len({np.array(array).tobytes() for array in kept}) == 9


class Wide(nnx.Module):
    def __init__(self):
        self.linear = nnx.Linear(6, 333, rngs=nnx.Rngs(0))
        self.out = nnx.Linear(333, 1, rngs=nnx.Rngs(1))

    def __call__(self, x):
        return self.out(self.linear(x))


@pytest.mark.parametrize(("optimizer", "arrays"), [("sgd", 1), ("adam", 3)])
def test_the_weights_are_in_memory_once_while_a_module_is_trained_and_afterwards(optimizer, arrays):
    def count():
        return sum(array.shape == (6, 333) for array in jax.live_arrays())

    gc.collect()
    others, seen = count(), []
    net = Wide()
    model = compiled(net, optimizer=optimizer)
    fit(model, [LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(count() - others))])
    assert seen == [arrays] * 2
    fit(model)
    model.predict(X)
    assert np.isfinite(net.linear.kernel[...]).all()
    assert count() - others == arrays


def test_a_module_keeps_its_weights_when_the_model_that_trained_them_is_dropped():
    net = Linear()
    model = compiled(net)
    model.train_on_batch(X, Y)
    trained = kernel_of(model)
    del model
    gc.collect()
    np.testing.assert_array_equal(net.linear.kernel[...], trained)


def test_a_module_whose_state_a_failed_call_has_consumed_says_so_and_can_be_loaded_again(tmp_path):
    net = Linear()
    model = compiled(net)
    fit(model)
    model.save_weights(tmp_path / "saved.weights.h5")
    saved = kernel_of(model)
    for leaf in model.trainee.runtime.engine._state.leaves:
        leaf.delete()
    with pytest.raises(RuntimeError, match="deleted") as caught:
        fit(model)
    assert any("load_weights" in note for note in caught.value.__notes__)
    with pytest.raises(RuntimeError, match="deleted"):
        np.array(net.linear.kernel[...])
    model.compile("sgd", "mse")
    model.load_weights(tmp_path / "saved.weights.h5")
    np.testing.assert_array_equal(net.linear.kernel[...], saved)
    fit(model)


@pytest.mark.parametrize("has_batch_hooks", [False, True])
def test_another_thread_may_look_at_a_captured_module_while_it_is_trained(has_batch_hooks):
    net, failures, done, looks = Net(), [], threading.Event(), []

    def look():
        while not done.is_set():
            try:
                assert np.isfinite(np.asarray(net.out.kernel[...])).all()
                looks.append(1)
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    model, alone = compiled(net), compiled(Net())
    seen, true = [], []

    def on_batch_end(batch, logs):
        for _ in range(20):
            time.sleep(0)  # the other thread's turn
        if batch == 2:
            seen.append(np.array(net.out.kernel[...]))
            true.append(kernel_of(model))

    fit(model, [LambdaCallback(on_train_batch_end=on_batch_end)] if has_batch_hooks else [], epochs=20)
    done.set()
    thread.join()
    assert failures == []
    assert len(looks) > 20
    np.testing.assert_array_equal(seen, true)
    fit(alone, epochs=20)
    np.testing.assert_array_equal(kernel_of(model), kernel_of(alone))
