"""A variational autoencoder (Kingma and Welling 2013). The noise is drawn in a layer, where Keras 2 had K.random_normal."""

import jax
import numpy as np

from epochal import backend as K
from epochal import losses
from epochal.layers import Dense, Input, Layer
from epochal.models import Model

original_dim, latent_dim, intermediate_dim = 12, 2, 8


class Sampling(Layer):
    def build(self, shape, rngs):
        self.stream = rngs.dropout.fork()

    def call(self, z_mean, z_log_var, training=None):
        divergence = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
        self.add_loss(K.mean(divergence))
        if not training:
            return z_mean
        return z_mean + K.exp(z_log_var / 2) * jax.random.normal(self.stream(), K.shape(z_mean))


x = Input(shape=(original_dim,))
h = Dense(intermediate_dim, activation="relu")(x)
z_mean, z_log_var = Dense(latent_dim)(h), Dense(latent_dim)(h)
z = Sampling()(z_mean, z_log_var)
decoder_h, decoder_mean = Dense(intermediate_dim, activation="relu"), Dense(original_dim, activation="sigmoid")
vae = Model(x, decoder_mean(decoder_h(z)))
vae.compile(
    optimizer="rmsprop",
    loss=lambda x, x_decoded: original_dim * losses.binary_crossentropy(x, x_decoded),
)
x_train = np.random.RandomState(0).rand(32, original_dim)
vae.fit(x_train, x_train, shuffle=True, epochs=1, batch_size=16, verbose=0)

encoder = Model(x, z_mean)
assert encoder.predict(x_train, batch_size=16).shape == (32, latent_dim)
decoder_input = Input(shape=(latent_dim,))
generator = Model(decoder_input, decoder_mean(decoder_h(decoder_input)))
assert generator.predict(np.array([[0.5, -0.5]])).shape == (1, original_dim)
