"""Layers that were trained on some digits are frozen, and a new end is trained on the others."""

import numpy as np

import epochal as keras
from epochal.layers import Activation, Conv2D, Dense, Flatten
from epochal.models import Sequential, clone_model, model_from_json

rng = np.random.RandomState(0)
x, labels, num_classes = rng.rand(32, 6, 6, 1), rng.randint(0, 5, 32), 5
feature_layers = [Conv2D(4, (3, 3), padding="valid", input_shape=(6, 6, 1)), Activation("relu"), Flatten()]
classification_layers = [Dense(8), Activation("relu"), Dense(num_classes), Activation("softmax")]
model = Sequential(feature_layers + classification_layers)


def train_model(model, x, y):
    y = keras.utils.to_categorical(y, num_classes)
    model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)


train_model(model, x, labels)
for layer in feature_layers:
    layer.trainable = False
kept = model.get_weights()[0]
train_model(model, x, 4 - labels)
np.testing.assert_array_equal(model.get_weights()[0], kept)

again = model_from_json(model.to_json())
again.set_weights(model.get_weights())
np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5)
assert clone_model(model).count_params() == model.count_params()
model.pop()
model.pop()
assert model.output_shape == (None, 8)
