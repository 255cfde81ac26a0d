"""What is called as in Keras does the same as in an installed Keras 3; skipped without one."""

import importlib
import importlib.util
import os
import random

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

from epochal import layers, optimizers, utils
from epochal.models import Model, Sequential, load_model, model_from_json
from epochal.optimizers import schedules
from epochal.preprocessing.sequence import make_sampling_table, pad_sequences
from epochal.preprocessing.text import Tokenizer, tokenizer_from_json

pytestmark = [
    pytest.mark.filterwarnings("default"),  # Keras's own
]
keras = pytest.importorskip("keras")
sequence = pytest.importorskip("keras.src.legacy.preprocessing.sequence")
text = pytest.importorskip("keras.src.legacy.preprocessing.text")


def test_texts_and_sequences_are_as_keras_has_them():
    random.seed(0)
    words = ["apple", "Pear", "fig!", "plum", "kiwi-jam"]
    texts = [" ".join(random.choices(words, k=random.randrange(6))) for _ in range(12)]
    for options in ({}, {"num_words": 4}, {"num_words": 4, "oov_token": "<?>"}, {"char_level": True, "lower": False}):
        ours, theirs = Tokenizer(**options), text.Tokenizer(**options)
        for tokenizer in (ours, theirs):
            tokenizer.fit_on_texts(texts[:8])
        assert ours.word_index == theirs.word_index
        numbers = ours.texts_to_sequences(texts)
        assert numbers == theirs.texts_to_sequences(texts)
        assert ours.sequences_to_texts(numbers) == theirs.sequences_to_texts(numbers)
        for mode in ("binary", "count", "freq", "tfidf"):
            np.testing.assert_allclose(ours.texts_to_matrix(texts, mode), theirs.texts_to_matrix(texts, mode))
        assert text.tokenizer_from_json(ours.to_json()).get_config() == theirs.get_config()
        assert tokenizer_from_json(theirs.to_json()).to_json() == ours.to_json()
    np.testing.assert_allclose(make_sampling_table(20), sequence.make_sampling_table(20), rtol=1e-3)  # another gamma
    for options in ({}, {"maxlen": 3, "padding": "post"}, {"maxlen": 3, "truncating": "post", "value": 7}):
        theirs = keras.utils.pad_sequences(numbers, **options)
        np.testing.assert_array_equal(pad_sequences(numbers, **options), theirs)


SCHEDULES = [
    ("ExponentialDecay", (0.1, 7, 0.5), {}),
    ("ExponentialDecay", (0.1, 7, 0.5), {"staircase": True}),
    ("PiecewiseConstantDecay", ([3, 10], [0.3, 0.2, 0.1]), {}),
    ("PolynomialDecay", (0.1, 8), {"power": 1.5}),
    ("PolynomialDecay", (0.1, 8), {"cycle": True, "end_learning_rate": 0.01}),
    ("InverseTimeDecay", (0.1, 7, 0.5), {}),
    ("InverseTimeDecay", (0.1, 7, 0.5), {"staircase": True}),
    ("CosineDecay", (0.1, 20), {"alpha": 0.2}),
    ("CosineDecay", (0.01, 20), {"warmup_target": 0.1, "warmup_steps": 5}),
    ("CosineDecayRestarts", (0.1, 5), {"m_mul": 0.5}),
    ("CosineDecayRestarts", (0.1, 5), {"t_mul": 1.0, "alpha": 0.1}),
]


@pytest.mark.parametrize(("name", "args", "options"), SCHEDULES)
def test_schedules_have_the_same_rates(name, args, options):
    ours = getattr(schedules, name)(*args, **options)
    theirs = getattr(keras.optimizers.schedules, name)(*args, **options)
    steps = range(31)
    np.testing.assert_allclose([ours(n) for n in steps], [theirs(n) for n in steps], rtol=1e-5, atol=1e-7)
    assert ours.get_config().keys() == theirs.get_config().keys()


@pytest.mark.filterwarnings("ignore:You are saving")
def test_schedules_and_decays_go_both_ways(tmp_path):
    path = tmp_path / "m.h5"
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    for optimizer in (optimizers.SGD(schedules.CosineDecay(0.1, 20)), optimizers.SGD(0.1, decay=0.5)):
        ours = Sequential([layers.Dense(1, input_dim=2)])
        ours.compile(optimizer, "mse")
        ours.save(path)
        theirs = keras.models.load_model(path)
        for model in (ours, theirs):
            model.fit(x, y, epochs=4, batch_size=2, verbose=0)
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
    theirs.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 7, 0.5)), "mse")
    theirs.save(path)
    assert load_model(path).optimizer.schedule.decay_rate == 0.5


def branched(module, model):
    x = module.Input((4,))
    shared = module.Dense(3, activation="tanh")
    return model(x, module.Dense(2)(module.Add()([shared(x), module.Dense(3)(x)])))


def stacked(module, model):
    return model([module.Input((4,)), module.Dense(3, activation="relu"), module.Dropout(0.5), module.Dense(2)])


@pytest.mark.parametrize(
    ("make", "ours", "theirs"), [(branched, Model, keras.Model), (stacked, Sequential, keras.Sequential)]
)
def test_settings_go_both_ways_as_json(make, ours, theirs):
    mine, others = make(layers, ours), make(keras.layers, theirs)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    for model, again in (
        (mine, keras.models.model_from_json(mine.to_json())),
        (others, model_from_json(others.to_json())),
        (others, ours.from_config(others.get_config())),
    ):
        again.set_weights(model.get_weights())
        np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


def test_labels_and_norms_are_as_keras_has_them():
    for labels in ([0, 2, 1], [[1], [0]], [[[0], [1]], [[2], [0]]]):
        np.testing.assert_array_equal(utils.to_categorical(labels), keras.utils.to_categorical(labels))
    x = np.random.default_rng(0).normal(size=(3, 4))
    for options in ({}, {"axis": 1}, {"order": 1}):
        np.testing.assert_allclose(utils.normalize(x, **options), keras.utils.normalize(x, **options))


ROOMS = ["layers", "callbacks", "losses", "metrics", "optimizers", "models", "utils", "initializers"]


@pytest.mark.parametrize("room", ROOMS)
def test_what_keras_has_and_this_has_not_is_known_by_name(room):
    here = importlib.import_module(f"epochal.{room}")
    theirs = [name for name in dir(getattr(keras, room)) if not name.startswith("_") and not hasattr(here, name)]
    for name in theirs:
        with pytest.raises(AttributeError, match="It is Keras's and isn't here: "):
            getattr(here, name)
