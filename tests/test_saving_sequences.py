"""Files of the layers for sequences; those in `data` were written by Keras, see `data/write_keras_layers.py`."""

import h5py
import numpy as np
import pytest
from folders import DATA

from epochal import layers
from epochal.layers import GRU, LSTM, Bidirectional, Embedding, Input, MultiHeadAttention, SimpleRNN
from epochal.models import Model, Sequential, load_model


@pytest.fixture(scope="module")
def keras():
    with np.load(DATA / "layers.npz") as arrays:
        return dict(arrays)


def zeroed(model):
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", ["sequences", "steps"])
def test_models_of_keras_load_and_compute_the_same(name, keras):
    model = load_model(DATA / f"{name}.h5")
    x, wanted = keras[f"{name}_inputs_0"], keras[f"{name}_outputs"]
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)
    for kind in ("h5", "weights.h5"):
        zeroed(model).load_weights(DATA / f"{name}.{kind}")
        np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)


def attention():
    one, other = (Input((size,), "int32") for size in (5, 7))
    table = Embedding(9, 4, mask_zero=True)
    itself = MultiHeadAttention(2, 3, value_dim=5, dropout=0.1)(table(one), table(one), use_causal_mask=True)
    across = MultiHeadAttention(2, 3, output_shape=2)(itself, table(other))
    return Model([one, other], layers.GlobalAveragePooling1D()(across))


def test_attention_of_keras_computes_the_same_with_masks_of_query_and_value(keras):
    model = zeroed(attention())
    model.load_weights(DATA / "attention.weights.h5")
    x = [keras["attention_inputs_0"], keras["attention_inputs_1"]]
    np.testing.assert_allclose(model.predict(x), keras["attention_outputs"], rtol=1e-4, atol=1e-5)


STACKS = [
    (Input((6, 4)), [layers.Conv1D(4, 3, padding="causal", groups=2), layers.MaxPooling1D(2)]),
    (Input((6, 4)), [layers.GroupNormalization(2), layers.ZeroPadding1D((1, 2)), layers.UpSampling1D(3)]),
    (Input((6, 4)), [layers.Permute((2, 1)), layers.AveragePooling1D(2, padding="same"), layers.GlobalMaxPooling1D(), layers.RepeatVector(2)]),
    (Input((6, 4, 2)), [layers.ZeroPadding2D(((1, 0), (2, 3))), layers.UpSampling2D((1, 2), "bilinear"), layers.GlobalMaxPooling2D()]),
    (Input((6, 4)), [layers.Masking(2.0), LSTM(3, "relu", "hard_sigmoid", dropout=0.5, unit_forget_bias=False)]),
    (Input((6,), "int32"), [Embedding(9, 3, mask_zero=True), SimpleRNN(3, go_backwards=True, recurrent_dropout=0.5)]),
    (Input((6, 4)), [GRU(3, reset_after=False, use_bias=False, return_sequences=True, zero_output_for_mask=True)]),
    (Input((6, 4)), [Bidirectional(LSTM(3, kernel_initializer="he_normal"), "ave"), layers.Dense(2)]),
    (Input((6, 4)), [Bidirectional(LSTM(2, name="own"), backward_layer=GRU(3, go_backwards=True), name="both")]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "stack"), STACKS, ids=lambda part: "")
def test_layers_come_back_with_their_settings_and_weights(tmp_path, given, stack):
    model = Sequential([given, *stack])
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    assert [layer.get_config() for layer in other.layers] == [layer.get_config() for layer in model.layers]
    x = np.random.default_rng(0).integers(0, 9, size=(2, *given.shape[1:])).astype(given.dtype)
    assert np.array_equal(model.predict(x), other.predict(x))
    model.save_weights(tmp_path / "w.weights.h5")
    zeroed(other).load_weights(tmp_path / "w.weights.h5")
    assert np.array_equal(model.predict(x), other.predict(x))


def test_weights_files_keep_the_parts_of_a_layer_apart_as_keras_does(tmp_path):
    model = Sequential([Input((5, 4)), Bidirectional(LSTM(3, return_sequences=True)), GRU(2)])
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert file["layers/bidirectional/backward_layer/cell/vars/1"].shape == (3, 12)
        assert file["layers/gru/cell/vars/2"].shape == (2, 6)
        assert not len(file["layers/gru/vars"])


def test_the_weights_of_a_part_that_the_model_lacks_are_noticed(tmp_path):
    long = Sequential([Input((5, 4)), LSTM(3, return_sequences=True), LSTM(3)])
    long.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match=r"it has layers that the model hasn't: layers/lstm_1\."):
        Sequential([Input((5, 4)), LSTM(3)]).load_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match=r"'layers/lstm/vars' .*has 3|layer 'lstm' has 2 weights .* has 3"):
        Sequential([Input((5, 4)), LSTM(3, return_sequences=True, use_bias=False), LSTM(3)]).load_weights(
            tmp_path / "w.weights.h5"
        )


def test_a_recurrent_layer_of_one_s_own_comes_back_inside_bidirectional(tmp_path):
    class Doubled(LSTM):
        def call(self, x, initial_state=None, mask=None):
            return 2 * super().call(x, initial_state, mask)

    model = Sequential([Input((5, 4)), Bidirectional(Doubled(2))])
    model.save(tmp_path / "m.h5")
    x = np.ones((2, 5, 4), "float32")
    assert np.array_equal(load_model(tmp_path / "m.h5", {"Doubled": Doubled}).predict(x), model.predict(x))


def test_an_activation_that_a_file_can_not_name_is_found_in_parts_too(tmp_path):
    model = Sequential([Input((5, 4)), Bidirectional(LSTM(2, recurrent_activation=lambda x: x))])
    with pytest.raises(ValueError, match=r"layer 'forward_lstm': its activation <lambda> .*save_weights works"):
        model.save(tmp_path / "m.h5")
