"""Texts and sequences as arrays, by hand."""

import subprocess
import sys

import numpy as np
import pytest

from epochal.layers import Dense
from epochal.models import Sequential
from epochal.preprocessing.sequence import TimeseriesGenerator, make_sampling_table, pad_sequences, skipgrams
from epochal.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)

TEXTS = ["The cat sat, the dog sat.", "A cat!", "Dogs & cats"]


@pytest.mark.parametrize(
    ("options", "padded"),
    [
        ({}, [[0, 0, 1], [2, 3, 4]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 4]]),
        ({"maxlen": 2}, [[0, 1], [3, 4]]),
        ({"maxlen": 2, "truncating": "post", "value": -1}, [[-1, 1], [2, 3]]),
        ({"maxlen": 0}, [[], []]),
    ],
)
def test_sequences_are_filled_up_and_cut(options, padded):
    array = pad_sequences([[1], (2, 3, 4)], **options)
    np.testing.assert_array_equal(array, padded)
    assert array.dtype == np.int32


def test_steps_may_be_vectors_or_words():
    steps = pad_sequences([[], [[1, 2]], [[3, 4], [5, 6]]], dtype="float32")
    np.testing.assert_array_equal(steps, [[[0, 0], [0, 0]], [[0, 0], [1, 2]], [[3, 4], [5, 6]]])
    assert pad_sequences([["a"], ["b", "c"]], dtype=object, value="").tolist() == [["", "a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        ([[1]], {"padding": "left"}, 'padding is "pre" or "post"; got \'left\''),
        ([[1]], {"truncating": "left"}, 'truncating is "pre" or "post"; got \'left\''),
        ([1, 2], {}, "each sequence is a list or an array of steps; got 1"),
        ([[[1, 2]], [[1]]], {}, r"steps have shape \(2,\) in the first sequence, \(1,\) in 1"),
        ([[1]], {"value": "x"}, "an array of int32 can't be filled up with the text 'x': dtype=object can"),
    ],
)
def test_what_cannot_be_padded_is_refused(sequences, options, message):
    with pytest.raises(ValueError, match=message):
        pad_sequences(sequences, **options)


def test_windows_of_a_series_are_data_for_fit():
    series = np.arange(10.0)[:, None]
    windows = TimeseriesGenerator(series, series[:, 0], length=4, sampling_rate=2, stride=2, batch_size=2, reverse=True)
    assert len(windows) == 2
    np.testing.assert_array_equal(windows[0][0][..., 0], [[2, 0], [4, 2]])
    np.testing.assert_array_equal(windows[1][1], [8])
    model = Sequential([Dense(1, input_shape=(2, 1))])
    model.compile("sgd", "mse")
    drawn = TimeseriesGenerator(series / 10, np.ones((10, 2, 1)), 4, 2, shuffle=True, batch_size=3)
    assert len(model.fit(drawn, epochs=2, verbose=0).history["loss"]) == 2
    assert set(drawn[0][0][:, 0, 0].round(1)) <= {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    with pytest.raises(ValueError, match="there is no window: the first would end before step 10"):
        TimeseriesGenerator(series, series, 10)
    with pytest.raises(ValueError, match="data has 10 steps, and there are 9 targets"):
        TimeseriesGenerator(series, series[1:], 2)


def test_words_near_each_other_make_pairs():
    pairs, labels = skipgrams([1, 0, 2, 3], 4, window_size=1, shuffle=False, categorical=True)
    assert pairs[:2] == [[2, 3], [3, 2]]
    assert labels == [[0, 1]] * 2 + [[1, 0]] * 2
    assert {word for word, _ in pairs[2:]} <= {2, 3}
    assert all(1 <= other < 4 for _, other in pairs[2:])
    assert skipgrams([1, 2, 3], 4, seed=1) == skipgrams([1, 2, 3], 4, seed=1)
    assert skipgrams([1, 2], 4, sampling_table=np.zeros(4)) == ([], [])
    table = make_sampling_table(5, 0.1)
    assert table[1] == pytest.approx((0.1 * (0.577216 + 0.5 - 1 / 12)) ** 0.5)
    assert table[4] > table[1]


# Texts


def test_a_text_is_taken_apart_at_punctuation():
    assert text_to_word_sequence("It's  a\ttest!") == ["it's", "a", "test"]
    assert text_to_word_sequence("A-b;C", filters="-", lower=False, split=";") == ["A", "b", "C"]


def test_hashes_are_the_same_in_every_run():
    code = "from epochal.preprocessing.text import one_hot; print(one_hot('to be or not', 1000))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    numbers = one_hot("to be or not", 1000)
    assert done.stdout.strip() == str(numbers) == str(hashing_trick("to be or not", 1000, "md5"))
    assert hashing_trick("a bb ccc", 4, len) == [2, 3, 1]
    with pytest.raises(ValueError, match="hash_function is a function of a word, \"md5\" or None; got 'sha'"):
        hashing_trick("a", 4, "sha")


def test_frequent_words_have_low_numbers():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(TEXTS)
    assert tokenizer.word_index == {"the": 1, "cat": 2, "sat": 3, "dog": 4, "a": 5, "dogs": 6, "cats": 7}
    assert tokenizer.word_counts["sat"] == 2
    assert tokenizer.word_docs["cat"] == 2
    assert tokenizer.index_docs[2] == 2
    assert tokenizer.document_count == 3
    assert tokenizer.index_word[4] == "dog"
    assert tokenizer.texts_to_sequences(["a new cat", ["The", "dog"]]) == [[5, 2], [1, 4]]
    assert tokenizer.sequences_to_texts([[1, 4], [9]]) == ["the dog", ""]


def test_words_that_are_rare_or_unknown_are_left_out_or_replaced():
    few, replaced = Tokenizer(3), Tokenizer(4, oov_token="?")
    for tokenizer in (few, replaced):
        tokenizer.fit_on_texts(TEXTS)
    assert few.texts_to_sequences(["the cat sat up"]) == [[1, 2]]
    assert replaced.texts_to_sequences(["the cat sat up"]) == [[2, 3, 1, 1]]
    assert replaced.sequences_to_texts([[2, 3, 4, 99]]) == ["the cat ? ?"]


def test_characters_can_be_numbered():
    tokenizer = Tokenizer(char_level=True, lower=False)
    tokenizer.fit_on_texts(["aab", "A"])
    assert tokenizer.word_index == {"a": 1, "b": 2, "A": 3}
    assert tokenizer.texts_to_sequences(["Ab!"]) == [[3, 2]]


def test_matrices():
    tokenizer = Tokenizer(num_words=3)
    tokenizer.fit_on_sequences([[1, 1, 2], [1]])
    rows = [[1, 1, 2, 7], []]
    assert tokenizer.sequences_to_matrix(rows).tolist() == [[0, 1, 1], [0, 0, 0]]
    assert tokenizer.sequences_to_matrix(rows, "count").tolist() == [[0, 2, 1], [0, 0, 0]]
    assert tokenizer.sequences_to_matrix(rows, "freq").tolist() == [[0, 0.5, 0.25], [0, 0, 0]]
    tfidf = tokenizer.sequences_to_matrix(rows, "tfidf")[0]
    np.testing.assert_allclose(tfidf, [0, (1 + np.log(2)) * np.log(1 + 2 / 3), np.log(1 + 2 / 2)])
    words = Tokenizer()
    words.fit_on_texts(["a b"])
    assert words.texts_to_matrix(["b b"], mode="count").tolist() == [[0, 0, 2]]


def test_a_tokenizer_goes_through_json():
    tokenizer = Tokenizer(5, oov_token="?", lower=False)
    tokenizer.fit_on_texts(TEXTS)
    again = tokenizer_from_json(tokenizer.to_json(indent=1))
    assert vars(again) == vars(tokenizer)
    with pytest.raises(ValueError, match="this isn't the JSON of a Tokenizer: KeyError"):
        tokenizer_from_json("{}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.fit_on_texts("one text"), r"texts are given in a list, and this is one text: \['one text'\]"),
        (lambda t: t.sequences_to_matrix([[1]], "sum"), 'mode is "binary", "count", "freq" or "tfidf"; got \'sum\''),
        (lambda t: t.sequences_to_matrix([[1]]), "nothing says how many columns there are: give num_words, or fit"),
        (lambda t: Tokenizer(3).sequences_to_matrix([[1]], "tfidf"), "needs to know how rare words are: call fit_on"),
        (lambda t: Tokenizer(nb_words=3), "Tokenizer has no argument 'nb_words'. Did you mean 'num_words'"),
    ],
)
def test_what_a_tokenizer_cannot_know_is_an_error(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(Tokenizer())
