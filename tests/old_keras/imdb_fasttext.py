"""Sentiments of reviews by the mean of the embeddings of words and of pairs of words."""

from itertools import pairwise

import numpy as np

from epochal.layers import Dense, Embedding, GlobalAveragePooling1D
from epochal.models import Sequential
from epochal.preprocessing import sequence

max_features, maxlen, ngram_range = 20, 16, 2
rng = np.random.RandomState(0)
reviews = [list(rng.randint(1, max_features, 9)) for _ in range(32)]
pairs = sorted({pair for review in reviews for pair in pairwise(review)})
numbers = {pair: max_features + number for number, pair in enumerate(pairs)}
reviews = [review + [numbers[pair] for pair in pairwise(review)] for review in reviews]
x_train, y_train = sequence.pad_sequences(reviews, maxlen=maxlen), rng.randint(0, 2, 32)

model = Sequential()
model.add(Embedding(max_features + len(numbers), 8, input_length=maxlen))
model.add(GlobalAveragePooling1D())
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=16, epochs=1, verbose=0)
