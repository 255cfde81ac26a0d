"""A multilayer perceptron of digits, as Keras 2's examples begin: labels as vectors, RMSprop, validation, a score."""

import numpy as np

import epochal as keras
from epochal.layers import Dense, Dropout
from epochal.models import Sequential
from epochal.optimizers import RMSprop

batch_size, num_classes, epochs = 32, 10, 1
rng = np.random.RandomState(0)
images, labels = rng.randint(0, 256, (96, 28, 28)).astype("uint8"), rng.randint(0, 10, 96)
x_train = images[:64].reshape(64, 784).astype("float32") / 255
x_test = images[64:].reshape(32, 784).astype("float32") / 255
y_train = keras.utils.to_categorical(labels[:64], num_classes)
y_test = keras.utils.to_categorical(labels[64:], num_classes)

model = Sequential()
model.add(Dense(32, activation="relu", input_shape=(784,)))
model.add(Dropout(0.2))
model.add(Dense(32, activation="relu"))
model.add(Dropout(0.2))
model.add(Dense(num_classes, activation="softmax"))
model.summary(print_fn=lambda line: None)
model.compile(loss="categorical_crossentropy", optimizer=RMSprop(), metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, verbose=0, validation_data=(x_test, y_test))
score = model.evaluate(x_test, y_test, verbose=0)
assert len(score) == 2
assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
