"""Digits pixel by pixel: a recurrent network that begins as the identity (Le et al. 2015)."""

import numpy as np

import epochal as keras
from epochal import initializers
from epochal.layers import Activation, Dense, SimpleRNN
from epochal.models import Sequential
from epochal.optimizers import RMSprop

num_classes, hidden_units, learning_rate = 10, 8, 1e-6
rng = np.random.RandomState(0)
x_train = rng.rand(16, 5, 5).reshape(16, -1, 1)
y_train = keras.utils.to_categorical(rng.randint(0, 10, 16), num_classes)

model = Sequential()
model.add(
    SimpleRNN(
        hidden_units,
        kernel_initializer=initializers.RandomNormal(stddev=0.001),
        recurrent_initializer=initializers.Identity(gain=1.0),
        activation="relu",
        input_shape=x_train.shape[1:],
    )
)
model.add(Dense(num_classes))
model.add(Activation("softmax"))
rmsprop = RMSprop(lr=learning_rate)
model.compile(loss="categorical_crossentropy", optimizer=rmsprop, metrics=["accuracy"])
np.testing.assert_array_equal(model.get_weights()[1], np.eye(hidden_units))
model.fit(x_train, y_train, batch_size=8, epochs=1, verbose=0)
scores = model.evaluate(x_train, y_train, verbose=0)
