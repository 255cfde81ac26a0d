"""Files that earlier versions wrote: a nested model with its optimizer's state, written before layers could be frozen."""

import numpy as np
from folders import DATA

from epochal.models import load_model


def test_a_model_that_an_earlier_version_saved_goes_on_training():
    model = load_model(DATA / "earlier.h5")
    expected = np.load(DATA / "earlier.npz")
    np.testing.assert_allclose(model.predict(expected["x"], verbose=0), expected["outputs"], rtol=1e-5, atol=1e-6)
    assert model.trainable
    assert model.optimizer.iterations == 2
    model.fit(expected["x"], expected["outputs"], batch_size=16, verbose=0)
    assert model.optimizer.iterations == 3
