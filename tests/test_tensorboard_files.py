"""TensorBoard's files, each read back by TensorBoard or another reader of its format."""

import io
import json

import ml_dtypes
import numpy as np
import pytest
from event_reading import accumulator, scalars, tensors
from PIL import Image
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

from epochal.core.layer_node import LayerNode
from epochal.storage.writer import BackgroundWriter
from epochal.tensorboard import graphs, images, projector, records, summaries
from epochal.tensorboard.event_files import EventFile, cut
from epochal.tensorboard.histograms import BUCKETS, Histogram

RNG = np.random.default_rng(0)


@pytest.fixture
def writer():
    made = BackgroundWriter()
    yield made
    made.close()


def log(file, steps, tag="loss"):
    for step in steps:
        file.log(step, lambda step=step: [summaries.scalar(tag, step)])


# Records and event files


@pytest.mark.parametrize("number", [1, 100])
def test_checksums_are_those_of_the_package(number):
    messages = [bytes(RNG.integers(0, 256, length, np.uint8)) for length in (0, 1, 60, 300) for _ in range(number)]
    RNG.shuffle(messages)
    framed = io.BytesIO(records.frame(messages))
    for message in messages:
        header, header_crc = framed.read(8), framed.read(4)
        assert int.from_bytes(header, "little") == len(message)
        assert int.from_bytes(header_crc, "little") == masked_crc32c(header)
        assert framed.read(len(message)) == message
        assert int.from_bytes(framed.read(4), "little") == masked_crc32c(message)
    assert framed.read() == b""


def test_what_waits_is_bounded_and_keeps_its_order(writer, tmp_path):
    file = EventFile(tmp_path, "fit", writer, 0)
    log(file, range(10_000))
    file.close().wait()
    assert scalars(tmp_path)["loss"] == {step: step for step in range(10_000)}


def test_a_fit_that_goes_on_removes_what_it_wrote_after_its_mark(writer, tmp_path):
    first = EventFile(tmp_path, "fit", writer, 0)
    log(first, range(5))
    mark = first.mark()
    log(first, range(5, 9))
    first.close().wait()
    second = EventFile(tmp_path, "fit", writer, 5, resumed=True, mark=mark)
    assert second.mark() == mark
    log(second, range(5, 7))
    second.close().wait()
    third = EventFile(tmp_path, "fit", writer, 5, resumed=True, mark=mark)  # the second one was killed, unsaved
    log(third, range(5, 8))
    third.close().wait()
    assert len(list(tmp_path.iterdir())) == 2
    assert scalars(tmp_path)["loss"] == {step: step for step in range(8)}


def test_a_record_torn_by_a_crash_is_cut_off(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host.fit"
    path.write_bytes(records.frame([b"one", b"two"]) + records.frame([b"three"])[:-1])
    with pytest.warns(UserWarning, match=r"host\.fit is shorter than the saved run remembers: 1 of 3 events are lost"):
        cut(tmp_path, "fit", (path.name, 3))
    assert path.read_bytes() == records.frame([b"one", b"two"])


def test_files_of_other_fits_stay(writer, tmp_path):
    other = tmp_path / "events.out.tfevents.0000000001.host.other"
    other.write_bytes(b"")
    file = EventFile(tmp_path, "fit", writer, 0, resumed=True)
    log(file, [0])
    file.close().wait()
    assert other.exists()


def test_a_running_tensorboard_forgets_what_an_older_fit_logged(writer, tmp_path):
    old = EventFile(tmp_path, "old", writer, 0)
    log(old, range(5))
    old.close().wait()
    reader = accumulator(tmp_path)
    new = EventFile(tmp_path, "new", writer, 0)
    log(new, range(2))
    new.close().wait()
    reader.Reload()
    assert [event.step for event in reader.Scalars("loss")] == [0, 1]


# Histograms


def test_a_histogram_is_that_of_numpy(writer, tmp_path):
    values = RNG.normal(size=(100, 37)).astype(np.float32)
    file = EventFile(tmp_path, "fit", writer, 0)
    file.log(3, lambda: summaries.histogram("kernel", Histogram.of(values)))
    file.close().wait()
    counts, edges = np.histogram(values.astype(np.float64), BUCKETS)
    left, right, count = tensors(tmp_path)["kernel"][3].T
    np.testing.assert_allclose(left, edges[:-1], atol=1e-12)
    np.testing.assert_allclose(right, edges[1:], atol=1e-12)
    assert count.tolist() == counts.tolist()


def test_pieces_make_the_histogram_of_the_whole():
    values = RNG.normal(size=1000).astype(np.float32)
    pieces, histogram = np.split(values, [10, 10, 400]), Histogram()
    for piece in pieces:
        histogram.measure(piece)
    for piece in pieces:
        histogram.count(piece)
    assert (histogram.buckets() == Histogram.of(values).buckets()).all()


@pytest.mark.parametrize(
    ("values", "finite", "ends"),
    [
        (np.array([1.0, np.nan, 3.0, np.inf, -np.inf], np.float32), 2, (1, 3)),
        (np.full(4, np.nan, np.float32), 0, (0, 0)),
        (np.zeros(0, np.float32), 0, (0, 0)),
        (np.full((2, 3), 7.0, np.float32), 6, (7, 7)),
        (np.array([-1.7e308, 0.0, 1.7e308]), 3, (-1.7e308, 1.7e308)),
        (np.array([1.0, np.nextafter(1.0, 2.0, dtype=np.float32)], np.float32), 2, (1, 1.0000001)),
        (np.arange(5).astype(ml_dtypes.bfloat16), 5, (0, 4)),
        (np.arange(5, dtype=np.float16), 5, (0, 4)),
        (np.arange(5), 5, (0, 4)),
        (np.array([True, False]), 2, (0, 1)),
    ],
)
def test_values_of_any_kind_are_counted(values, finite, ends):
    histogram = Histogram.of(values)
    buckets = histogram.buckets()
    assert buckets.shape == (BUCKETS, 3)
    assert np.isfinite(buckets).all()
    assert (buckets[:, 2].sum(), histogram.not_finite) == (finite, values.size - finite)
    np.testing.assert_allclose((buckets[0, 0], buckets[-1, 1]), ends, rtol=1e-7)


def test_values_that_are_not_finite_are_counted_in_a_scalar(writer, tmp_path):
    file = EventFile(tmp_path, "fit", writer, 0)
    file.log(0, lambda: summaries.histogram("kernel", Histogram.of(np.array([1.0, np.nan, np.inf]))))
    file.log(1, lambda: summaries.histogram("kernel", Histogram.of(np.array([1.0, 2.0]))))
    file.close().wait()
    assert scalars(tmp_path) == {"kernel/not_finite": {0: 2}}
    assert [tensors(tmp_path)["kernel"][step][:, 2].sum() for step in (0, 1)] == [1, 2]


# Images


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((5,), [(1, 5)]),
        ((3, 7), [(3, 7)]),
        ((7, 3), [(3, 7)]),
        ((3, 5, 1, 4), [(3, 5)] * 4),
        ((3, 5, 2, 4), [(3, 10)] * 4),
        ((2, 3, 5, 2, 4), [(6, 10)] * 4),
        ((), []),
        ((0, 4), []),
    ],
)
def test_weights_are_laid_out_as_images(shape, sizes):
    assert [image.shape for image in images.layout(np.zeros(shape))] == sizes


def test_a_filter_is_an_image_with_its_channels_side_by_side():
    kernel = RNG.normal(size=(3, 5, 2, 4))
    left, right = kernel[:, :, 0, 1], kernel[:, :, 1, 1]
    assert (images.layout(kernel)[1] == np.hstack([left, right])).all()


@pytest.mark.parametrize(
    ("image", "levels"),
    [
        ([[0.0, 1.0, 2.0]], [0, 127, 255]),
        ([[-1.0, 0.0, 0.5]], [1, 128, 191]),
        ([[-0.5, 0.0, 1.0]], [64, 128, 255]),
        ([[np.nan, 0.0, 2.0]], [255, 0, 255]),
        ([[0.0, 0.0, 0.0]], [0, 0, 0]),
    ],
)
def test_grey_levels_follow_tensorflows_rule(image, levels):
    assert images.pixels(np.array(image))[0].tolist() == levels


def test_images_decode_to_their_pixels(writer, tmp_path):
    kernel = RNG.normal(size=(3, 5, 2, 4)).astype(np.float32)
    file = EventFile(tmp_path, "fit", writer, 0)
    file.log(0, lambda: summaries.images("kernel/image", kernel))
    file.close().wait()
    width, height, *files = tensors(tmp_path)["kernel/image"][0]
    assert (int(width), int(height), len(files)) == (10, 3, 4)
    for file, image in zip(files, images.layout(kernel), strict=True):
        assert (np.asarray(Image.open(io.BytesIO(file))) == images.pixels(image)).all()


# Graphs

NODES = [
    LayerNode("input", "InputLayer", {}, (), (None, 4), "float32", {}),
    LayerNode("a", "Dense", {"units": 3, "activation": "relu"}, ("input",), (None, 3), "float32", {"kernel": (4, 3)}),
    LayerNode("b", "Ähnlich", {"rate": 0.5, "use_bias": True, "size": (2, 2)}, ("a",), (None, None, 3), "bfloat16", {}),
    LayerNode("c", "Add", {}, ("a", "b"), (None, 3), "float32", {}),
]  # fmt: skip


def test_the_graph_has_a_node_a_layer():
    graph = GraphDef.FromString(graphs.graph_def(NODES))
    assert [(node.name, node.op, list(node.input)) for node in graph.node] == [
        ("input", "InputLayer", []),
        ("a", "Dense", ["input"]),
        ("b", "Ähnlich", ["a"]),
        ("c", "Add", ["a", "b"]),
    ]
    dense, other = graph.node[1].attr, graph.node[2].attr
    assert (dense["class"].s, dense["units"].i, dense["activation"].s) == (b"Dense", 3, b"relu")
    assert (list(dense["weight kernel"].list.i), dense["parameters"].i) == ([4, 3], 12)
    assert (other["rate"].f, other["use_bias"].b, list(other["size"].list.i)) == (0.5, True, [2, 2])
    assert [dim.size for dim in other["_output_shapes"].list.shape[0].dim] == [-1, -1, 3]


def test_tensorboard_reads_the_keras_graph(writer, tmp_path):
    file = EventFile(tmp_path, "fit", writer, 0)
    file.log(0, lambda: [summaries.keras_graph("net", NODES)])
    file.close().wait()
    (text,) = tensors(tmp_path)["keras"][0]
    graph = keras_model_to_graph_def(json.loads(text))
    assert [(node.name, list(node.input)) for node in graph.node] == [
        ("net/input", []),
        ("net/a", ["net/input"]),
        ("net/b", ["net/a"]),
        ("net/c", ["net/a", "net/b"]),
    ]
    metadata = accumulator(tmp_path).SummaryMetadata("keras")
    assert (metadata.plugin_data.plugin_name, metadata.plugin_data.content) == ("graph_keras_model", b"1")


# The projector


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a\nb\nc", 3),
        ("a\nb\n\n", 2),
        ("word\tcount\na\t1\nb\t2\n", 2),
        ("a\r\nb\r\n", 2),
        ("a\u2028b\nc\n", 2),
        ("", 0),
    ],
)
def test_rows_of_labels(tmp_path, text, rows):
    (tmp_path / "labels.tsv").write_bytes(text.encode())
    assert projector.rows_of(tmp_path / "labels.tsv") == rows


def test_vectors_are_exact(tmp_path):
    vectors = np.concatenate([RNG.normal(size=(5, 3)), [[0, np.nan, 1e-40]]]).astype(np.float32)
    projector.write_vectors(tmp_path, projector.Table("a b/ç", (6, 3)), vectors)
    read = np.loadtxt(tmp_path / "projector" / "a_b_ç.tsv", dtype=np.float32, delimiter="\t")
    np.testing.assert_array_equal(read, vectors)
