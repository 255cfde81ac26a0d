"""Errors about names of Keras that aren't here, which say what to use instead."""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import FrameType
from typing import NoReturn

KERAS_NAMES = frozenset(
    re.split(
        r"\s+",
        """
        applications config datasets device distillation dtype_policies export legacy mixed_precision
        name_scope ops quantizers random remat saving tree visualization wrappers

        celu glu hard_shrink hard_tanh log_sigmoid log_softmax mish relu6 soft_shrink sparse_plus sparse_sigmoid
        sparsemax squareplus tanh_shrink threshold stft STFT STFTInitializer IdentityInitializer OrthogonalInitializer

        AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
        AdaptiveMaxPooling2D AdaptiveMaxPooling3D AdditiveAttention Attention AugMix AutoContrast AveragePooling3D
        AvgPool3D CategoryEncoding CenterCrop ContrastLimitedAdaptiveHistogramEqualization Conv3D Conv3DTranspose
        ConvLSTM1D ConvLSTM2D ConvLSTM3D ConvLSTM2DCell ConvRecurrent2D Convolution3D Cropping3D CuDNNGRU CuDNNLSTM
        CutMix Deconvolution2D Discretization EinsumDense Equalization FlaxLayer GRUCell GlobalAveragePooling3D
        GlobalAvgPool3D GlobalMaxPool3D GlobalMaxPooling3D GroupQueryAttention HashedCrossing Hashing Highway Identity
        InputLayer InputSpec IntegerLookup JaxLayer LSTMCell LocallyConnected1D LocallyConnected2D MaxNumBoundingBoxes
        MaxPool3D MaxPooling3D MaxoutDense MelSpectrogram Merge MixUp Pipeline RMSNormalization RNN RandAugment
        RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
        RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
        RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
        Resizing ReversibleEmbedding STFTSpectrogram SimpleRNNCell Solarization SpatialDropout3D SpectralNormalization
        StackedRNNCells StringLookup TFSMLayer TextVectorization ThresholdedReLU TorchModuleWrapper UnitNormalization
        UpSampling3D Wrapper ZeroPadding3D merge Convolution3DTranspose

        BinaryFocalCrossentropy CTC CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge
        Circle Dice Tversky binary_focal_crossentropy categorical_focal_crossentropy
        categorical_generalized_cross_entropy categorical_hinge circle ctc dice tversky logcosh

        Accuracy BinaryIoU ConcordanceCorrelation FBetaScore FalseNegatives FalsePositives IoU LogCoshError Mean MeanIoU
        MeanMetricWrapper OneHotIoU OneHotMeanIoU PearsonCorrelation PrecisionAtRecall R2Score RecallAtPrecision
        SensitivityAtSpecificity SpecificityAtSensitivity Sum TrueNegatives TruePositives concordance_correlation
        pearson_correlation

        Adafactor Ftrl Lamb LossScaleOptimizer MultiOptimizer Muon ScheduleFreeAdamW TFOptimizer OptimizerMap
        OrbaxCheckpoint

        Config CustomObjectScope FeatureSpace GeneratorEnqueuer HDF5Matrix OrderedEnqueuer SequenceEnqueuer array_to_img
        audio_dataset_from_directory bounding_boxes convert_all_kernels_in_model custom_object_scope
        deserialize_keras_object get_custom_objects get_file get_registered_name get_registered_object get_source_inputs
        image_dataset_from_directory img_to_array is_keras_tensor load_img model_from_yaml model_to_dot multi_gpu_model
        plot_model print_summary register_keras_serializable save_img serialize_keras_object split_dataset
        standardize_dtype text_dataset_from_directory timeseries_dataset_from_array deserialize serialize
        ImageDataGenerator image clear_session disable_interactive_logging enable_interactive_logging
        is_interactive_logging_enabled pack_x_y_sample_weight unpack_x_y_sample_weight
        """.strip(),
    )
)
"""Names of Keras 2 and 3, and of modules of theirs, of which some aren't here."""

IN_KERAS_MODELS = (
    "Keras's own can be used in Keras's models: from epochal.keras import Model; Model(keras_model).fit(…)"
)

ADVICE = {
    "datasets": "fit takes arrays from anywhere, those of keras.datasets too",
    "ops": "jax.numpy, jax.nn and jax.lax have such functions, and epochal.backend those of Keras 2",
    "random": "jax.random has such functions, and epochal.utils.set_random_seed seeds what is drawn here",
    "get_file": "urllib.request.urlretrieve gets files, and so does keras.utils.get_file",
    "plot_model": "model.summary() and TensorBoard(write_graph=True) show the layers",
    "image": "fit takes batches that Keras's ImageDataGenerator yields, or any iterable of batches",
    "ImageDataGenerator": "fit takes batches that Keras's own yields, or any iterable of batches",
    "register_keras_serializable": "load_model takes what is yours in custom_objects, by its name in the file",
    "multi_gpu_model": "a batch can be sharded over devices by jax.sharding, as docs/data.md has it",
    "clear_session": "epochal.backend has it",
    "print_summary": "it is model.summary()",
    "model_from_yaml": "model_from_json is here",
}
"""What to do instead, for the names whose purpose has another way here."""


def missing_names(
    module: str, known: Iterable[str], advice: Mapping[str, str] | None = None
) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module, which raises an error for a name that isn't there.

    Args:
        module: The name of the module.
        known: The public names in it.
        advice: What to do instead of more names of Keras's.
    """

    def look_up(name: str) -> NoReturn:
        raise missing(module, name, known, inspect.currentframe(), advice or {})

    return look_up


def missing(
    module: str,
    name: str,
    known: Iterable[str],
    looked_up_in: FrameType | None = None,
    advice: Mapping[str, str] = ADVICE,
) -> Exception:
    """Return the error for a name that a module doesn't have, of one line; the caller raises it.

    It is an AttributeError; where an import statement asks, which would replace the text of that, an ImportError.

    Args:
        module: The name of the module.
        name: What was asked for.
        known: The public names in it.
        looked_up_in: The frame of its `__getattr__`.
        advice: What to do instead of more names of Keras's.
    """
    text = f"module {module!r} has no attribute {name!r}"
    near = [] if name.startswith("_") else get_close_matches(name, list(known), n=1, cutoff=0.75)
    if near:
        text += f". Did you mean {near[0]!r}?"
    room = module.rpartition(".")[2]
    if name in KERAS_NAMES or name in advice or (room in KERAS_NAMES and not name.startswith("_")):
        instead = advice.get(name) or ADVICE.get(name) or ADVICE.get(room) or IN_KERAS_MODELS
        text += f"{'' if near else '.'} It is Keras's and isn't here: {instead}."
    asking = None if looked_up_in is None else looked_up_in.f_back
    if asking is not None and asking.f_lasti >= 0 and asking.f_code.co_code[asking.f_lasti] == dis.opmap["IMPORT_FROM"]:
        return ImportError(text, name=name)
    return AttributeError(text, name=name)
