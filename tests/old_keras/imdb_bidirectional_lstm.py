"""Sentiments of reviews, read in both directions; the embedding is told how long they are."""

import numpy as np

from epochal.layers import LSTM, Bidirectional, Dense, Dropout, Embedding
from epochal.models import Sequential
from epochal.preprocessing import sequence

max_features, maxlen = 50, 12
rng = np.random.RandomState(0)
x_train = sequence.pad_sequences([list(rng.randint(1, max_features, 9)) for _ in range(32)], maxlen=maxlen)
y_train = np.array(rng.randint(0, 2, 32))

model = Sequential()
model.add(Embedding(max_features, 8, input_length=maxlen))
model.add(Bidirectional(LSTM(8)))
model.add(Dropout(0.5))
model.add(Dense(1, activation="sigmoid"))
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=16, epochs=1, verbose=0, validation_data=[x_train, y_train])
assert model.predict_proba(x_train).shape == (32, 1)
