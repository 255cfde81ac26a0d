"""Sums as texts: an LSTM reads "3+4 ", another one writes "7 ", step by step."""

import numpy as np

from epochal import layers
from epochal.models import Sequential

chars, digits = "0123456789+ ", 1
maxlen = digits + 1 + digits


def encoded(text, length):
    x = np.zeros((length, len(chars)))
    for at, char in enumerate(text):
        x[at, chars.index(char)] = 1
    return x


sums = [(a, b) for a in range(10) for b in range(6)]
x = np.array([encoded(f"{a}+{b}", maxlen) for a, b in sums], dtype=bool)
y = np.array([encoded(str(a + b).ljust(digits + 1), digits + 1) for a, b in sums], dtype=bool)

RNN, hidden_size, batch_size = layers.LSTM, 16, 20
model = Sequential()
model.add(RNN(hidden_size, input_shape=(maxlen, len(chars))))
model.add(layers.RepeatVector(digits + 1))
model.add(RNN(hidden_size, return_sequences=True))
model.add(layers.TimeDistributed(layers.Dense(len(chars))))
model.add(layers.Activation("softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
guesses = model.predict_classes(x[np.array([0])], verbose=0)
assert guesses.shape == (1, digits + 1)
