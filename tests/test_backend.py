"""epochal.backend: Keras 2's functions by their names, against NumPy."""

import numpy as np
import pytest

from epochal import backend as K
from epochal.layers import Dense, Input, Lambda
from epochal.models import Model

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
P = np.abs(X) / np.abs(X).sum(-1, keepdims=True)
ROWS = X[0]


def softmax(x, axis=-1):
    powers = np.exp(x)
    return powers / powers.sum(axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pairs():
    """Return values and what NumPy has for them."""
    return [
        (K.abs(X), np.abs(X)),
        (K.all(X > 0, axis=-1), (X > 0).all(-1)),
        (K.any(X > 1, axis=[0, 2], keepdims=True), (X > 1).any((0, 2), keepdims=True)),
        (K.arange(2, 6, 2), [2, 4]),
        (K.arange(3), [0, 1, 2]),
        (K.argmax(X), X.argmax(-1)),
        (K.argmin(X, axis=1), X.argmin(1)),
        (K.batch_flatten(X), X.reshape(2, 12)),
        (K.cast(X > 0, "float32"), (X > 0).astype("float32")),
        (K.clip(X, -0.5, None), np.clip(X, -0.5, None)),
        (K.clip(X, 0.5, 0.1), np.full_like(X, 0.5)),
        (K.concatenate([X, X]), np.concatenate([X, X], -1)),
        (K.constant(3, shape=(2, 2)), np.full((2, 2), 3.0)),
        (K.cos(X), np.cos(X)),
        (K.cumprod(X), np.cumprod(X, 0)),
        (K.cumsum(X, axis=1), np.cumsum(X, 1)),
        (K.dot(X, ROWS.T), X @ ROWS.T),
        (K.elu(X, 0.5), np.where(X > 0, X, 0.5 * (np.exp(X) - 1))),
        (K.equal(X, X), np.ones_like(X)),
        (K.exp(X), np.exp(X)),
        (K.expand_dims(X, 1), X[:, None]),
        (K.eye(3), np.eye(3)),
        (K.flatten(X), X.ravel()),
        (K.gather(ROWS, [[0, 2]]), ROWS[[[0, 2]]]),
        (K.greater(X, 0), X > 0),
        (K.greater_equal(X, 0), X >= 0),
        (K.hard_sigmoid([-3, -1, 1, 3]), [0, 0.3, 0.7, 1]),
        (K.l2_normalize(X, -1), X / np.linalg.norm(X, axis=-1, keepdims=True)),
        (K.less(X, 0), X < 0),
        (K.less_equal(X, 0), X <= 0),
        (K.log(P), np.log(P)),
        (K.logsumexp(X, axis=1), np.log(np.exp(X).sum(1))),
        (K.max(X, axis=(0, 1)), X.max((0, 1))),
        (K.maximum(X, 0), np.maximum(X, 0)),
        (K.mean(X > 0), (X > 0).mean()),
        (K.min(X), X.min()),
        (K.minimum(X, 0), np.minimum(X, 0)),
        (K.not_equal(X, X), np.zeros_like(X)),
        (K.one_hot([1, 0], 3), [[0, 1, 0], [1, 0, 0]]),
        (K.ones((2, 1)), np.ones((2, 1))),
        (K.ones_like(X), np.ones_like(X)),
        (K.permute_dimensions(X, [0, 2, 1]), X.transpose(0, 2, 1)),
        (K.pow(X, 2), X**2),
        (K.prod(X, axis=-1), X.prod(-1)),
        (K.relu(X, alpha=0.5, max_value=1.0), np.where(X > 0, np.minimum(X, 1), 0.5 * X)),
        (K.relu([0.5, 2.0], threshold=1.0), [0, 2]),
        (K.repeat(ROWS, 2), np.stack([ROWS, ROWS], 1)),
        (K.repeat_elements(X, 2, axis=1), X.repeat(2, 1)),
        (K.reshape(X, (-1, 2)), X.reshape(-1, 2)),
        (K.reverse(X, [0, 1]), X[::-1, ::-1]),
        (K.round([0.5, 1.5, 1.6]), [0, 2, 2]),
        (K.shape(X), (2, 3, 4)),
        (K.sigmoid(X), sigmoid(X)),
        (K.sign(X), np.sign(X)),
        (K.sin(X), np.sin(X)),
        (K.softmax(X, axis=1), softmax(X, 1)),
        (K.softplus(X), np.log1p(np.exp(X))),
        (K.softsign(X), X / (1 + np.abs(X))),
        (K.sqrt([4.0, -1.0]), [2, 0]),
        (K.square(X), X * X),
        (K.squeeze(X[:1], 0), X[0]),
        (K.stack([X, X], axis=1), np.stack([X, X], 1)),
        (K.std(X, axis=0), X.std(0)),
        (K.stop_gradient(X), X),
        (K.sum(X, axis=[1, 2]), X.sum((1, 2))),
        (K.switch(np.array([True, False]), lambda: X, lambda: -X), np.stack([X[0], -X[1]])),
        (K.tanh(X), np.tanh(X)),
        (K.tile(ROWS, (2, 1)), np.tile(ROWS, (2, 1))),
        (K.transpose(ROWS), ROWS.T),
        (K.var(X, keepdims=True), X.var(keepdims=True)),
        (K.zeros((2,)), [0, 0]),
        (K.zeros_like(X), np.zeros_like(X)),
        (K.batch_dot(X, X, axes=2), np.einsum("bij,bkj->bik", X, X)),
        (K.batch_dot(X, X.transpose(0, 2, 1)), np.einsum("bij,bjk->bik", X, X.transpose(0, 2, 1))),
        (K.batch_dot(X, X[:, 0], axes=(2, 1)), np.einsum("bij,bj->bi", X, X[:, 0])),
        (K.batch_dot(X[:, 0], X[:, 1]), np.einsum("bi,bi->b", X[:, 0], X[:, 1])[:, None]),
        (K.binary_crossentropy(P, P), -(P * np.log(P) + (1 - P) * np.log(1 - P))),
        (K.binary_crossentropy(P, X, from_logits=True), K.binary_crossentropy(P, sigmoid(X))),
        (K.categorical_crossentropy(P, 2 * P), -(P * np.log(P)).sum(-1)),
        (K.categorical_crossentropy(P, X, from_logits=True, axis=1), -(P * np.log(softmax(X, 1))).sum(1)),
        (K.sparse_categorical_crossentropy([[0, 1, 2]] * 2, P), -np.log(P[:, [0, 1, 2], [0, 1, 2]])),
        (K.sparse_categorical_crossentropy(np.zeros((2, 3, 1)), X, from_logits=True), -np.log(softmax(X)[..., 0])),
    ]


def test_functions_compute_what_numpy_does():
    for number, (value, expected) in enumerate(pairs()):
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-6, err_msg=f"row {number}")


def test_settings_have_one_value():
    assert (K.backend(), K.epsilon(), K.floatx(), K.image_data_format()) == ("jax", 1e-7, "float32", "channels_last")
    K.set_epsilon(1e-7)
    K.set_floatx("float32")
    K.set_image_data_format("channels_last")
    K.clear_session()
    for setter, value, message in (
        (K.set_epsilon, 1e-3, r"epsilon is 1e-07 here and can't be 0.001: give an optimizer or a layer its own"),
        (K.set_floatx, "float16", r"floatx is 'float32' here and can't be 'float16': compile\(dtype='bfloat16'\)"),
        (K.set_image_data_format, "channels_first", r"can't be 'channels_first': np.moveaxis\(images, 1, -1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            setter(value)


def test_what_is_known_of_tensors_can_be_asked():
    x = Input((3,), "int32")
    assert (K.int_shape(x), K.ndim(x), K.dtype(x)) == ((None, 3), 2, "int32")
    assert (K.int_shape(X), K.ndim([[1]]), K.dtype(X)) == ((2, 3, 4), 2, "float32")
    assert K.get_value(0.5) == 0.5
    assert isinstance(K.get_value(K.ones(2 * (1,))), np.ndarray)


@pytest.mark.parametrize("function", [K.square, K.mean, K.dot, K.concatenate, K.reshape, K.binary_crossentropy])
def test_a_tensor_is_told_to_go_through_a_lambda(function):
    name = function.__name__
    arguments = [[Input((3,)), Input((3,))]] if function is K.concatenate else [Input((3,)), X]
    with pytest.raises(TypeError, match=rf"has no values yet, .*: Lambda\(lambda t: K\.{name}\(t\)\)\(x\)"):
        function(*(arguments if name not in ("square", "mean") else arguments[:1]))


def test_in_a_lambda_and_in_a_loss_they_work_on_tensors():
    x = Input((4,))
    spread = Lambda(lambda t: K.expand_dims(K.sum(K.square(t[0] - t[1]), axis=-1)))([x, Dense(4)(x)])
    model = Model(x, Lambda(lambda t: K.sqrt(K.maximum(t, K.epsilon())))(spread))

    def contrastive(y_true, y_pred):
        return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(1 - y_pred, 0)), axis=-1)

    model.compile("sgd", contrastive, metrics=[lambda y, p: K.mean(K.equal(y, K.cast(p < 0.5, "float32")), axis=-1)])
    losses = model.fit(ROWS, np.array([0.0, 1.0, 1.0]), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert K.get_value(model.optimizer.lr) == 0.01


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("random_normal", r"a layer has a stream of them: in build\(self, shape, rngs\)|A layer has a stream"),
        ("function", r"Model\(inputs, outputs\)\.predict computes any tensors from others"),
        ("set_value", "assign to it, as in model.optimizer.lr = 0.01"),
        ("learning_phase", r"a layer is told by call\(self, x, training=None\)"),
        ("squar", "Did you mean 'square'"),
    ],
)
def test_what_is_not_here_says_what_to_do(name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(K, name)


def test_arguments_that_cannot_be_right():
    with pytest.raises(ValueError, match=r"batch_dot takes arrays of at least 2 axes; got shapes \(2,\) and \(2,\)"):
        K.batch_dot([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="batch_dot can't add up over the batch axis; got axes=0"):
        K.batch_dot(ROWS, ROWS, axes=0)
    with pytest.raises(TypeError, match=r"one_hot\(\) has no argument 'nb_classes'. Did you mean 'num_classes'"):
        K.one_hot([1], nb_classes=3)
