"""A run, described: TOML → typed and checked values, nothing built yet.

Unknown keys are errors, because a misspelt option that is silently ignored
costs a training. Building the run from the description is `build`'s work.
"""

from .binning import AnnealedTable as AnnealedTable
from .binning import BinningTable as BinningTable
from .binning import RebinningTable as RebinningTable
from .channels import ChannelTable as ChannelTable
from .compare import ComparisonTable as ComparisonTable
from .compare import WayTable as WayTable
from .measurement import LUMI as LUMI
from .measurement import LuminosityTable as LuminosityTable
from .measurement import MeasurementTable as MeasurementTable
from .measurement import NormalisationTable as NormalisationTable
from .objective import has_model as has_model
from .objective import parse_objective as parse_objective
from .observable import NetworkTable as NetworkTable
from .observable import Observable as Observable
from .observable import ResidualTable as ResidualTable
from .observable import SelectionTable as SelectionTable
from .observable import SoftmaxTable as SoftmaxTable
from .read import config_document as config_document
from .read import parse_config as parse_config
from .read import read_config as read_config
from .references import acts_on_sample as acts_on_sample
from .run import RunConfig as RunConfig
from .samples import DataTable as DataTable
from .samples import SampleTable as SampleTable
from .source import BlobsTable as BlobsTable
from .source import FilesTable as FilesTable
from .source import InfernoTable as InfernoTable
from .source import MissingTable as MissingTable
from .source import PythonTable as PythonTable
from .source import Source as Source
from .source import of_missing as of_missing
from .systematics import SystematicTable as SystematicTable
from .systematics import TemplateTable as TemplateTable
from .table import ConfigError as ConfigError
from .table import FileTable as FileTable
from .training import EvaluationTable as EvaluationTable
from .training import SplitTable as SplitTable
from .training import StageTable as StageTable
from .training import TrainingTable as TrainingTable
from .training import WarmStartTable as WarmStartTable
