"""Text character by character: at the end of each epoch a callback lets the model go on writing."""

import numpy as np

from epochal.callbacks import LambdaCallback
from epochal.layers import LSTM, Activation, Dense
from epochal.models import Sequential
from epochal.optimizers import RMSprop

text = "all that is gold does not glitter, not all those who wander are lost; " * 2
chars = sorted(set(text))
indices = {char: number for number, char in enumerate(chars)}
maxlen, step = 8, 3
starts = range(0, 96, step)
x = np.zeros((len(starts), maxlen, len(chars)), dtype=bool)
y = np.zeros((len(starts), len(chars)), dtype=bool)
for row, start in enumerate(starts):
    for at, char in enumerate(text[start : start + maxlen]):
        x[row, at, indices[char]] = 1
    y[row, indices[text[start + maxlen]]] = 1

model = Sequential()
model.add(LSTM(16, input_shape=(maxlen, len(chars))))
model.add(Dense(len(chars)))
model.add(Activation("softmax"))
model.compile(loss="categorical_crossentropy", optimizer=RMSprop(lr=0.01))
written = []


def sample(probabilities, temperature=1.0):
    weights = np.exp(np.log(np.asarray(probabilities).astype("float64")) / temperature)
    return np.argmax(np.random.RandomState(0).multinomial(1, weights / weights.sum() * 0.999999, 1))


def on_epoch_end(epoch, logs):
    sentence = text[:maxlen]
    for _ in range(3):
        given = np.zeros((1, maxlen, len(chars)))
        for at, char in enumerate(sentence[-maxlen:]):
            given[0, at, indices[char]] = 1
        sentence += chars[sample(model.predict(given, verbose=0)[0])]
    written.append(sentence)


model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[LambdaCallback(on_epoch_end=on_epoch_end)])
assert len(written[0]) == maxlen + 3
