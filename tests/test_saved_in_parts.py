"""A run whose arrays every process saves its part of: it goes on bit for bit, and a changed bit is never restored."""

import jax
import numpy as np
import pytest
from distributed import BATCH, CLOSE, LABELS, X, dense, on

from epochal import set_random_seed
from epochal.callbacks import BackupAndRestore, LambdaCallback, TerminateOnNaN
from epochal.distribution import DataParallel, LayoutMap, ModelParallel

pytestmark = pytest.mark.skipif(jax.device_count() < 8, reason="eight devices, which XLA_FLAGS simulates on a CPU")

FULLY_SHARDED = {"dense/kernel": ("batch",)}


def trained(folder, epochs, *callbacks, devices=8, in_parts=True, **options):
    """Train on some devices, with a part of the weights on each; return the weights."""
    with on(ModelParallel(LayoutMap(FULLY_SHARDED), {"batch": devices})):
        set_random_seed(3)
        model = dense()
        backup = BackupAndRestore(folder, in_parts=in_parts, **options)
        model.fit(X, LABELS, batch_size=BATCH, epochs=epochs, verbose=0, seed=1, callbacks=[*callbacks, backup])
        return model.get_weights()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("whole") / "run", 3, in_parts=False)


def test_it_goes_on_bit_for_bit_and_only_as_many_folders_stay_as_generations(tmp_path, whole, capsys):
    trained(tmp_path, 2)
    assert names(tmp_path) == [
        *(f"generation-0000000{number}.{kind}" for number, kind in [(2, "arrays"), (2, "run"), (3, "arrays"), (3, "end")]),
        "generation-00000003.run", "lock",
    ]  # fmt: skip
    for a, b in zip(whole, trained(tmp_path, 3), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(whole, trained(tmp_path, 3), strict=True):  # it is finished
        np.testing.assert_array_equal(a, b)
    assert "is finished (3 epochs)" in capsys.readouterr().out


def test_it_goes_on_on_fewer_devices_and_in_a_file(tmp_path, whole, capsys):
    trained(tmp_path, 2)
    for a, b in zip(whole, trained(tmp_path, 3, devices=2, in_parts=None), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=CLOSE)
    assert "The run goes on on 2 devices, and was saved on 8 devices" in capsys.readouterr().out
    assert names(tmp_path)[-2:] == ["generation-00000005.run", "lock"]


def test_a_flipped_bit_is_named_and_the_generation_before_goes_on(tmp_path, whole):
    trained(tmp_path, 2)
    [data] = (tmp_path / "generation-00000003.arrays/d").iterdir()
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(
        RuntimeError, match=r"generation-00000003.arrays is damaged: .*Remove the generation that names it"
    ):
        trained(tmp_path, 3)
    (tmp_path / "generation-00000003.run").unlink()
    for a, b in zip(whole, trained(tmp_path, 3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_kill_has_left_is_removed(tmp_path):
    trained(tmp_path, 1)
    (tmp_path / "generation-00000007.arrays").mkdir()  # a kill came before its file
    (tmp_path / ".generation-00000008.arrays.12ab.partial").mkdir()  # and before that
    trained(tmp_path, 2, keep=1)
    assert [name for name in names(tmp_path) if "7" in name or "8" in name] == []


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    def poison(epoch, logs):
        if epoch == 1:
            model = backup.model
            model.set_weights([weight * np.nan for weight in model.get_weights()])

    backup = BackupAndRestore(tmp_path, in_parts=True)
    with on(DataParallel()), pytest.warns(UserWarning, match="weights aren't finite"):
        model = dense()
        callbacks = [LambdaCallback(on_epoch_end=poison), TerminateOnNaN(), backup]
        model.fit(X, LABELS, batch_size=BATCH, epochs=3, verbose=0, callbacks=callbacks)
    assert names(tmp_path)[-2:] == ["generation-00000001.run", "lock"]


def test_a_wrong_argument_and_another_model_are_told(tmp_path):
    with pytest.raises(ValueError, match="in_parts must be True, False or None; got 'yes'"):
        BackupAndRestore(tmp_path, in_parts="yes")
    trained(tmp_path, 1)
    with on(DataParallel()):
        model = dense()
        model.compile("adam", "sparse_categorical_crossentropy")
    with on(DataParallel()), pytest.raises(ValueError, match="a run that was saved in parts goes on as it was only"):
        model.fit(
            X, LABELS, batch_size=BATCH, epochs=2, verbose=0, callbacks=[BackupAndRestore(tmp_path, strict=False)]
        )
