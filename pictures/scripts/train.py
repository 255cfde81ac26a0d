"""Train on real images of digits: `python train.py FOLDER`. Killed at any instant and run again, it goes on."""

import sys

import numpy as np
from sklearn.datasets import load_digits

import epochal
from epochal.callbacks import BackupAndRestore, Every
from epochal.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from epochal.models import Sequential

folder = sys.argv[1]
epochal.set_random_seed(1)
images, labels = load_digits(return_X_y=True)
model = Sequential(
    [
        Conv2D(64, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
        Conv2D(128, 3, padding="same", activation="relu"),
        MaxPooling2D(),
        Dropout(0.3),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    images.reshape(-1, 8, 8, 1) / 16,
    labels,
    validation_split=0.1,
    epochs=6,
    callbacks=[BackupAndRestore(folder, save_freq=Every(10, "batch"))],
)
np.savez(f"{folder}/weights.npz", *model.get_weights())
