"""Small images, batch by batch by index, read by several workers; SGD whose rate decays; the model is saved whole."""

import os

import numpy as np

from epochal.layers import Activation, Conv2D, Dense, Flatten, MaxPooling2D
from epochal.models import Sequential, load_model
from epochal.optimizers import SGD
from epochal.utils import Sequence, np_utils

batch_size, num_classes = 8, 4
rng = np.random.RandomState(0)
x_train, y_train = rng.rand(32, 8, 8, 3), np_utils.to_categorical(rng.randint(0, num_classes, 32), num_classes)


class Flipped(Sequence):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return int(np.ceil(len(self.x) / float(batch_size)))

    def __getitem__(self, idx):
        rows = slice(idx * batch_size, (idx + 1) * batch_size)
        return self.x[rows, :, ::-1], self.y[rows]


model = Sequential()
model.add(Conv2D(4, (3, 3), padding="same", input_shape=x_train.shape[1:]))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(num_classes))
model.add(Activation("softmax"))
sgd = SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss="categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
model.fit_generator(
    Flipped(x_train, y_train), epochs=1, verbose=0, validation_data=(x_train, y_train), workers=4, max_queue_size=4
)
model_path = os.path.join(os.getcwd(), "keras_cifar10_trained_model.h5")
model.save(model_path)
scores = load_model(model_path).evaluate(x_train, y_train, verbose=0)
np.testing.assert_allclose(scores, model.evaluate(x_train, y_train, verbose=0))
