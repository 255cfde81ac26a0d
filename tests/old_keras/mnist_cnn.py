"""A convolutional network of digits: the backend says the order of axes, the loss is a function, Adadelta trains."""

import numpy as np

import epochal as keras
from epochal import backend as K
from epochal.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from epochal.models import Sequential

rows, columns, num_classes = 8, 8, 10
rng = np.random.RandomState(0)
x_train, y_train = rng.rand(32, rows, columns).astype("float32"), rng.randint(0, 10, 32)
if K.image_data_format() == "channels_first":
    x_train, input_shape = x_train.reshape(32, 1, rows, columns), (1, rows, columns)
else:
    x_train, input_shape = x_train.reshape(32, rows, columns, 1), (rows, columns, 1)
y_train = keras.utils.to_categorical(y_train, num_classes)

model = Sequential()
model.add(Conv2D(4, kernel_size=(3, 3), activation="relu", input_shape=input_shape))
model.add(Conv2D(8, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(16, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(num_classes, activation="softmax"))
model.compile(loss=keras.losses.categorical_crossentropy, optimizer=keras.optimizers.Adadelta(), metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=16, epochs=1, verbose=0)
assert model.predict_classes(x_train[:4]).shape == (4,)
