"""A generator and a discriminator that also tells classes, trained in turn, batch by batch (Odena et al. 2016)."""

import numpy as np

from epochal import layers
from epochal.layers import Conv2D, Conv2DTranspose, Dense, Dropout, Embedding, Flatten, Input, LeakyReLU, Reshape
from epochal.models import Model, Sequential
from epochal.optimizers import Adam

num_classes, latent_size, batch_size, side = 3, 4, 8, 8
rng = np.random.RandomState(0)


def build_generator():
    cnn = Sequential()
    cnn.add(Dense(2 * 2 * 6, input_dim=latent_size, activation="relu"))
    cnn.add(Reshape((2, 2, 6)))
    cnn.add(Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu", kernel_initializer="glorot_normal"))
    cnn.add(Conv2DTranspose(1, 3, strides=2, padding="same", activation="tanh", kernel_initializer="glorot_normal"))
    latent = Input(shape=(latent_size,))
    image_class = Input(shape=(1,), dtype="int32")
    cls = Flatten()(Embedding(num_classes, latent_size, embeddings_initializer="glorot_normal")(image_class))
    return Model([latent, image_class], cnn(layers.multiply([latent, cls])))


def build_discriminator():
    cnn = Sequential()
    cnn.add(Conv2D(4, 3, padding="same", strides=2, input_shape=(side, side, 1)))
    cnn.add(LeakyReLU(0.2))
    cnn.add(Dropout(0.3))
    cnn.add(Flatten())
    image = Input(shape=(side, side, 1))
    features = cnn(image)
    fake = Dense(1, activation="sigmoid", name="generation")(features)
    aux = Dense(num_classes, activation="softmax", name="auxiliary")(features)
    return Model(image, [fake, aux])


losses = ["binary_crossentropy", "sparse_categorical_crossentropy"]
discriminator = build_discriminator()
discriminator.compile(optimizer=Adam(lr=0.0002, beta_1=0.5), loss=losses)
generator = build_generator()
latent, image_class = Input(shape=(latent_size,)), Input(shape=(1,), dtype="int32")
discriminator.trainable = False
fake, aux = discriminator(generator([latent, image_class]))
combined = Model([latent, image_class], [fake, aux])
combined.compile(optimizer=Adam(lr=0.0002, beta_1=0.5), loss=losses)

for _ in range(2):
    images, labels = rng.rand(batch_size, side, side, 1) * 2 - 1, rng.randint(0, num_classes, batch_size)
    noise, sampled = rng.uniform(-1, 1, (batch_size, latent_size)), rng.randint(0, num_classes, batch_size)
    generated = generator.predict([noise, sampled.reshape(-1, 1)], verbose=0)
    x = np.concatenate((images, generated))
    y = np.array([0.95] * batch_size + [0.0] * batch_size)
    d_loss = discriminator.train_on_batch(x, [y, np.concatenate((labels, sampled))])
    kept = discriminator.get_weights()[0]
    g_loss = combined.train_on_batch([noise, sampled.reshape(-1, 1)], [np.ones(batch_size), sampled])
    np.testing.assert_array_equal(discriminator.get_weights()[0], kept)
assert len(d_loss) == len(g_loss) == 3
generator.save_weights("params_generator.hdf5", True)
