"""A log folder as a real TensorBoard serves it, and as a real browser shows it."""

import io
import json
import re
import subprocess
import sys
import urllib.request
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from monitoring import wait_for
from PIL import Image

from epochal.callbacks import TensorBoard
from epochal.layers import Dense, Embedding, GlobalAveragePooling1D
from epochal.models import Sequential

RNG = np.random.default_rng(0)
LAYERS = ["input_layer", "words", "global_average_pooling1d", "dense", "dense_1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a model, its history, and the folder with everything logged."""
    folder = tmp_path_factory.mktemp("täglich 日誌")
    labels = folder / "labels.tsv"
    labels.write_text("".join(f"word {n}\n" for n in range(6)))
    layers = [Embedding(6, 3, input_length=4, name="words"), GlobalAveragePooling1D(), Dense(5), Dense(2)]
    model = Sequential(layers, name="net")
    model.compile(loss="mse", optimizer="adam")
    x, y = RNG.integers(0, 6, (20, 4)), RNG.normal(size=(20, 2))
    everything = {"histogram_freq": 1, "write_grads": True, "write_images": True, "embeddings_freq": 1}
    callback = TensorBoard(folder, embeddings_metadata="labels.tsv", update_freq="batch", **everything)
    history = model.fit(x, y, epochs=3, verbose=0, validation_split=0.2, callbacks=[callback])
    return SimpleNamespace(model=model, history=history.history, folder=folder)


@pytest.fixture(scope="module")
def server(trained):
    """Return the address of a TensorBoard that serves the folder."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(trained.folder), "--port", "0"]
    process = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        lines = iter(process.stdout.readline, b"")
        yield next(match[0] for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+/", line.decode())))
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def get(server, path, **query):
    with urllib.request.urlopen(f"{server}data/{path}?{urlencode(query)}", timeout=30) as response:
        return response.read()


def test_all_plugins_are_active(server):
    wanted = {"scalars", "histograms", "distributions", "images", "graphs", "projector"}

    def active():
        listing = json.loads(get(server, "plugins_listing"))
        return {name for name, plugin in listing.items() if plugin["enabled"]}

    assert wait_for(lambda: wanted <= active()), active()


def test_scalars_are_served_by_run(server, trained):
    for run, name in (("train", "loss"), ("validation", "val_loss")):
        points = json.loads(get(server, "plugin/scalars/scalars", run=run, tag="epoch_loss"))
        assert [step for _, step, _ in points] == [0, 1, 2]
        np.testing.assert_allclose([value for *_, value in points], trained.history[name], rtol=1e-6)
    batches = json.loads(get(server, "plugin/scalars/scalars", run="train", tag="batch_loss"))
    assert [step for _, step, _ in batches] == [1, 2, 3]


def test_histograms_and_images_are_served(server):
    histograms = json.loads(get(server, "plugin/histograms/histograms", run="train", tag="dense/kernel"))
    assert [(step, sum(count for *_, count in buckets)) for _, step, buckets in histograms] == [
        (n, 15) for n in range(3)
    ]
    entries = json.loads(get(server, "plugin/images/images", run="train", tag="dense/kernel/image", sample=0))
    assert [entry["step"] for entry in entries] == [0, 1, 2]
    image = get(server, "plugin/images/individualImage", **dict(parse_qsl(entries[0]["query"])))
    assert Image.open(io.BytesIO(image)).size == (5, 3)


def test_both_graphs_have_the_layers(server):
    names = re.compile(r'name: "([^"]*)"\n')
    graph = get(server, "plugin/graphs/graph", run="train").decode()
    assert names.findall(graph) == LAYERS
    keras = get(server, "plugin/graphs/graph", run="train", tag="keras", conceptual="true").decode()
    assert names.findall(keras) == [f"net/{name}" for name in LAYERS]


def test_the_projector_serves_vectors_and_labels(server, trained):
    (run,) = wait_for(lambda: json.loads(get(server, "plugin/projector/runs")))
    (info,) = json.loads(get(server, "plugin/projector/info", run=run))["embeddings"]
    assert (info["tensorName"], info["tensorShape"]) == ("words", [6, 3])
    vectors = np.frombuffer(get(server, "plugin/projector/tensor", run=run, name="words"), np.float32)
    np.testing.assert_array_equal(vectors.reshape(6, 3), trained.model.get_weights()[0])
    labels = get(server, "plugin/projector/metadata", run=run, name="words").decode()
    assert labels.splitlines() == [f"word {n}" for n in range(6)]


# In a browser


def found(browser, selector, value):
    """Return a JavaScript value of each element that a selector matches, those in shadow trees included."""
    script = f"""
        const found = [];
        (function walk(root) {{
            for (const element of root.querySelectorAll("*")) {{
                if (element.matches({selector!r})) found.push({value});
                if (element.shadowRoot) walk(element.shadowRoot);
            }}
        }})(document);
        return found;
    """
    return browser.execute_script(script)


def pixels_near(browser, colour):
    """Return how many pixels beside the side bar have about a colour."""
    shown = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB"))[100:, 360:].astype(int)
    return int((abs(shown - colour).max(axis=2) < 12).sum())


@pytest.mark.browser
def test_the_scalars_tab_draws_both_runs(chrome, server):
    chrome.get(f"{server}#scalars&tagFilter=epoch_loss&_smoothingWeight=0")
    orange, blue = (255, 112, 67), (0, 119, 187)  # TensorBoard's first two colours
    assert wait_for(lambda: pixels_near(chrome, orange) > 50 and pixels_near(chrome, blue) > 50)
    assert "epoch_loss" in found(chrome, "div, span, h2", "element.textContent.trim()")


@pytest.mark.browser
def test_the_graphs_tab_draws_the_layers_and_the_shapes_between_them(chrome, server):
    chrome.get("about:blank")
    chrome.get(f"{server}#graphs")
    assert wait_for(lambda: found(chrome, "g.node", "element.getAttribute('data-name')")) == LAYERS
    assert found(chrome, "g.edge", "element.textContent.trim()") == ["?×4", "?×4×3", "?×3", "?×5"]
