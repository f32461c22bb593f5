"""HistFactory likelihoods, fits as implicit solves, tests and limits in JAX."""

import importlib.metadata

from ._constraints import Normal as Normal
from ._constraints import Poisson as Poisson
from ._custom_types import Params as Params
from ._fit.diagnose import FitError as FitError
from ._fit.fit import FitResult as FitResult
from ._fit.fit import fit as fit
from ._fit.fit import fixed_poi_fit as fixed_poi_fit
from ._fit.newton import BoundedNewton as BoundedNewton
from ._histfactory.model import Model as Model
from ._histfactory.modifiers import AbstractModifier as AbstractModifier
from ._histfactory.modifiers import HistoSys as HistoSys
from ._histfactory.modifiers import Lumi as Lumi
from ._histfactory.modifiers import NormFactor as NormFactor
from ._histfactory.modifiers import NormSys as NormSys
from ._histfactory.modifiers import ShapeFactor as ShapeFactor
from ._histfactory.modifiers import ShapeSys as ShapeSys
from ._histfactory.modifiers import StatError as StatError
from ._histfactory.spec import Channel as Channel
from ._histfactory.spec import ParameterSettings as ParameterSettings
from ._histfactory.spec import Sample as Sample
from ._model import AbstractModel as AbstractModel
from ._model import Data as Data
from ._parameters import Parameter as Parameter
from ._precision import require_float64 as require_float64
from ._simplemodels import correlated_background as correlated_background
from ._simplemodels import uncorrelated_background as uncorrelated_background
from ._workspace import UNSET as UNSET
from ._workspace import WorkspaceError as WorkspaceError
from ._workspace import read_workspace as read_workspace
from ._workspace import write_workspace as write_workspace

__version__ = importlib.metadata.version("fitkit")
