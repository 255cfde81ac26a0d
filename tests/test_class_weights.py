"""Weights of classes and of steps: what they weigh, and what they can't mean."""

import numpy as np
import pytest

from epochal.callbacks import BackupAndRestore, LambdaCallback
from epochal.layers import Dense, Input, Masking
from epochal.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("f4")
STEPS = RNG.normal(size=(16, 5, 4)).astype("f4")
LABELS = np.arange(32) % 3
OF_STEPS = RNG.integers(0, 3, (16, 5))
BY_CLASS = np.array([1.0, 5.0, 0.5])
WEIGHTS = dict(enumerate(BY_CLASS))


def compiled(*layers, loss, **options):
    model = Sequential(list(layers))
    model.compile("sgd", loss, **options)
    return model


def classifier(loss="sparse_categorical_crossentropy", **options):
    return compiled(Dense(3, "softmax", input_dim=4), loss=loss, **options)


def by_step(loss="sparse_categorical_crossentropy", **options):
    return compiled(Dense(3, "softmax", input_shape=(5, 4)), loss=loss, **options)


def of_labels(p, labels):
    return -np.log(np.take_along_axis(p, labels[..., None], -1))[..., 0]


def first_loss(model, x, y, **options):
    return model.fit(x, y, batch_size=len(x), verbose=0, **options).history["loss"][0]


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("sparse_categorical_crossentropy", LABELS),
        ("sparse_categorical_crossentropy", LABELS[:, None].astype("f8")),
        ("categorical_crossentropy", np.eye(3)[LABELS]),
        ("categorical_crossentropy", 0.9 * np.eye(3)[LABELS] + 0.1 / 3),
    ],
)
def test_labels_and_rows_of_labels_weigh_samples(loss, targets):
    model = classifier(loss)
    losses = (
        -(targets * np.log(model.predict(X))).sum(1) if "sparse" not in loss else of_labels(model.predict(X), LABELS)
    )
    want = (losses * BY_CLASS[LABELS]).mean()
    assert first_loss(model, X, targets, class_weight=WEIGHTS) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("targets", [OF_STEPS, OF_STEPS[..., None], np.eye(3)[OF_STEPS]])
def test_labels_of_steps_weigh_steps(targets):
    model = by_step("categorical_crossentropy" if targets.shape[-1] == 3 else "sparse_categorical_crossentropy")
    want = (of_labels(model.predict(STEPS), OF_STEPS) * BY_CLASS[OF_STEPS]).mean()
    assert first_loss(model, STEPS, targets, class_weight=WEIGHTS) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("targets", [LABELS == 0, (LABELS == 0)[:, None], (LABELS == 0).astype("f4")])
def test_binary_labels_and_weights_of_samples_multiply(targets):
    model = compiled(Dense(1, "sigmoid", input_dim=4), loss="binary_crossentropy")
    labels, own = (LABELS == 0).astype(int), RNG.random(32)
    p = model.predict(X)[:, 0]
    want = (-np.log(np.where(labels, p, 1 - p)) * np.where(labels, 4, 1) * own).mean()
    got = first_loss(model, X, targets, class_weight={1: np.float32(4)}, sample_weight=own)
    assert got == pytest.approx(want, rel=1e-5)


def test_validation_is_never_weighed():
    model = classifier()
    for held_out in ({"validation_split": 0.25}, {"validation_data": (X[24:], LABELS[24:])}):
        history = model.fit(X, LABELS, class_weight=WEIGHTS, shuffle=False, verbose=0, **held_out).history
        assert history["val_loss"][0] == pytest.approx(model.evaluate(X[24:], LABELS[24:], verbose=0), rel=1e-5)


def test_batches_and_train_on_batch_are_weighed_too():
    models = [classifier() for _ in range(3)]
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
    whole = models[0].fit(X, LABELS, batch_size=16, shuffle=False, class_weight=WEIGHTS, verbose=0).history
    batches = [(X[:16], LABELS[:16]), (X[16:], LABELS[16:])]
    assert models[1].fit(batches, class_weight=WEIGHTS, verbose=0).history["loss"] == pytest.approx(whole["loss"])
    losses = [models[2].train_on_batch(*batch, class_weight=WEIGHTS) for batch in batches]
    assert np.mean(losses) == pytest.approx(whole["loss"][0], rel=1e-6)


def test_a_class_that_no_label_has_warns():
    with pytest.warns(UserWarning, match="class_weight has 3, 7, which no label is"):
        classifier().fit(X, LABELS, class_weight={0: 1, 3: 2, 7: 1}, verbose=0)
    with pytest.warns(UserWarning, match="class_weight has 3, which no label is"):
        classifier().fit([(X, LABELS)], class_weight={0: 1, 3: 2}, verbose=0)


def test_batches_that_were_not_all_read_warn_of_no_class(tmp_path):
    batches = [(X[:1], LABELS[:1]), (X[1:], LABELS[1:])]
    stopping = LambdaCallback(on_batch_end=lambda batch, logs: setattr(model, "stop_training", True))
    model = classifier()
    model.fit(batches, class_weight=WEIGHTS, verbose=0, callbacks=[stopping])
    for _ in range(2):  # the second time it is finished, and reads nothing but the first batch's shape
        classifier().fit(batches, class_weight=WEIGHTS, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"cat": 1}, "a weight for each class's number; got the class 'cat'"),
        ({0.5: 1}, r"got the class 0\.5"),
        ({0: -1}, r"class_weight\[0\] must be a finite number of at least 0; got -1"),
        ({0: float("nan")}, r"class_weight\[0\] must be a finite number"),
        ({0: "heavy"}, r"class_weight\[0\] must be a number; got 'heavy'"),
        ({0: True}, r"class_weight\[0\] must be a number; got True"),
        ([1, 2], "class_weight is a dict"),
        ("balanced", "class_weight is a dict"),
    ],
)
def test_weights_that_are_none_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, LABELS, class_weight=class_weight, verbose=0)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([[1.0, 1.0, 0.0]] * 32), r"one class a sample; got the row \[1\.0, 1\.0, 0\.0\]"),
        (np.zeros((32, 3)), r"one class a sample; got the row"),
    ],
)
def test_rows_of_several_labels_or_none_are_refused(targets, message):
    model = compiled(Dense(3, "sigmoid", input_dim=4), loss="binary_crossentropy")
    with pytest.raises(ValueError, match=message):
        model.fit(X, targets, class_weight={0: 2.0}, verbose=0)


def test_numbers_to_be_predicted_and_several_outputs_are_refused():
    with pytest.raises(ValueError, match=r"class_weight needs class numbers as targets; got 0\.5"):
        compiled(Dense(1, input_dim=4), loss="mse").fit(X, np.full(32, 0.5), class_weight={0: 2.0}, verbose=0)
    a = Input((4,))
    several = Model(a, [Dense(1)(a), Dense(1)(a)])
    several.compile("sgd", "mse")
    with pytest.raises(ValueError, match="class_weight goes with one output"):
        several.fit(X, [LABELS, LABELS], class_weight={0: 2.0}, verbose=0)


# Weights of samples and steps


def test_weights_of_steps_weigh_the_loss_and_weighted_metrics():
    weight = RNG.random((16, 5))
    model = by_step(weighted_metrics=["accuracy", "sparse_categorical_crossentropy"], metrics=["acc"])
    p = model.predict(STEPS)
    losses, hits = of_labels(p, OF_STEPS), p.argmax(-1) == OF_STEPS
    want = [(losses * weight).mean(), hits.mean(), np.average(hits, weights=weight), np.average(losses, weights=weight)]
    for given in (weight, weight[..., None]):
        got = model.evaluate(STEPS, OF_STEPS, sample_weight=given, batch_size=8, verbose=0)
        assert got == pytest.approx(want, rel=1e-5)


def test_weights_of_steps_go_with_a_mask():
    x, weight = STEPS.copy(), RNG.random((16, 5))
    x[:, 3:] = 0
    model = compiled(Masking(input_shape=(5, 4)), Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    want = (of_labels(model.predict(x), OF_STEPS) * weight)[:, :3].mean()
    assert model.evaluate(x, OF_STEPS, sample_weight=weight, verbose=0) == pytest.approx(want, rel=1e-5)


def test_a_column_of_weights_is_one_a_sample_and_other_shapes_are_refused():
    weight = RNG.random(32)
    model = classifier()
    column = model.evaluate(X, LABELS, sample_weight=weight[:, None], verbose=0)
    assert column == model.evaluate(X, LABELS, sample_weight=weight, verbose=0)
    with pytest.raises(ValueError, match=r"one number a sample, \(32,\); got an array of shape \(32, 3\)"):
        model.evaluate(X, LABELS, sample_weight=np.ones((32, 3)), verbose=0)
    with pytest.raises(ValueError, match=r"or one a step, \(16, 5\); got an array of shape \(16, 4\)"):
        by_step().evaluate(STEPS, OF_STEPS, sample_weight=np.ones((16, 4)), verbose=0)
