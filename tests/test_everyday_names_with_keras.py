"""What is called as in Keras does the same as in an installed Keras 3; skipped without one."""

import importlib.util
import os
import random

import numpy as np
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras isn't installed: pip install keras", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "jax")

from epochal.preprocessing.sequence import make_sampling_table, pad_sequences
from epochal.preprocessing.text import Tokenizer, tokenizer_from_json

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own
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
