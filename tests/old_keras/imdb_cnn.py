"""Sentiments of reviews by a convolution over words and the largest value of each filter."""

import numpy as np

from epochal.layers import Activation, Conv1D, Dense, Dropout, Embedding, GlobalMaxPooling1D
from epochal.models import Sequential
from epochal.preprocessing import sequence

max_features, maxlen, embedding_dims, filters, kernel_size, hidden_dims = 50, 12, 8, 8, 3, 8
rng = np.random.RandomState(0)
x_train = sequence.pad_sequences([list(rng.randint(1, max_features, 9)) for _ in range(32)], maxlen=maxlen)
y_train = rng.randint(0, 2, 32)

model = Sequential()
model.add(Embedding(max_features, embedding_dims, input_length=maxlen))
model.add(Dropout(0.2))
model.add(Conv1D(filters, kernel_size, padding="valid", activation="relu", strides=1))
model.add(GlobalMaxPooling1D())
model.add(Dense(hidden_dims))
model.add(Dropout(0.2))
model.add(Activation("relu"))
model.add(Dense(1))
model.add(Activation("sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=16, epochs=1, verbose=0)
assert model.predict(x_train).shape == (32, 1)
