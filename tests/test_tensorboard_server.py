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
FIRST = "täglich 日誌"
TRAIN, VALIDATION = f"{FIRST}/train", f"{FIRST}/validation"
LAYERS = ["input_layer", "words", "global_average_pooling1d", "dense", "dense_1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a model, its history, and the folder of two runs; the first one has everything logged."""
    root = tmp_path_factory.mktemp("logs")
    folder = root / "täglich 日誌"
    folder.mkdir()
    labels = folder / "labels.tsv"
    labels.write_text("".join(f"word {n}\n" for n in range(6)))
    layers = [Embedding(6, 3, input_length=4, name="words"), GlobalAveragePooling1D(), Dense(5), Dense(2)]
    model = Sequential(layers, name="net")
    model.compile(loss="mse", optimizer="adam")
    x, y = RNG.integers(0, 6, (20, 4)), RNG.normal(size=(20, 2))
    everything = {"histogram_freq": 1, "write_grads": True, "write_images": True, "embeddings_freq": 1}
    callback = TensorBoard(folder, embeddings_metadata="labels.tsv", update_freq="batch", **everything)
    history = model.fit(x, y, epochs=3, verbose=0, validation_split=0.2, callbacks=[callback], seed=5)
    weights = model.get_weights()
    other = TensorBoard(root / "second", embeddings_freq=1, config={"augment": {"flip": True}})
    model.fit(x, y, batch_size=10, epochs=1, verbose=0, validation_split=0.2, callbacks=[other])
    return SimpleNamespace(weights=weights, history=history.history, folder=root)


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
    wanted = {"scalars", "histograms", "distributions", "images", "graphs", "projector", "text", "hparams"}

    def active():
        listing = json.loads(get(server, "plugins_listing"))
        return {name for name, plugin in listing.items() if plugin["enabled"]}

    assert wait_for(lambda: wanted <= active()), active()


def test_scalars_are_served_by_run(server, trained):
    for run, name in ((TRAIN, "loss"), (VALIDATION, "val_loss")):
        points = json.loads(get(server, "plugin/scalars/scalars", run=run, tag="epoch_loss"))
        assert [step for _, step, _ in points] == [0, 1, 2]
        np.testing.assert_allclose([value for *_, value in points], trained.history[name], rtol=1e-6)
    batches = json.loads(get(server, "plugin/scalars/scalars", run=TRAIN, tag="batch_loss"))
    assert [step for _, step, _ in batches] == [1, 2, 3]


def test_histograms_and_images_are_served(server):
    histograms = json.loads(get(server, "plugin/histograms/histograms", run=TRAIN, tag="dense/kernel"))
    assert [(step, sum(count for *_, count in buckets)) for _, step, buckets in histograms] == [
        (n, 15) for n in range(3)
    ]
    entries = json.loads(get(server, "plugin/images/images", run=TRAIN, tag="dense/kernel/image", sample=0))
    assert [entry["step"] for entry in entries] == [0, 1, 2]
    image = get(server, "plugin/images/individualImage", **dict(parse_qsl(entries[0]["query"])))
    assert Image.open(io.BytesIO(image)).size == (5, 3)


def test_both_graphs_have_the_layers(server):
    names = re.compile(r'name: "([^"]*)"\n')
    graph = get(server, "plugin/graphs/graph", run=TRAIN).decode()
    assert names.findall(graph) == LAYERS
    keras = get(server, "plugin/graphs/graph", run=TRAIN, tag="keras", conceptual="true").decode()
    assert names.findall(keras) == [f"net/{name}" for name in LAYERS]


def test_the_projector_serves_vectors_and_labels(server, trained):
    assert wait_for(lambda: sorted(json.loads(get(server, "plugin/projector/runs")))) == ["second", FIRST]
    (info,) = json.loads(get(server, "plugin/projector/info", run=FIRST))["embeddings"]
    assert (info["tensorName"], info["tensorShape"]) == ("words", [6, 3])
    vectors = np.frombuffer(get(server, "plugin/projector/tensor", run=FIRST, name="words"), np.float32)
    np.testing.assert_array_equal(vectors.reshape(6, 3), trained.weights[0])
    labels = get(server, "plugin/projector/metadata", run=FIRST, name="words").decode()
    assert labels.splitlines() == [f"word {n}" for n in range(6)]


def test_the_hparams_tab_compares_the_runs_by_their_settings(server):
    kind = {"content-type": "application/json"}
    request = urllib.request.Request(f"{server}data/plugin/hparams/session_groups", headers=kind)
    columns = [{"hparam": name} for name in ("batch_size", "optimizer", "seed", "augment.flip")]
    metric = {"metric": {"group": "validation", "tag": "epoch_loss"}}
    body = {"sliceSize": 10, "colParams": [*columns, metric], "allowedStatuses": ["STATUS_SUCCESS"]}
    with urllib.request.urlopen(request, json.dumps(body).encode(), timeout=30) as response:
        groups = json.loads(response.read())["sessionGroups"]
    runs = {group["sessions"][0]["name"]: group for group in groups}
    shown = {name: run["hparams"] for name, run in runs.items()}
    assert shown[FIRST].items() >= {"batch_size": 32.0, "optimizer": "Adam", "seed": 5.0}.items()
    assert shown["second"].items() >= {"batch_size": 10.0, "augment.flip": True}.items()
    assert "augment.flip" not in shown[FIRST]
    assert {value["name"]["group"] for value in runs["second"]["metricValues"]} >= {"train", "validation"}


def test_the_text_tab_has_the_layers_and_the_settings(server):
    (shown,) = json.loads(get(server, "plugin/text/text", run=FIRST, tag="summary"))
    assert "global_average_pooling1d" in shown["text"]
    assert "<pre>" in shown["text"]  # lines and spaces stay
    (shown,) = json.loads(get(server, "plugin/text/text", run="second", tag="config"))
    assert re.search(r"<td>augment.flip</td>\s*<td>True</td>", shown["text"])


def test_each_tag_is_described(server):
    tags = json.loads(get(server, "plugin/scalars/tags"))
    assert "by epoch, counted from 0" in tags[TRAIN]["epoch_loss"]["description"]
    assert "learning rate" in tags[TRAIN]["epoch_learning_rate"]["description"]
    assert (
        "on the validation data" in json.loads(get(server, "plugin/histograms/tags"))[TRAIN]["dense/out"]["description"]
    )


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
    colours = (0, 119, 187), (204, 51, 17)  # TensorBoard's for its second and its third run
    assert wait_for(lambda: all(pixels_near(chrome, colour) > 50 for colour in colours))
    assert "epoch_loss" in found(chrome, "div, span, h2", "element.textContent.trim()")


@pytest.mark.browser
def test_the_graphs_tab_draws_the_layers_and_the_shapes_between_them(chrome, server):
    chrome.get("about:blank")
    chrome.get(f"{server}#graphs")
    assert wait_for(lambda: found(chrome, "g.node", "element.getAttribute('data-name')")) == LAYERS
    assert found(chrome, "g.edge", "element.textContent.trim()") == ["?×4", "?×4×3", "?×3", "?×5"]
