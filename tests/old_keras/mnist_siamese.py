"""Whether two digits are the same, by the distance of what one network makes of both (Hadsell et al. 2006)."""

import numpy as np

from epochal import backend as K
from epochal.layers import Dense, Dropout, Flatten, Input, Lambda
from epochal.models import Model
from epochal.optimizers import RMSprop


def euclidean_distance(vectors):
    x, y = vectors
    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))


def contrastive_loss(y_true, y_pred):
    margin = 1
    return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(margin - y_pred, 0)))


def accuracy(y_true, y_pred):
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, "float32")))


def create_base_network(input_shape):
    given = Input(shape=input_shape)
    x = Dense(8, activation="relu")(Flatten()(given))
    x = Dropout(0.1)(x)
    return Model(given, Dense(8, activation="relu")(x))


rng = np.random.RandomState(0)
pairs, same = rng.rand(24, 2, 6, 6).astype("float32"), rng.randint(0, 2, 24)
base_network = create_base_network((6, 6))
input_a, input_b = Input(shape=(6, 6)), Input(shape=(6, 6))
distance = Lambda(euclidean_distance)([base_network(input_a), base_network(input_b)])
model = Model([input_a, input_b], distance)
model.compile(loss=contrastive_loss, optimizer=RMSprop(), metrics=[accuracy])
model.fit([pairs[:, 0], pairs[:, 1]], same, batch_size=8, epochs=1, verbose=0)
assert model.predict([pairs[:, 0], pairs[:, 1]]).shape == (24, 1)
