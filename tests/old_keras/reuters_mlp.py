"""Topics of news: a tokenizer makes a row of each list of words; a part of the samples validates."""

import numpy as np

import epochal as keras
from epochal.layers import Activation, Dense, Dropout
from epochal.models import Sequential
from epochal.preprocessing.text import Tokenizer

max_words, batch_size = 40, 8
rng = np.random.RandomState(0)
x_train = [list(rng.randint(1, 60, rng.randint(5, 30))) for _ in range(40)]
y_train = rng.randint(0, 5, 40)
num_classes = np.max(y_train) + 1
tokenizer = Tokenizer(num_words=max_words)
x_train = tokenizer.sequences_to_matrix(x_train, mode="binary")
y_train = keras.utils.to_categorical(y_train, num_classes)

model = Sequential()
model.add(Dense(16, input_shape=(max_words,)))
model.add(Activation("relu"))
model.add(Dropout(0.5))
model.add(Dense(num_classes))
model.add(Activation("softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=batch_size, epochs=1, verbose=0, validation_split=0.2)
score = model.evaluate(x_train, y_train, batch_size=batch_size, verbose=0)
assert len(score) == 2
assert "val_loss" in history.history
