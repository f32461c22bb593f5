"""Train an analysis end to end on the expected result of its measurement."""

import importlib.metadata

from ._bootstrap import bootstrap as bootstrap
from ._bootstrap import resample as resample
from ._compare import Comparison as Comparison
from ._compare import Difference as Difference
from ._compare import compare as compare
from ._evaluate import Evaluation as Evaluation
from ._evaluate import evaluate as evaluate
from ._events import Dataset as Dataset
from ._events import Events as Events
from ._events import Process as Process
from ._events import SampleKey as SampleKey
from ._export import export_workspace as export_workspace
from ._gradient import AbstractEventObjective as AbstractEventObjective
from ._gradient import BinaryCrossEntropy as BinaryCrossEntropy
from ._gradient import binary_cross_entropy as binary_cross_entropy
from ._gradient import loss as loss
from ._gradient import value_and_gradient as value_and_gradient
from ._gradient import value_and_gradient_chunked as value_and_gradient_chunked
from ._objectives import Objective as Objective
from ._objectives import discovery_pvalue as discovery_pvalue
from ._objectives import discovery_significance as discovery_significance
from ._objectives import expected_cls as expected_cls
from ._objectives import generalised_variance as generalised_variance
from ._objectives import poi_variance as poi_variance
from ._observable import AbstractClassifier as AbstractClassifier
from ._observable import AbstractObservable as AbstractObservable
from ._observable import Fixed as Fixed
from ._observable import NeuralObservable as NeuralObservable
from ._observable import Scored as Scored
from ._observable import SoftSelection as SoftSelection
from ._observable import standardisation as standardisation
from ._pipeline import AbstractPipeline as AbstractPipeline
from ._pipeline import CrossFit as CrossFit
from ._pipeline import Pipeline as Pipeline
from ._pipeline import trained_leaves as trained_leaves
from ._rebinning import background_statistics as background_statistics
from ._rebinning import merged_edges as merged_edges
from ._sources.blobs import gaussian_blobs as gaussian_blobs
from ._sources.inferno import inferno_synthetic as inferno_synthetic
from ._sources.root import read_columns as read_columns
from ._sources.root import read_root as read_root
from ._split import fold_of as fold_of
from ._split import keep_only as keep_only
from ._split import leave_out as leave_out
from ._split import split as split
from ._statmodel import Measurement as Measurement
from ._templates import AbstractBinning as AbstractBinning
from ._templates import Binning as Binning
from ._templates import Counting as Counting
from ._templates import LearnedEdges as LearnedEdges
from ._templates import ProcessTemplates as ProcessTemplates
from ._templates import Template as Template
from ._templates import Templates as Templates
from ._train import Training as Training
from ._train import TrainingFailed as TrainingFailed
from ._train import TrainState as TrainState
from ._train import anneal as anneal
from ._train import cross_fit as cross_fit
from ._train import initial_state as initial_state
from ._train import load_checkpoint as load_checkpoint
from ._train import save_checkpoint as save_checkpoint
from ._train import train as train
from ._unblind import Unblinded as Unblinded
from ._unblind import unblind as unblind

__version__ = importlib.metadata.version("neoskit")

__all__ = [
    "Events",
    "Process",
    "Dataset",
    "SampleKey",
    "split",
    "fold_of",
    "keep_only",
    "leave_out",
    "read_root",
    "read_columns",
    "gaussian_blobs",
    "inferno_synthetic",
    "AbstractObservable",
    "AbstractClassifier",
    "NeuralObservable",
    "SoftSelection",
    "Scored",
    "Fixed",
    "standardisation",
    "AbstractBinning",
    "Binning",
    "LearnedEdges",
    "Counting",
    "Template",
    "ProcessTemplates",
    "Templates",
    "Measurement",
    "Objective",
    "expected_cls",
    "discovery_pvalue",
    "discovery_significance",
    "poi_variance",
    "generalised_variance",
    "AbstractEventObjective",
    "BinaryCrossEntropy",
    "binary_cross_entropy",
    "AbstractPipeline",
    "Pipeline",
    "CrossFit",
    "trained_leaves",
    "loss",
    "value_and_gradient",
    "value_and_gradient_chunked",
    "train",
    "Training",
    "TrainingFailed",
    "TrainState",
    "initial_state",
    "anneal",
    "cross_fit",
    "save_checkpoint",
    "load_checkpoint",
    "bootstrap",
    "resample",
    "Comparison",
    "Difference",
    "compare",
    "Evaluation",
    "evaluate",
    "export_workspace",
    "background_statistics",
    "merged_edges",
    "Unblinded",
    "unblind",
]
