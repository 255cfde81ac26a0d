"""Inputs, targets, weights, losses and metrics by the name of an input or an output."""

import numpy as np
import pytest
from branches import RNG, SCORES, SIZES, TOPICS, W1, WORDS, X4, Y1, X, Y, compiled, single, two_by_two

from epochal import set_random_seed
from epochal.callbacks import CSVLogger, EarlyStopping
from epochal.layers import (
    Dense,
    Input,
    Lambda,
)
from epochal.models import Model

# Data by name and in lists


def test_data_may_be_lists_or_dicts():
    results = []
    for x, y in ((X, Y), ([WORDS, SIZES], [TOPICS, SCORES]), ((WORDS, SIZES), (TOPICS, SCORES))):
        set_random_seed(3)
        model = compiled(metrics={"topic": ["acc"], "score": "mae"})
        history = model.fit(x, y, epochs=2, batch_size=8, verbose=0, validation_split=0.25).history
        results.append(history)
        assert list(history) == [
            "loss", "topic_loss", "score_loss", "topic_acc", "score_mae",
            "val_loss", "val_topic_loss", "val_score_loss", "val_topic_acc", "val_score_mae",
        ]  # fmt: skip
    assert results[0] == results[1] == results[2]


def test_batches_may_be_dicts_and_lists():
    set_random_seed(3)
    whole = compiled()
    whole.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    set_random_seed(3)
    by_batch = compiled()
    rows = [slice(at, at + 8) for at in (0, 8, 16)]
    batches = [({n: a[r] for n, a in X.items()}, [TOPICS[r], SCORES[r]]) for r in rows]
    by_batch.fit(batches, verbose=0)
    for a, b in zip(whole.get_weights(), by_batch.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_predictions_come_as_the_outputs_were_given():
    model = compiled()
    topic, score = model.predict(X, batch_size=7)
    assert (topic.shape, score.shape) == ((24, 3), (24, 1))
    words = Input((4,))
    by_name = Model(words, {"double": Lambda(lambda a: a * 2)(words), "half": Lambda(lambda a: a / 2)(words)})
    found = by_name.predict(WORDS)
    np.testing.assert_array_equal(found["double"], WORDS * 2)
    assert by_name.output_names == ["double", "half"]
    np.testing.assert_array_equal(Model({"in": words}, words).predict({"in": WORDS}), WORDS)


def test_weights_of_samples_are_for_all_outputs_or_for_each():
    weights = RNG.uniform(0.5, 2, 24).astype(np.float32)
    model = compiled()
    p, s = model.predict(X)
    topic, score = -np.log(p[np.arange(24), TOPICS]), ((s - SCORES) ** 2)[:, 0]
    both = model.evaluate(X, Y, sample_weight=weights, verbose=0, batch_size=24)
    np.testing.assert_allclose(both[1:], [(weights * topic).mean(), (weights * score).mean()], rtol=1e-4)
    one = model.evaluate(X, Y, sample_weight={"score": weights}, verbose=0, batch_size=24)
    np.testing.assert_allclose(one[1:], [topic.mean(), (weights * score).mean()], rtol=1e-4)


# Losses and metrics by output


def test_an_output_without_a_loss_is_not_trained_and_needs_no_target():
    model = compiled(loss={"topic": "sparse_categorical_crossentropy"})
    before = model.named_weights()
    history = model.fit(X, {"topic": TOPICS}, verbose=0).history
    assert list(history) == ["loss", "topic_loss"]
    np.testing.assert_array_equal(before["score/kernel"], model.named_weights()["score/kernel"])
    assert history["loss"] == history["topic_loss"]


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        (["mae"], ["a_mae", "b_mae"]),
        (["mae", "mse"], ["a_mae", "a_mse", "b_mae", "b_mse"]),
        ([["mae"], ["mse", "mae"]], ["a_mae", "b_mse", "b_mae"]),
        ([[], ["mse"]], ["b_mse"]),
        ({"b": "mse"}, ["b_mse"]),
        ({"a": ["mse", "mae"]}, ["a_mse", "a_mae"]),
    ],
)
def test_metrics_are_for_all_outputs_or_for_each(metrics, names):
    x = Input((4,))
    model = Model(x, [Dense(2, name="a")(x), Dense(2, name="b")(x)])
    model.compile("sgd", "mse", metrics)
    target = np.zeros((24, 2), np.float32)
    assert list(model.fit(WORDS, [target, target], verbose=0).history) == ["loss", "a_loss", "b_loss", *names]


def test_callbacks_watch_an_output_by_its_name(tmp_path):
    model = compiled(metrics={"topic": ["accuracy"]})
    stopping = EarlyStopping("val_topic_acc", patience=2, min_delta=2.0)
    history = model.fit(
        X, Y, epochs=10, verbose=0, validation_data=(X, Y), callbacks=[stopping, CSVLogger(tmp_path / "log.csv")]
    )
    assert len(history.epoch) == 3
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss,topic_loss,score_loss,topic_accuracy,val_loss,")


def test_a_metric_that_is_no_mean_is_the_outputs_own():
    x = Input((4,))
    model = Model(x, [Dense(1, name="a")(x), Dense(1, name="b")(x)])
    model.compile("sgd", "mse", {"b": ["r2_score"]})
    target = WORDS[:, :1]
    logs = model.evaluate(WORDS, [target * 0, target], verbose=0, return_dict=True, batch_size=7)
    b = model.predict(WORDS)[1]
    expected = 1 - ((target - b) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    assert logs["b_r2_score"] == pytest.approx(expected, rel=1e-4)


# Open axes, one output by name, metrics


@pytest.mark.parametrize(
    ("x", "y", "weight"), [({"i": X4}, {"out": Y1}, {"out": W1}), ([X4], [Y1], [W1]), (X4, Y1, W1)]
)
def test_one_input_and_one_output_may_be_given_by_name_too(x, y, weight):
    model = single()
    loss = model.evaluate(x, y, sample_weight=weight, verbose=0)
    assert loss == pytest.approx(model.predict(X4)[0, 0] ** 2 * W1.mean(), rel=1e-5)
    assert model.fit(x, y, class_weight={0: 2.0}, verbose=0).history["loss"][0] > 0


def test_weighted_metrics_are_logged_beside_the_plain_ones():
    model = single()
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
    weight = np.array([0, 0, 0, 0, 0, 1.0])
    logs = model.evaluate(X4 * np.arange(6.0)[:, None], Y1, sample_weight=weight, verbose=0, return_dict=True)
    assert list(logs) == ["loss", "mae", "weighted_mae"]
    assert logs["weighted_mae"] == pytest.approx(2 * logs["mae"], rel=1e-5)
    model.compile("sgd", "mse", metrics=["mae", "mae"])
    with pytest.raises(ValueError, match="two metrics would be logged as 'mae'"):
        model.fit(X4, Y1, verbose=0)


def test_a_metric_needs_the_target_of_its_output_also_without_a_loss():
    model = two_by_two()
    model.compile("sgd", loss={model.output_names[1]: "mse"}, metrics={model.output_names[0]: "mae"})
    with pytest.raises(ValueError, match=f"y lacks '{model.output_names[0]}'"):
        model.fit(X, {model.output_names[1]: np.zeros((24, 1))}, verbose=0)
