"""Sentiments of reviews: padded sequences of words, an embedding, an LSTM."""

import numpy as np

from epochal.layers import LSTM, Dense, Embedding
from epochal.models import Sequential
from epochal.preprocessing import sequence

max_features, maxlen, batch_size = 50, 12, 16
rng = np.random.RandomState(0)
reviews = [list(rng.randint(1, max_features, rng.randint(3, 20))) for _ in range(32)]
y_train = rng.randint(0, 2, 32)
x_train = sequence.pad_sequences(reviews, maxlen=maxlen)

model = Sequential()
model.add(Embedding(max_features, 8))
model.add(LSTM(8, dropout=0.2, recurrent_dropout=0.2))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=batch_size, epochs=1, verbose=0)
score, acc = model.evaluate(x_train, y_train, batch_size=batch_size, verbose=0)
assert 0 <= acc <= 1
