"""The code blocks of the README run, in order, as one script, and it names what there is."""

import re

import pytest
from documents import ROOT, blocks, check_other, run_page

README = ROOT / "README.md"


def test_readme_blocks_run(tmp_path, monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    names = run_page(README)
    assert (tmp_path / "best.h5").exists()
    assert max(names["history"].history["val_accuracy"]) > 0.8
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss")


def test_readme_commands_are_there():
    for block in blocks(README):
        check_other(block)


def test_readme_names_every_callback():
    import epochal.callbacks

    table = README.read_text()
    for name in set(epochal.callbacks.__all__) - {"Callback", "Every", "WhenNotFinite"}:
        assert f"`{name}`" in table, name


def test_readme_links_lead_to_files_or_to_pages_of_the_documentation():
    pages = re.findall(r"[-:] ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text())
    assert len(targets) > 20
    lost = [target for target in targets if not (ROOT / target).exists() and target.removeprefix("docs/") not in pages]
    assert lost == []
