"""Train an analysis end to end on the expected result of its measurement."""

import importlib
import importlib.metadata
from itertools import chain
from typing import TYPE_CHECKING

# A name is imported when it is first asked for (PEP 562): `neoskit --help` needs no
# jax, whose import takes longer than all else that it does. Type checkers read this.
if TYPE_CHECKING:
    from ._dask import DaskWorkers as DaskWorkers
    from ._events import Dataset as Dataset
    from ._events import Events as Events
    from ._events import Missing as Missing
    from ._events import Process as Process
    from ._events import SampleKey as SampleKey
    from ._events import StoredDataset as StoredDataset
    from ._events import fold_of as fold_of
    from ._events import gaussian_blobs as gaussian_blobs
    from ._events import inferno_synthetic as inferno_synthetic
    from ._events import keep_only as keep_only
    from ._events import leave_out as leave_out
    from ._events import read_columns as read_columns
    from ._events import read_csv as read_csv
    from ._events import read_parquet as read_parquet
    from ._events import read_root as read_root
    from ._events import split as split
    from ._export import export_hepdata as export_hepdata
    from ._export import export_onnx as export_onnx
    from ._export import export_root as export_root
    from ._export import export_stablehlo as export_stablehlo
    from ._export import export_uhi as export_uhi
    from ._export import export_workspace as export_workspace
    from ._export import histograms as histograms
    from ._gradient import AbstractEventObjective as AbstractEventObjective
    from ._gradient import AdversarialCrossEntropy as AdversarialCrossEntropy
    from ._gradient import BinaryCrossEntropy as BinaryCrossEntropy
    from ._gradient import binary_cross_entropy as binary_cross_entropy
    from ._gradient import loss as loss
    from ._gradient import value_and_gradient as value_and_gradient
    from ._gradient import value_and_gradient_chunked as value_and_gradient_chunked
    from ._objectives import Logarithm as Logarithm
    from ._objectives import ModelObjective as ModelObjective
    from ._objectives import Objective as Objective
    from ._objectives import WeightedSum as WeightedSum
    from ._objectives import discovery_pvalue as discovery_pvalue
    from ._objectives import discovery_significance as discovery_significance
    from ._objectives import expected_cls as expected_cls
    from ._objectives import expected_limit as expected_limit
    from ._objectives import generalised_variance as generalised_variance
    from ._objectives import poi_variance as poi_variance
    from ._observable import AbstractClassifier as AbstractClassifier
    from ._observable import AbstractObservable as AbstractObservable
    from ._observable import Ensemble as Ensemble
    from ._observable import FeatureScore as FeatureScore
    from ._observable import Fixed as Fixed
    from ._observable import NeuralObservable as NeuralObservable
    from ._observable import Residual as Residual
    from ._observable import Scored as Scored
    from ._observable import SoftmaxObservable as SoftmaxObservable
    from ._observable import SoftSelection as SoftSelection
    from ._observable import standardisation as standardisation
    from ._pipeline import AbstractPipeline as AbstractPipeline
    from ._pipeline import CrossFit as CrossFit
    from ._pipeline import Pipeline as Pipeline
    from ._pipeline import trained_leaves as trained_leaves
    from ._results import Comparison as Comparison
    from ._results import Difference as Difference
    from ._results import Evaluation as Evaluation
    from ._results import HeadRoom as HeadRoom
    from ._results import Unblinded as Unblinded
    from ._results import Verdict as Verdict
    from ._results import background_statistics as background_statistics
    from ._results import bootstrap as bootstrap
    from ._results import compare as compare
    from ._results import evaluate as evaluate
    from ._results import head_room as head_room
    from ._results import merged_edges as merged_edges
    from ._results import resample as resample
    from ._results import unblind as unblind
    from ._results import verdict as verdict
    from ._run.analysis import Analysis as Analysis
    from ._statmodel import Measurement as Measurement
    from ._templates import AbstractBinning as AbstractBinning
    from ._templates import Binning as Binning
    from ._templates import Categories as Categories
    from ._templates import Counting as Counting
    from ._templates import LearnedEdges as LearnedEdges
    from ._templates import ProcessTemplates as ProcessTemplates
    from ._templates import Template as Template
    from ._templates import Templates as Templates
    from ._train import AbstractKeep as AbstractKeep
    from ._train import KeepAverage as KeepAverage
    from ._train import KeepBest as KeepBest
    from ._train import KeepLast as KeepLast
    from ._train import Stage as Stage
    from ._train import Training as Training
    from ._train import TrainingFailed as TrainingFailed
    from ._train import TrainState as TrainState
    from ._train import anneal as anneal
    from ._train import cross_fit as cross_fit
    from ._train import initial_state as initial_state
    from ._train import load_checkpoint as load_checkpoint
    from ._train import recipe as recipe
    from ._train import save_checkpoint as save_checkpoint
    from ._train import train as train

# Which module has which names, in the order of the physics. A test holds the two
# tables against each other.
_NAMES = {
    "_events": (
        *("Events", "Process", "Dataset", "SampleKey", "StoredDataset"),
        *("split", "fold_of", "keep_only", "leave_out"),
        *("read_root", "read_parquet", "read_csv", "read_columns", "Missing"),
        *("gaussian_blobs", "inferno_synthetic"),
    ),
    "_dask": ("DaskWorkers",),
    "_observable": (
        *("AbstractObservable", "AbstractClassifier", "NeuralObservable"),
        *("SoftmaxObservable", "SoftSelection", "Residual", "FeatureScore"),
        *("Ensemble", "Scored", "Fixed", "standardisation"),
    ),
    "_templates": (
        *("AbstractBinning", "Binning", "LearnedEdges", "Categories", "Counting"),
        *("Template", "ProcessTemplates", "Templates"),
    ),
    "_statmodel": ("Measurement",),
    "_objectives": (
        *("Objective", "expected_cls", "expected_limit", "discovery_pvalue"),
        *("discovery_significance", "poi_variance", "generalised_variance"),
        *("Logarithm", "WeightedSum", "ModelObjective"),
    ),
    "_pipeline": ("AbstractPipeline", "Pipeline", "CrossFit", "trained_leaves"),
    "_gradient": (
        *("AbstractEventObjective", "BinaryCrossEntropy", "binary_cross_entropy"),
        "AdversarialCrossEntropy",
        *("loss", "value_and_gradient", "value_and_gradient_chunked"),
    ),
    "_train": (
        *("train", "Stage", "recipe", "Training", "TrainingFailed"),
        *("AbstractKeep", "KeepLast", "KeepBest", "KeepAverage"),
        *("TrainState", "initial_state", "anneal"),
        *("cross_fit", "save_checkpoint", "load_checkpoint"),
    ),
    "_results": (
        *("evaluate", "Evaluation", "background_statistics", "merged_edges"),
        *("bootstrap", "resample", "compare", "Comparison", "Difference"),
        *("head_room", "HeadRoom", "verdict", "Verdict"),
        *("unblind", "Unblinded"),
    ),
    "_export": (
        *("export_workspace", "export_hepdata"),
        *("histograms", "export_root", "export_uhi"),
        *("export_stablehlo", "export_onnx"),
    ),
    "_run.analysis": ("Analysis",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__version__ = importlib.metadata.version("neoskit")

__all__ = list(chain.from_iterable(_NAMES.values()))


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULE_OF[name]}", __name__)
    value = getattr(module, name)
    globals()[name] = value  # so that the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
