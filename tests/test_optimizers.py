"""Optimizers against the update rules of Keras 3 (keras/src/optimizers/), written out in NumPy, in float64."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from epochal import optimizers

RNG = np.random.default_rng(0)
WEIGHTS = {"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=4)}
GRADIENTS = [
    {name: size * RNG.normal(size=weight.shape) for name, weight in WEIGHTS.items()} for size in (1, 20, 0.1, 1, 3)
]
RATES = [0.05, 0.05, 0.05, 0.01, 0.01]  # lowered in mid-run, as a callback would


# One step of one weight: (gradient, memory, step from 1, rate) -> what is added to the weight


def sgd(momentum=0.0, nesterov=False):
    def step(g, m, t, lr):
        m["v"] = momentum * m.get("v", 0) - lr * g
        return momentum * m["v"] - lr * g if nesterov else m["v"]

    return step


def rmsprop(rho=0.9, momentum=0.0, centered=False):
    def step(g, m, t, lr):
        m["v"] = rho * m.get("v", 0) + (1 - rho) * g**2
        m["g"] = rho * m.get("g", 0) + (1 - rho) * g
        m["m"] = momentum * m.get("m", 0) + lr * g / np.sqrt(m["v"] - centered * m["g"] ** 2 + 1e-7)
        return -m["m"]

    return step


def adagrad(g, m, t, lr):
    m["sum"] = m.get("sum", 0.1) + g**2
    return -lr * g / np.sqrt(m["sum"] + 1e-7)


def adadelta(g, m, t, lr):
    m["g"] = 0.95 * m.get("g", 0) + 0.05 * g**2
    delta = -np.sqrt(m.get("d", 0) + 1e-7) / np.sqrt(m["g"] + 1e-7) * g
    m["d"] = 0.95 * m.get("d", 0) + 0.05 * delta**2
    return lr * delta


def adam(beta_1=0.9, epsilon=1e-7, amsgrad=False):
    def step(g, m, t, lr):
        m["m"] = beta_1 * m.get("m", 0) + (1 - beta_1) * g
        m["v"] = 0.999 * m.get("v", 0) + 0.001 * g**2
        m["max"] = np.maximum(m.get("max", 0), m["v"])
        alpha = lr * np.sqrt(1 - 0.999**t) / (1 - beta_1**t)
        return -alpha * m["m"] / (np.sqrt(m["max"] if amsgrad else m["v"]) + epsilon)

    return step


def adamax(epsilon=1e-7):
    def step(g, m, t, lr):
        m["m"] = 0.9 * m.get("m", 0) + 0.1 * g
        m["u"] = np.maximum(0.999 * m.get("u", 0), np.abs(g))
        return -lr / (1 - 0.9**t) * m["m"] / (m["u"] + epsilon)

    return step


def nadam(g, m, t, lr):
    now, following = 0.9 * (1 - 0.5 * 0.96**t), 0.9 * (1 - 0.5 * 0.96 ** (t + 1))
    m["p"] = m.get("p", 1) * now
    m["m"] = 0.9 * m.get("m", 0) + 0.1 * g
    m["v"] = 0.999 * m.get("v", 0) + 0.001 * g**2
    m_hat = following * m["m"] / (1 - m["p"] * following) + (1 - now) * g / (1 - m["p"])
    return -lr * m_hat / (np.sqrt(m["v"] / (1 - 0.999**t)) + 1e-7)


def lion(g, m, t, lr):
    update = -lr * np.sign(0.9 * m.get("m", 0) + 0.1 * g)
    m["m"] = 0.99 * m.get("m", 0) + 0.01 * g
    return update


def clip_each(gradients):
    return {name: g / max(np.sqrt((g**2).sum()), 1.5) * 1.5 for name, g in gradients.items()}


def clip_all(gradients):
    norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
    return {name: g * min(1, 1.5 / norm) for name, g in gradients.items()}


def clip_values(gradients):
    return {name: np.clip(g, -0.5, 0.5) for name, g in gradients.items()}


RULES = [
    (optimizers.SGD, {}, sgd()),
    (optimizers.SGD, {"momentum": 0.9}, sgd(0.9)),
    (optimizers.SGD, {"momentum": 0.9, "nesterov": True}, sgd(0.9, True)),
    (optimizers.RMSprop, {}, rmsprop()),
    (optimizers.RMSprop, {"rho": 0.8, "momentum": 0.5, "centered": True}, rmsprop(0.8, 0.5, True)),
    (optimizers.Adagrad, {}, adagrad),
    (optimizers.Adadelta, {}, adadelta),
    (optimizers.Adam, {}, adam()),
    (optimizers.Adam, {"beta_1": 0.0, "epsilon": 0.1}, adam(0.0, 0.1)),
    (optimizers.Adam, {"amsgrad": True}, adam(amsgrad=True)),
    (optimizers.AdamW, {}, adam()),
    (optimizers.Adamax, {}, adamax()),
    (optimizers.Adamax, {"epsilon": 0.1}, adamax(0.1)),
    (optimizers.Nadam, {}, nadam),
    (optimizers.Lion, {}, lion),
    (optimizers.SGD, {"clipnorm": 1.5, "momentum": 0.9}, sgd(0.9)),
    (optimizers.Adam, {"global_clipnorm": 1.5}, adam()),
    (optimizers.Adam, {"clipvalue": 0.5}, adam()),
    (optimizers.SGD, {"weight_decay": 0.1, "momentum": 0.9}, sgd(0.9)),
]
CLIPS = {"clipnorm": clip_each, "global_clipnorm": clip_all, "clipvalue": clip_values}


def expected_weights(rule, decay, clip):
    weights, memories = dict(WEIGHTS), {name: {} for name in WEIGHTS}
    for t, (gradients, lr) in enumerate(zip(GRADIENTS, RATES, strict=True), start=1):
        for name, g in clip(gradients).items():
            weights[name] = weights[name] * (1 - lr * decay) + rule(g, memories[name], t, lr)
    return weights


@pytest.mark.parametrize(("kind", "options", "rule"), RULES)
def test_steps_with_a_rate_lowered_in_mid_run(kind, options, rule):
    optimizer = kind(RATES[0], **options)
    transform, weights = optimizer.transform(), jax.tree.map(jnp.asarray, WEIGHTS)
    state, update = transform.init(weights), jax.jit(transform.update)
    for gradients, lr in zip(GRADIENTS, RATES, strict=True):
        state = state._replace(hyperparams={"learning_rate": jnp.float32(lr)})
        updates, state = update(jax.tree.map(jnp.float32, gradients), state, weights)
        weights = optax.apply_updates(weights, updates)
    clip = next((CLIPS[name] for name in CLIPS if name in options), lambda gradients: gradients)
    decay = optimizer.weight_decay or 0.0
    for name, expected in expected_weights(rule, decay, clip).items():
        np.testing.assert_allclose(weights[name], expected, rtol=1e-5, atol=2e-6)
    assert update._cache_size() == 1  # a changed rate compiles nothing


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("kind", "options", "rule"), RULES)
def test_the_state_can_be_carried_by_a_loop(kind, options, rule, dtype):
    transform, weights = kind(**options).transform(), jax.tree.map(lambda w: jnp.asarray(w, dtype), WEIGHTS)

    def step(carry, _):
        weights, state = carry
        updates, state = transform.update(weights, state, weights)
        assert jax.tree.map(jnp.result_type, updates) == jax.tree.map(jnp.result_type, weights)
        return (optax.apply_updates(weights, updates), state), None

    (_, state), _ = jax.lax.scan(step, (weights, transform.init(weights)), length=3)
    assert list(state.hyperparams) == ["learning_rate"]
    assert state.hyperparams["learning_rate"].dtype == jnp.float32
    assert state.hyperparams["learning_rate"].shape == ()


def test_a_gradient_of_zeros_moves_nothing():
    zeros = jax.tree.map(jnp.zeros_like, jax.tree.map(jnp.asarray, WEIGHTS))
    for kind, options, _ in RULES:
        transform = kind(**options).transform()
        updates, _ = transform.update(zeros, transform.init(zeros), zeros)
        assert all((leaf == 0).all() for leaf in jax.tree.leaves(updates)), kind


@pytest.mark.parametrize(
    ("name", "defaults"),
    [  # Keras 3's
        ("sgd", {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False}),
        ("rmsprop", {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False}),
        ("adagrad", {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7}),
        ("adadelta", {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7}),
        ("adam", {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}),
        ("adamw", {"learning_rate": 0.001, "weight_decay": 0.004, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
        ("adamax", {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
        ("nadam", {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
        ("lion", {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99}),
    ],
)
def test_names_defaults_and_configs(name, defaults):
    optimizer = optimizers.get(name)
    config = json.loads(json.dumps(optimizer.get_config()))
    assert config == {"weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None} | {
        "name": name,
        **({"amsgrad": False} if name == "adamw" else {}),
        **defaults,
    }
    assert type(optimizers.get(name.upper())) is type(optimizer)
    assert optimizers.get(type(optimizer)).get_config() == config
    again = optimizers.get({"class_name": type(optimizer).__name__, "config": config | {"learning_rate": 0.5}})
    assert (type(again), again.lr) == (type(optimizer), 0.5)


def test_a_file_of_keras_is_understood():
    config = {"name": "adam", "learning_rate": 0.01, "weight_decay": None, "clipnorm": 1.0, "global_clipnorm": None}
    config |= {"clipvalue": None, "use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None}
    config |= {"loss_scale_factor": None, "gradient_accumulation_steps": None, "jit_compile": True, "beta_1": 0.8}
    optimizer = optimizers.get({"module": "keras.optimizers", "class_name": "Adam", "config": config})
    assert (optimizer.lr, optimizer.clipnorm, optimizer.beta_1) == (0.01, 1.0, 0.8)
    with pytest.raises(TypeError, match="Adam has no argument 'use_ema'"):
        optimizers.get({"class_name": "Adam", "config": {"use_ema": True}})


def test_the_rate_is_a_plain_float_under_two_names():
    optimizer = optimizers.Adam(lr=np.float32(0.5))
    assert (optimizer.lr, optimizer.learning_rate, type(optimizer.lr)) == (0.5, 0.5, float)
    for value in (1, np.float32(0.25), np.array(0.25), jnp.asarray(0.25), 0.0):
        optimizer.lr = value
        assert optimizer.learning_rate == float(value)
        assert type(optimizer.lr) is float


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-0.1, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (True, TypeError),
        ("0.1", TypeError),
        (None, TypeError),
        (np.array([0.1]), TypeError),
    ],
)
def test_what_is_no_learning_rate(value, error):
    optimizer = optimizers.SGD(0.5)
    with pytest.raises(error, match=r"learning_rate must be a (finite|real) number"):
        optimizer.lr = value
    with pytest.raises(error, match=r"learning_rate must be a (finite|real) number"):
        optimizers.SGD(value)
    assert optimizer.lr == 0.5


def test_a_schedule_is_in_charge():
    optimizer = optimizers.SGD(optax.linear_schedule(1.0, 0.0, 4))
    transform, weights, seen = optimizer.transform(), jnp.zeros(2), []
    state = transform.init(weights)
    for _ in range(3):
        updates, state = transform.update(jnp.ones(2), state, weights)
        seen.append(float(updates[0]))
    assert seen == [-1.0, -0.75, -0.5]
    with pytest.raises(AttributeError, match="sgd: the schedule given as learning_rate is in charge"):
        optimizer.lr
    with pytest.raises(AttributeError, match="the schedule given as learning_rate is in charge"):
        optimizer.learning_rate = 0.1
    saved = {"class_name": "SGD", "config": json.loads(json.dumps(optimizer.get_config()))}
    with pytest.raises(ValueError, match="SGD was saved with a function, which a file can't hold"):
        optimizers.get(saved)


def test_a_bare_optax_transform_trains_as_given_but_has_no_rate():
    given = optax.adam(0.1)
    optimizer = optimizers.get(given)
    assert optimizer.transform() is given
    with pytest.raises(AttributeError, match=r"optax\.inject_hyperparams\(optax\.adam\)\(learning_rate=0\.001\)"):
        optimizer.lr
    with pytest.raises(AttributeError, match=r"optax\.inject_hyperparams"):
        optimizer.lr = 0.1
    assert not hasattr(optimizer, "learning_rate")
    with pytest.raises(ValueError, match="OptaxOptimizer was saved with a function"):
        optimizers.get({"class_name": "OptaxOptimizer", "config": optimizer.get_config()})


def test_an_injected_rate_is_exposed():
    optimizer = optimizers.get(optax.inject_hyperparams(optax.sgd)(learning_rate=0.25))
    state = optimizer.transform().init(jnp.zeros(2))
    optimizer.expose_rates({"learning_rate": float(state.hyperparams["learning_rate"])})
    assert optimizer.lr == 0.25
    optimizer.lr = 0.5
    assert optimizer.learning_rate == 0.5


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.get("admm"), ValueError, "unknown optimizer 'admm'.*Did you mean 'adam'"),
        (lambda: optimizers.get(3), TypeError, "an optimizer is a name, an Optimizer or an optax transform, not 3"),
        (lambda: optimizers.SGD(0.1, lr=0.1), TypeError, "SGD: lr is another name for learning_rate; give one of them"),
        (lambda: optimizers.SGD(learning_rate=0.1, lr=0.1), TypeError, "give one of them"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), ValueError, "give one of clipnorm, global_clipnorm and"),
        (lambda: optimizers.Adam(clipnorm=0), ValueError, "clipnorm must be above 0, not 0"),
        (lambda: optimizers.SGD(momentum=1.5), ValueError, "momentum must be from 0 up to and including 1, not 1.5"),
        (lambda: optimizers.Adam(beta_1=1.0), ValueError, "beta_1 must be from 0 up to below 1, not 1.0"),
        (lambda: optimizers.Adam(epsilon=-1.0), ValueError, "epsilon must be a finite number ≥ 0, not -1.0"),
        (lambda: optimizers.AdamW(weight_decay=-0.1), ValueError, "weight_decay must be a finite number ≥ 0"),
        (lambda: optimizers.Adam(beta1=0.9), TypeError, "Adam has no argument 'beta1'. Did you mean 'beta_1'"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
