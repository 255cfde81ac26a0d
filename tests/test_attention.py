"""Attention against NumPy, with masks, and in training."""

import jax.numpy as jnp
import numpy as np
import pytest

import epochal
from epochal.layers import Dense, Embedding, Flatten, GlobalAveragePooling1D, Input, MultiHeadAttention
from epochal.models import Model

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 4, 6)).astype("float32")
VALUE = RNG.normal(size=(2, 5, 3)).astype("float32")
KEY = RNG.normal(size=(2, 5, 7)).astype("float32")
SEEN = RNG.random((2, 4, 5)) < 0.6
SEEN[..., 0] = True


def made(*arrays, **settings):
    """Return a layer with random weights, and these by name."""
    layer = MultiHeadAttention(2, 3, **settings)
    layer(*arrays)
    for _, variable in layer.named_weights():
        variable.set_value(jnp.asarray(RNG.normal(size=variable.shape), jnp.float32))
    return layer, {name: np.asarray(v.get_value()) for name, v in layer.named_weights()}


def attended(w, query, value, key, visible=None):
    """Return the output and the weights of the means, one head after the other."""
    outputs, scores = 0, []
    for head in range(2):
        q, k, v = (
            x @ w[f"{name}/kernel"][:, head] + w.get(f"{name}/bias", np.zeros((2, 1)))[head]
            for name, x in (("query", query), ("key", key), ("value", value))
        )
        s = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(3)) * (1 if visible is None else visible)
        scores.append(s / s.sum(-1, keepdims=True))
        outputs = outputs + scores[-1] @ v @ w["attention_output/kernel"][head]
    return outputs + w.get("attention_output/bias", 0), np.stack(scores, 1)


@pytest.mark.parametrize("settings", [{}, {"value_dim": 4}, {"output_shape": 5}, {"use_bias": False}])
def test_attention_is_a_weighted_mean_for_each_head(settings):
    layer, weights = made(QUERY, VALUE, KEY, **settings)
    for found, wanted in zip(layer(QUERY, VALUE, KEY, return_attention_scores=True),
                             attended(weights, QUERY, VALUE, KEY), strict=True):  # fmt: skip
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by_heads", [False, True])
def test_an_attention_mask_hides_steps_of_the_value(by_heads):
    layer, weights = made(QUERY, VALUE)
    found = layer(QUERY, VALUE, attention_mask=SEEN[:, None] if by_heads else SEEN)
    np.testing.assert_allclose(found, attended(weights, QUERY, VALUE, VALUE, SEEN)[0], rtol=1e-4, atol=1e-5)


def test_a_causal_mask_hides_what_comes_later():
    layer, weights = made(QUERY, QUERY)
    found = layer(QUERY, QUERY, use_causal_mask=True)
    wanted = attended(weights, QUERY, QUERY, QUERY, np.tril(np.ones((4, 4))))[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_masks_of_steps_hide_values_and_are_finite_where_all_is_hidden():
    layer, weights = made(QUERY, VALUE)
    counts = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], bool)
    wanted = attended(weights, QUERY, VALUE, VALUE, counts[:, None])[0]
    np.testing.assert_allclose(layer(QUERY, VALUE, value_mask=counts), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(QUERY, VALUE, key_mask=counts), wanted, rtol=1e-4, atol=1e-5)
    assert np.isfinite(layer(QUERY, VALUE, query_mask=np.zeros((2, 4), bool))).all()


def test_each_argument_brings_its_own_mask_in_a_model():
    one, other = Input((None,), "int32"), Input((None,), "int32")
    table = Embedding(6, 4, mask_zero=True)
    model = Model([one, other], GlobalAveragePooling1D()(MultiHeadAttention(2, 3)(table(one), table(other))))
    x, y = np.array([[1, 2]], "int32"), np.array([[3, 4, 5]], "int32")
    padded = [np.pad(x, ((0, 0), (0, 3))), np.pad(y, ((0, 0), (0, 1)))]
    np.testing.assert_allclose(model.predict([x, y]), model.predict(padded), rtol=1e-4, atol=1e-6)


def test_dropout_is_of_the_weights_of_the_mean_and_in_training_only():
    layer, weights = made(QUERY, VALUE, dropout=0.5)
    assert not np.allclose(layer(QUERY, VALUE), layer(QUERY, VALUE))
    layer.eval()
    np.testing.assert_allclose(layer(QUERY, VALUE), attended(weights, QUERY, VALUE, VALUE)[0], rtol=1e-4, atol=1e-5)


def test_weights_have_keras_names_shapes_and_first_values():
    layer = MultiHeadAttention(4, 8)
    layer(np.ones((1, 2, 100), "float32"), np.ones((1, 3, 100), "float32"))
    shapes = {name: tuple(variable.shape) for name, variable in layer.named_weights()}
    assert list(shapes) == [
        f"{part}/{kind}" for part in ("query", "key", "value", "attention_output") for kind in ("kernel", "bias")
    ]
    assert shapes["query/kernel"] == (100, 4, 8)
    assert shapes["query/bias"] == (4, 8)
    assert shapes["attention_output/kernel"] == (4, 8, 100)
    for name, variable in layer.named_weights():
        limit = np.sqrt(6 / 132) if "kernel" in name else 0
        assert abs(variable.get_value()).max() == pytest.approx(limit, rel=0.01)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_a_model_learns_to_look_where_a_mark_is(dtype):
    epochal.set_random_seed(0)
    numbers, marks = RNG.integers(0, 4, (96, 6)), RNG.integers(0, 6, 96)
    x = np.eye(5, dtype="float32")[numbers]
    x[np.arange(96), marks, 4] = 3
    given = Input((6, 5))
    model = Model(given, Dense(4, "softmax")(Flatten()(MultiHeadAttention(2, 8)(given, given))))
    model.compile(epochal.optimizers.Adam(0.02), "sparse_categorical_crossentropy", dtype=dtype)
    losses = model.fit(x, numbers[np.arange(96), marks], batch_size=16, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiHeadAttention(0, 2), "num_heads must be a positive whole number; got 0"),
        (lambda: MultiHeadAttention(2, 2, value_dim=0), "value_dim must be a positive whole number; got 0"),
        (lambda: MultiHeadAttention(2, 2, output_shape=(2, 3)), r"output_shape must be a positive whole number; got \(2, 3\)"),
        (lambda: MultiHeadAttention(2, 2, dropout=1), "dropout is the share .*; got 1"),
        (lambda: MultiHeadAttention(2, 2)(QUERY, VALUE[:, 0]), r"MultiHeadAttention takes \(steps, features\); got inputs of shape \(3,\)"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_config_makes_the_same_layer():
    config = MultiHeadAttention(2, 3, output_shape=4, dropout=0.25, use_bias=False, name="look").get_config()
    assert MultiHeadAttention(**config).get_config() == config
    assert config["value_dim"] == 3
