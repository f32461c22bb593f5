"""HistFactory likelihoods, fits as implicit solves, tests and limits in JAX."""

import importlib.metadata

from ._model.constraints import Normal as Normal
from ._model.constraints import Poisson as Poisson
from ._model.constraints import poisson_logpdf as poisson_logpdf
from ._hypotest.counting import asimov_significance as asimov_significance
from ._custom_types import Params as Params
from ._fit.diagnose import FitError as FitError
from ._fit.fit import FitResult as FitResult
from ._fit.fit import fit as fit
from ._fit.fit import fixed_poi_fit as fixed_poi_fit
from ._fit.kept import keep_programs as keep_programs
from ._fit.newton import BoundedNewton as BoundedNewton
from ._fit.starts import AnotherMinimumWarning as AnotherMinimumWarning
from ._fit.starts import Minima as Minima
from ._fit.starts import fit_from_many_starts as fit_from_many_starts
from ._grid.grid import GridResult as GridResult
from ._grid.grid import grid as grid
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
from ._hypotest.asimov import asimov_data as asimov_data
from ._hypotest.asymptotics import Asymptotics as Asymptotics
from ._hypotest.hypotest import DiscoveryResult as DiscoveryResult
from ._hypotest.hypotest import HypotestResult as HypotestResult
from ._hypotest.hypotest import hypotest as hypotest
from ._hypotest.limit import UpperLimit as UpperLimit
from ._hypotest.limit import upper_limit as upper_limit
from ._hypotest.statistic import Q0 as Q0
from ._hypotest.statistic import AbstractTestStatistic as AbstractTestStatistic
from ._hypotest.statistic import QMu as QMu
from ._hypotest.statistic import QMuTilde as QMuTilde
from ._hypotest.statistic import TMu as TMu
from ._hypotest.statistic import TMuTilde as TMuTilde
from ._hypotest.toy_limit import ToysLimit as ToysLimit
from ._hypotest.toys import Toys as Toys
from ._hypotest.toys import ToysResult as ToysResult
from ._model.model import AbstractModel as AbstractModel
from ._model.model import Data as Data
from ._model.parameters import Parameter as Parameter
from ._numerics.precision import require_float64 as require_float64
from ._profile.breakdown import Breakdown as Breakdown
from ._profile.breakdown import breakdown as breakdown
from ._profile.gof import GoodnessOfFit as GoodnessOfFit
from ._profile.gof import goodness_of_fit as goodness_of_fit
from ._profile.groups import parameter_group as parameter_group
from ._profile.interval import Intervals as Intervals
from ._profile.interval import interval as interval
from ._profile.pulls import Pulls as Pulls
from ._profile.pulls import pulls as pulls
from ._profile.ranking import Ranking as Ranking
from ._profile.ranking import ranking as ranking
from ._profile.scan import Contour as Contour
from ._profile.scan import Scan as Scan
from ._profile.scan import contour as contour
from ._profile.scan import scan as scan
from ._profile.yields import Yields as Yields
from ._profile.yields import predicted_yields as predicted_yields
from ._histfactory.simple import correlated_background as correlated_background
from ._histfactory.simple import uncorrelated_background as uncorrelated_background
from ._fit.uncertainty import correlation as correlation
from ._fit.uncertainty import covariance as covariance
from ._fit.uncertainty import fisher_information as fisher_information
from ._fit.uncertainty import hessian as hessian
from ._fit.uncertainty import uncertainties as uncertainties
from ._workspace import UNSET as UNSET
from ._workspace import Archive as Archive
from ._workspace import Finding as Finding
from ._workspace import Patch as Patch
from ._workspace import PatchSet as PatchSet
from ._workspace import WorkspaceError as WorkspaceError
from ._workspace import combine as combine
from ._workspace import digest as digest
from ._workspace import prune as prune
from ._workspace import read_archive as read_archive
from ._workspace import read_patchset as read_patchset
from ._workspace import read_workspace as read_workspace
from ._workspace import rename as rename
from ._workspace import validate as validate
from ._workspace import write_workspace as write_workspace

__version__ = importlib.metadata.version("fitkit")

__all__ = [
    "Params",
    "Data",
    "AbstractModel",
    "Parameter",
    "Normal",
    "Poisson",
    "poisson_logpdf",
    "Model",
    "Channel",
    "Sample",
    "AbstractModifier",
    "NormFactor",
    "NormSys",
    "HistoSys",
    "ShapeSys",
    "ShapeFactor",
    "StatError",
    "Lumi",
    "ParameterSettings",
    "uncorrelated_background",
    "correlated_background",
    "UNSET",
    "WorkspaceError",
    "read_workspace",
    "write_workspace",
    "Patch",
    "PatchSet",
    "read_patchset",
    "Archive",
    "read_archive",
    "combine",
    "prune",
    "rename",
    "digest",
    "Finding",
    "validate",
    "fit",
    "fixed_poi_fit",
    "FitResult",
    "FitError",
    "fit_from_many_starts",
    "Minima",
    "AnotherMinimumWarning",
    "BoundedNewton",
    "keep_programs",
    "hessian",
    "fisher_information",
    "covariance",
    "correlation",
    "uncertainties",
    "AbstractTestStatistic",
    "Q0",
    "QMu",
    "QMuTilde",
    "TMu",
    "TMuTilde",
    "Asymptotics",
    "Toys",
    "ToysResult",
    "asimov_data",
    "hypotest",
    "HypotestResult",
    "DiscoveryResult",
    "upper_limit",
    "UpperLimit",
    "ToysLimit",
    "scan",
    "Scan",
    "contour",
    "Contour",
    "interval",
    "Intervals",
    "pulls",
    "Pulls",
    "ranking",
    "Ranking",
    "parameter_group",
    "breakdown",
    "Breakdown",
    "goodness_of_fit",
    "GoodnessOfFit",
    "predicted_yields",
    "Yields",
    "grid",
    "GridResult",
    "asimov_significance",
    "require_float64",
]
