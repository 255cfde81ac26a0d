"""The code blocks of the documentation run, in order, page by page."""

import sys

import jax
import pytest
from documents import PAGES, ROOT, alike, blocks, check_other, first_difference, run_page

from epochal import distribution

NAMES = {str(page.relative_to(ROOT)): page for page in PAGES if page.name != "README.md"}


@pytest.fixture
def own_surroundings(tmp_path, monkeypatch):
    """Let a page write its files, and change what is global, where the next test isn't."""
    monkeypatch.chdir(tmp_path)
    yield
    distribution.set_distribution(None)
    if "epochal.keras" in sys.modules:
        sys.modules["epochal.keras"].uninstall()


@pytest.mark.filterwarnings("ignore:.* has no state_dict:UserWarning")  # of callbacks that pages show without one
@pytest.mark.parametrize(
    "name", [name for name, page in NAMES.items() if any(b.language == "python" for b in blocks(page))]
)
def test_the_blocks_of_a_page_run(name, own_surroundings):
    code = "".join(block.code for block in blocks(NAMES[name]))
    if "DataParallel" in code and jax.device_count() < 8:
        pytest.skip("eight devices, which XLA_FLAGS simulates on a CPU")
    if "keras" in code:
        pytest.importorskip("keras")
    run_page(NAMES[name])


@pytest.mark.parametrize("name", NAMES)
def test_shell_scripts_settings_and_commands_of_a_page_are_whole(name):
    for block in blocks(NAMES[name]):
        check_other(block)


def test_what_a_page_says_is_printed_is_held_against_what_is():
    assert first_difference("a 1.00\n...\nloss: 0.31 -  4us/step", "a 1.02\nb\nloss: 0.312 - 91ms/step") is None
    assert "'loss: 0.31'" in first_difference("loss: 0.31", "loss: 0.41")
    assert "nothing of" in first_difference("a", "a\nb")
    assert not alike("val_loss 0.3", "loss 0.3")
