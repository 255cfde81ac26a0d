"""Which way a monitored value is better: what metrics say, what names tell, and asking where neither does."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from epochal.callbacks import CallbackList, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from epochal.core.directions import direction_of
from epochal.layers import Dense, Input
from epochal.metrics import MeanMetric
from epochal.models import Model, Sequential

HIGHER = """acc val_acc acc_top3 accuracy_top5 top5_acc balanced_accuracy AUC auc_1 ROC-AUC precision_1 val_recall f1
f1_macro F1Score f2_score f0_5 fbeta_score f_beta fmeasure sensitivity specificity dice_coef mean_iou MeanIoU mean_io_u
jaccard mcc cohen_kappa r2 R2Score ndcg@10 psnr ssim bleu digit_accuracy valAccuracy"""
LOWER = """loss val_loss my_loss top3_loss accuracy_loss losses mean_squared_error word_err mae val_rmse mape msle
binary_crossentropy cross_entropy nll perplexity edit_distance kl_divergence wer cer log_cosh hinge"""
UNKNOWN = "lr learning_rate evenness vacca face racer map score f similarity size"

X = np.random.default_rng(0).normal(size=(8, 2)).astype("f4")
Y = X[:, :1]


@pytest.mark.parametrize(("names", "direction"), [(HIGHER, "max"), (LOWER, "min"), (UNKNOWN, None)])
def test_names_tell_by_their_parts(names, direction):
    assert {name: direction_of(name) for name in names.split()} == dict.fromkeys(names.split(), direction)


def evenness(y, p):
    return -jnp.mean((y - p) ** 2, -1)


def compiled(**options):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse", **options)
    return model


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping("val_evenness"),
        ReduceLROnPlateau("val_evenness"),
        ModelCheckpoint("best.h5", "val_evenness", save_best_only=True),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_where_nobody_says_it_is_an_error_before_the_first_batch(callback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    batches = []
    watch = LambdaCallback(on_batch_end=lambda batch, logs: batches.append(batch))
    model = compiled(metrics=[evenness])
    with pytest.raises(ValueError, match=r"nobody says .* 'val_evenness' is better: give mode='min' or mode='max'"):
        model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[watch, callback])
    assert not batches


def test_a_compiled_model_says_it_before_anything_has_run():
    model = compiled(metrics=["mae", evenness])
    assert [model.direction(name) for name in ("val_mae", "evenness", "loss")] == ["min", "unknown", None]
    model.predict(X)
    assert model.direction("mae") == "min"


def test_a_mode_or_the_metric_says_it():
    quality = MeanMetric(evenness, "quality", direction="max")
    marked = lambda y, p: evenness(y, p)
    marked.__name__, marked.direction = "marked", "min"
    stops = [EarlyStopping("evenness", mode="max"), EarlyStopping("quality"), EarlyStopping("marked")]
    compiled(metrics=[evenness, quality, marked]).fit(X, Y, verbose=0, callbacks=stops)
    assert [stop.monitor.direction for stop in stops] == ["max", "max", "min"]


def test_an_output_called_like_a_metric_says_nothing_of_its_metrics():
    a = Input((2,))
    model = Model(a, [Dense(1, name="precision")(a), Dense(1, name="error")(a)])
    model.compile("sgd", "mse", metrics=[evenness, MeanMetric(evenness, "accuracy")])
    fit = lambda name: model.fit(X, [Y, Y], verbose=0, callbacks=[stop := EarlyStopping(name)]) and stop
    with pytest.raises(ValueError, match="'precision_evenness' is better"):
        fit("precision_evenness")
    assert fit("error_accuracy").monitor.direction == "max"
    assert fit("precision_loss").monitor.direction == "min"


def test_a_value_that_a_callback_adds_is_known_by_its_name_or_asked_for():
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(mean_iou=epoch, grade=epoch))
    stop = EarlyStopping("mean_iou", patience=1)
    with pytest.warns(UserWarning, match="'mean_iou' is no metric of this fit"):
        assert len(compiled().fit(X, Y, epochs=3, verbose=0, callbacks=[add, stop]).epoch) == 3
    with pytest.warns(UserWarning, match="'grade'"), pytest.raises(ValueError, match="'grade' is better: give mode="):
        compiled().fit(X, Y, verbose=0, callbacks=[add, EarlyStopping("grade")])


def test_a_loop_of_ones_own_is_asked_too():
    with pytest.raises(ValueError, match="'grade' is better"):
        CallbackList([EarlyStopping("grade")]).on_train_begin()


def test_a_checkpoint_that_compares_nothing_needs_no_direction(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled().fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "a.h5", "grade")])


def test_a_direction_that_is_none_is_refused():
    with pytest.raises(ValueError, match="the direction of quality is 'min', 'max' or None; got 'up'"):
        compiled(metrics=[MeanMetric(evenness, "quality", direction="up")])
