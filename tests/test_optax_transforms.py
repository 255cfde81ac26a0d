"""Any optax transform trains as in a loop by hand, whatever its update asks for, or is refused with a word."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from epochal.callbacks import BackupAndRestore, LambdaCallback, SwapEMAWeights
from epochal.layers import Dense
from epochal.models import Sequential, load_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = (X @ [[1.0], [-1.0], [0.5], [2.0]] + 0.1 * RNG.normal(size=(32, 1))).astype("float32")
START = [RNG.normal(size=(4, 1)).astype("float32"), np.zeros(1, "float32")]


def line(optimizer, **compiled):
    model = Sequential([Dense(1, input_dim=4)])
    model.compile(optimizer, "mse", **compiled)
    model.set_weights(START)
    return model


def trained(optimizer, epochs=2, **compiled):
    model = line(optimizer, **compiled)
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def by_hand(transform, asked, params=None, epochs=2):
    """Return the weights and the state of a loop over the same batches, written out with optax."""
    params = {"kernel": START[0], "bias": START[1]} if params is None else params
    fast = lambda params: params.fast if hasattr(params, "fast") else params

    @jax.jit
    def step(params, state, x, y):
        loss = lambda weights: jnp.mean((x @ weights["kernel"] + weights["bias"] - y) ** 2)
        value, grad = jax.value_and_grad(loss)(fast(params))
        known = {"value": value, "grad": grad, "value_fn": loss, "obj_fn": loss}
        known["grad_fn"] = lambda weights, step: jax.grad(loss)(weights)
        updates, state = transform.update(grad, state, params, **{name: known[name] for name in asked})
        return optax.apply_updates(params, updates), state

    state = transform.init(params)
    for at in [*range(0, 32, 8)] * epochs:
        params, state = step(params, state, X[at : at + 8], Y[at : at + 8])
    return params, state


def assert_same(model, weights):
    for ours, theirs in zip(model.get_weights(), (weights["kernel"], weights["bias"]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


ASCENT = optax.chain(contrib.normalize(), optax.sgd(0.05))
SEARCH = ("value", "grad", "value_fn")


@pytest.mark.parametrize(
    ("transform", "asked"),
    [
        (optax.polyak_sgd(0.1), ["value"]),
        (optax.chain(optax.sgd(0.1), contrib.reduce_on_plateau(patience=1, factor=0.5)), ["value"]),
        (contrib.momo(0.1), ["value"]),
        (optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(5, store_grad=True)), SEARCH),
        (optax.lbfgs(0.1, linesearch=None), []),
        (contrib.sophia(0.1, verbose=False), ["obj_fn"]),
        (contrib.sam(optax.adam(0.1), ASCENT, opaque_mode=True), ["grad_fn"]),
        (optax.chain(optax.clip(1.0), contrib.sam(optax.sgd(0.1), ASCENT)), []),
        (optax.inject_hyperparams(optax.adamw)(0.1, weight_decay=optax.linear_schedule(0.1, 0, 5)), []),
    ],
    ids=["polyak", "plateau", "momo", "backtracking", "lbfgs", "sophia", "opaque sam", "sam in a chain", "injected"],
)
def test_what_an_update_asks_for_is_there(transform, asked):
    assert_same(trained(transform), by_hand(transform, asked)[0])


def test_steps_that_are_added_up_may_be_given_as_they_are():
    assert_same(
        trained(optax.MultiSteps(optax.sgd(0.1), 3)),
        by_hand(optax.MultiSteps(optax.sgd(0.1), 3).gradient_transformation(), [])[0],
    )


def test_a_line_search_asks_for_the_whole_batch_of_a_step_in_parts():
    search = optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(5))
    assert_same(trained(search, accumulate=4), by_hand(search, SEARCH)[0])


def test_a_step_in_bfloat16_gives_its_loss_too():
    half, whole = trained(optax.polyak_sgd(0.1), dtype="bfloat16"), by_hand(optax.polyak_sgd(0.1), ["value"])[0]
    np.testing.assert_allclose(half.get_weights()[0], whole["kernel"], atol=0.05)


def test_a_state_that_starts_in_other_dtypes_is_carried_in_those_that_it_gets():
    descend = lambda updates, scale: jax.tree.map(lambda u: -0.1 * scale * u, updates)
    counting = optax.GradientTransformation(
        lambda params: {"n": 0}, lambda updates, state, params=None: (descend(updates, 1.0), {"n": state["n"] + 0.5})
    )
    assert_same(trained(counting), by_hand(optax.sgd(0.1), [])[0])


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            optax.chain(contrib.differentially_private_aggregate(1.0, 0.1, key=0), optax.sgd(0.1)),
            "need the gradients of each sample",
        ),
        (
            optax.chain(optax.monitor({"n": lambda updates, **_: 0.0}), optax.sgd(0.1)),
            "only one of init and update has",
        ),
        (
            optax.chain(optax.monitor({name: lambda updates, **_: 0.0 for name in "abcde"}), optax.sgd(0.1)),
            r"only one of init and update has .*'a'.*'b'.*'c'.* and 2 more\. Let init return all of it",
        ),
        (
            optax.GradientTransformation(lambda p: jnp.zeros(()), lambda u, s, p=None: (u, jnp.zeros(3))),
            r"shape of its state.inner from \(\) to \(3,\)",
        ),
    ],
    ids=["of samples", "grows", "grows by many", "another shape"],
)
def test_what_a_compiled_loop_cannot_do_is_refused(transform, message):
    with pytest.raises(ValueError, match=message):
        trained(transform)


def test_an_update_that_asks_for_something_unknown_says_what_there_is():
    asks = optax.GradientTransformationExtraArgs(lambda p: (), lambda u, s, p=None, *, labels: (u, s))
    with pytest.raises(TypeError, match="'labels'.*by name, if it takes them, value, grad, value_fn, obj_fn, grad_fn"):
        trained(asks)


# Weights for evaluation


def test_schedule_free_is_tested_predicted_and_saved_with_its_evaluation_weights(tmp_path):
    transform = contrib.schedule_free_sgd(0.1, b1=0.5)
    raw, state = by_hand(transform, [])
    averaged = contrib.schedule_free_eval_params(state, raw)
    model, seen = line(transform), []
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((logs["val_loss"], model.get_weights()[0])))
    model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, validation_data=(X, Y), verbose=0, callbacks=[look])
    expected = X @ averaged["kernel"] + averaged["bias"]
    assert_same(model, averaged)
    assert abs(averaged["kernel"] - raw["kernel"]).max() > 0.01
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen[-1][0], np.mean((expected - Y) ** 2), rtol=1e-4)
    np.testing.assert_array_equal(seen[-1][1], model.layers[0].get_weights()[0])
    model.save_weights(tmp_path / "m.weights.h5")
    other = line("sgd")
    other.load_weights(tmp_path / "m.weights.h5")
    assert_same(other, averaged)


def test_schedule_free_goes_on_from_a_file_and_from_written_weights(tmp_path):
    transform = lambda: contrib.schedule_free_sgd(0.1, b1=0.5)
    model = trained(transform())
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", {"OptaxOptimizer": transform()})
    assert loaded.optimizer.iterations == model.optimizer.iterations == 8
    for each in (model, loaded):
        each.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert_same(model, contrib.schedule_free_eval_params(*by_hand(transform(), [], epochs=3)[::-1]))
    model.set_weights(START)
    np.testing.assert_array_equal(model.get_weights()[0], START[0])
    model.fit(X, Y, batch_size=32, epochs=1, verbose=0)
    assert abs(model.get_weights()[0] - START[0]).max() < 0.5  # a step from there, not from what it had


def test_lookahead_trains_the_fast_weights_and_shows_the_slow_ones():
    transform = optax.chain(optax.clip(1.0), optax.lookahead(optax.sgd(0.1), 3, 0.5))
    both = optax.LookaheadParams.init_synced({"kernel": START[0], "bias": START[1]})
    assert_same(trained(transform), by_hand(transform, [], both)[0].slow)


def test_weights_are_averaged_once():
    model = line(contrib.schedule_free_sgd(0.1))
    with pytest.raises(ValueError, match="averaged already, by the optimizer"):
        model.fit(X, Y, verbose=0, callbacks=[SwapEMAWeights(0.9)])
    model.fit(X, Y, verbose=0)


def test_a_state_with_random_keys_is_saved_and_loaded(tmp_path):
    noisy = lambda: optax.chain(optax.add_noise(0.1, 0.5, key=jax.random.key(3)), optax.sgd(0.1))
    model = trained(noisy())
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", {"OptaxOptimizer": noisy()})
    for each in (model, loaded):
        each.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


# Resume


@pytest.mark.parametrize(
    "make",
    [
        lambda: optax.MultiSteps(optax.inject_hyperparams(optax.adam)(learning_rate=0.1), 3),
        lambda: optax.chain(contrib.schedule_free_sgd(0.1), contrib.reduce_on_plateau(patience=1)),
    ],
    ids=["multi steps", "schedule free"],
)
def test_a_stopped_run_goes_on_bit_for_bit(make, tmp_path):
    def run(folder, epochs, stop=None):
        model = line(make())
        halt = LambdaCallback(on_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == stop))
        model.fit(X, Y, batch_size=8, epochs=epochs, seed=0, verbose=0, callbacks=[BackupAndRestore(folder), halt])
        return model

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "parts", 1)
    resumed = run(tmp_path / "parts", 3)
    assert resumed.optimizer.iterations == whole.optimizer.iterations == 12
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
