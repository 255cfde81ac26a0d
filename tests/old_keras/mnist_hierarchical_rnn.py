"""Digits by an LSTM over rows, each of which an LSTM over its pixels has read."""

import numpy as np

import epochal as keras
from epochal.layers import LSTM, Dense, Input, TimeDistributed
from epochal.models import Model

num_classes, row_hidden, col_hidden = 10, 6, 6
rng = np.random.RandomState(0)
x_train = rng.rand(16, 5, 5, 1)
y_train = keras.utils.to_categorical(rng.randint(0, 10, 16), num_classes)

x = Input(shape=x_train.shape[1:])
encoded_rows = TimeDistributed(LSTM(row_hidden))(x)
encoded_columns = LSTM(col_hidden)(encoded_rows)
prediction = Dense(num_classes, activation="softmax")(encoded_columns)
model = Model(x, prediction)
model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=8, epochs=1, verbose=0)
