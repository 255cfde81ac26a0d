"""Texts as numbers: words by index, by hash, or as a matrix."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from ..messages.arguments import NamesArguments
from ..messages.numeric import whole

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""Characters that separate words: punctuation without the apostrophe, tabs and line ends."""

Text = str | Sequence[str]
"""A text, or its words."""

Mode = Literal["binary", "count", "freq", "tfidf"]


def text_to_word_sequence(text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """Return the words of a text.

        >>> text_to_word_sequence("Don't panic, Arthur!")
        ["don't", 'panic', 'arthur']

    Args:
        text: The text.
        filters: Characters that separate words too.
        lower: Whether words are written in lower case.
        split: What separates words.
    """
    text = text.lower() if lower else text
    return [word for word in text.translate(dict.fromkeys(map(ord, filters), split)).split(split) if word]


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | Literal["md5"] | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """Return a number from 1 to `n - 1` for each word of a text; different words may share one.

        >>> hashing_trick("a fish and a bird", 100)
        [92, 2, 69, 92, 41]

    Args:
        text: The text.
        n: One more than the highest number.
        hash_function: Makes a whole number of a word; None and "md5" are MD5, which is the same in each run. (Keras's
            None is Python's `hash`, which isn't.)
        filters: See `text_to_word_sequence`.
        lower: See `text_to_word_sequence`.
        split: See `text_to_word_sequence`.
    """
    if isinstance(hash_function, str) and hash_function != "md5":
        raise ValueError(f'hash_function is a function of a word, "md5" or None; got {hash_function!r}.')
    hashed = hash_function if callable(hash_function) else _md5
    highest = whole("n", n, 2) - 1
    return [hashed(word) % highest + 1 for word in text_to_word_sequence(text, filters, lower, split)]


def one_hot(text: str, n: int, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[int]:
    """Return a number from 1 to `n - 1` for each word of a text: `hashing_trick` by another name."""
    return hashing_trick(text, n, None, filters, lower, split)


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer(NamesArguments):
    """Numbers words, the most frequent ones first, from 1 on.

        >>> tokenizer = Tokenizer(num_words=3)
        >>> tokenizer.fit_on_texts(["the cat", "the cat and the dog"])
        >>> tokenizer.texts_to_sequences(["The dog and the cat."])
        [[1, 1, 2]]
        >>> tokenizer.word_index
        {'the': 1, 'cat': 2, 'and': 3, 'dog': 4}

    Args:
        num_words: Only words with numbers below this are used; all if None.
        filters: See `text_to_word_sequence`.
        lower: Whether upper and lower case are one.
        split: See `text_to_word_sequence`.
        char_level: Whether characters are numbered instead of words.
        oov_token: Stands for words that are unknown or not used, with number 1; None leaves them out.

    Attributes:
        word_counts: How often each word came, in the order in which they first came.
        word_docs: In how many texts each word came.
        index_docs: The same by number.
        word_index: The number of each word.
        index_word: The word of each number.
        document_count: How many texts there were.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
    ) -> None:
        self.num_words = None if num_words is None else whole("num_words", num_words, 1)
        self.filters, self.lower, self.split = filters, lower, split
        self.char_level, self.oov_token = char_level, oov_token
        self.document_count = 0
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: Counter[str] = Counter()
        self.index_docs: Counter[int] = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    # Learning the words

    def fit_on_texts(self, texts: Iterable[Text]) -> None:
        """Count the words of texts, and number them; may be called again with more texts."""
        _check_texts(texts)
        for text in texts:
            words = self._words(text)
            self.document_count += 1
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            self.word_docs.update(set(words))
        ranked = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        listed = ranked if self.oov_token is None else [self.oov_token, *ranked]
        self.word_index = {word: number for number, word in enumerate(listed, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        self.index_docs = Counter({self.word_index[word]: count for word, count in self.word_docs.items()})

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Count in how many lists of numbers each number is, which "tfidf" needs."""
        for sequence in sequences:
            self.document_count += 1
            self.index_docs.update(set(sequence))

    # Texts as numbers, and back

    def texts_to_sequences(self, texts: Iterable[Text]) -> list[list[int]]:
        """Return the numbers of the words of each text."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Text]) -> Iterator[list[int]]:
        """Yield the numbers of the words of one text after the other."""
        _check_texts(texts)
        for text in texts:
            numbers = (self._used(self.word_index.get(word)) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Return texts of the words with these numbers, with spaces between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """Yield one text after the other of the words with these numbers."""
        for sequence in sequences:
            known = (number if number in self.index_word else None for number in map(int, sequence))
            yield " ".join(self.index_word[used] for used in map(self._used, known) if used is not None)

    def _used(self, number: int | None) -> int | None:
        """Return the number that stands for a word with this one; None if nothing does."""
        if number is not None and (self.num_words is None or number < self.num_words):
            return number
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    # A row for each text

    def texts_to_matrix(self, texts: Iterable[Text], mode: Mode = "binary") -> np.ndarray:
        """Return a row for each text and a column for each word; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Iterable[Iterable[int]], mode: Mode = "binary") -> np.ndarray:
        """Return a row for each list of numbers, and in the column of each number what `mode` says.

        Args:
            sequences: Numbers of `num_words` or more are left out.
            mode: "binary", whether it is there; "count", how often; "freq", its share of the list; "tfidf",
                `(1 + log count) × log(1 + texts / (1 + texts with it))`.

        Returns:
            Floats of shape `(samples, num_words)`; without `num_words` one column more than there are words.

        Raises:
            ValueError: If the mode is another word, or nothing says how many columns there are, or how rare words are.
        """
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f'mode is "binary", "count", "freq" or "tfidf"; got {mode!r}.')
        if not self.num_words and not self.word_index:
            raise ValueError("nothing says how many columns there are: give num_words, or fit_on_texts first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError('mode="tfidf" needs to know how rare words are: call fit_on_texts or fit_on_sequences.')
        columns = self.num_words or len(self.word_index) + 1
        listed = [list(sequence) for sequence in sequences]
        matrix = np.zeros((len(listed), columns))
        for row, sequence in zip(matrix, listed, strict=True):
            for number, count in Counter(n for n in sequence if n < columns).items():
                row[number] = self._value(mode, number, count, len(sequence))
        return matrix

    def _value(self, mode: Mode, number: int, count: int, length: int) -> float:
        if mode == "binary":
            return 1
        if mode == "count":
            return count
        if mode == "freq":
            return count / length
        rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
        return float((1 + np.log(count)) * rarity)

    # As JSON

    def get_config(self) -> dict[str, Any]:
        """Return all settings and counts as Keras saves them: dicts are texts of JSON."""
        names = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        return {name: getattr(self, name) for name in names} | {name: json.dumps(getattr(self, name)) for name in DICTS}

    def to_json(self, **options: Any) -> str:
        """Return the tokenizer as JSON, which `tokenizer_from_json` reads, Keras's too.

        Args:
            options: Of `json.dumps`.
        """
        return json.dumps({"class_name": "Tokenizer", "config": self.get_config()}, **options)

    def _words(self, text: Text) -> list[str]:
        if not isinstance(text, str):
            return [word.lower() for word in text] if self.lower else list(text)
        if self.char_level:
            return list(text.lower() if self.lower else text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)


DICTS = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
"""The tokenizer's counts and numbers."""


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Return the tokenizer in what `to_json` returned, Keras's too; a ValueError if it is something else."""
    try:
        config = dict(json.loads(json_string)["config"])
        counts = {name: json.loads(config.pop(name)) for name in DICTS}
        documents = config.pop("document_count")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"this isn't the JSON of a Tokenizer: {type(error).__name__}: {error}") from error
    tokenizer = Tokenizer(**{name: value for name, value in config.items() if name != "analyzer"})
    tokenizer.document_count = whole("document_count", documents, 0)
    tokenizer.word_counts, tokenizer.word_index = OrderedDict(counts["word_counts"]), counts["word_index"]
    tokenizer.word_docs = Counter(counts["word_docs"])
    tokenizer.index_docs = Counter({int(number): count for number, count in counts["index_docs"].items()})
    tokenizer.index_word = {int(number): word for number, word in counts["index_word"].items()}
    return tokenizer


def _check_texts(texts: object) -> None:
    if isinstance(texts, str):
        raise ValueError(f"texts are given in a list, and this is one text: [{texts[:20]!r}].")
