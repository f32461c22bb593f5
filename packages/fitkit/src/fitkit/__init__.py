"""HistFactory likelihoods, fits as implicit solves, tests and limits in JAX."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._custom_types import Params as Params
    from ._fit.diagnose import FitError as FitError
    from ._fit.fit import fit as fit
    from ._fit.fit import fixed_poi_fit as fixed_poi_fit
    from ._fit.fit import smallest_twice_nll as smallest_twice_nll
    from ._fit.result import FitResult as FitResult
    from ._fit.solver import BoundedAdjoint as BoundedAdjoint
    from ._fit.solver import BoundedNewton as BoundedNewton
    from ._fit.starts import AnotherMinimumWarning as AnotherMinimumWarning
    from ._fit.starts import Minima as Minima
    from ._fit.starts import fit_from_many_starts as fit_from_many_starts
    from ._fit.uncertainty import correlation as correlation
    from ._fit.uncertainty import covariance as covariance
    from ._fit.uncertainty import fisher_information as fisher_information
    from ._fit.uncertainty import hessian as hessian
    from ._fit.uncertainty import uncertainties as uncertainties
    from ._formats import read_histfactory_xml as read_histfactory_xml
    from ._formats import read_hs3 as read_hs3
    from ._formats import write_hs3 as write_hs3
    from ._formats.combine_card.read import combine_card_groups as combine_card_groups
    from ._formats.combine_card.read import read_combine_card as read_combine_card
    from ._formats.combine_card.to_workspace import (
        combine_card_to_workspace as combine_card_to_workspace,
    )
    from ._grid.grid import GridResult as GridResult
    from ._grid.grid import grid as grid
    from ._histfactory.block_model import BlockModel as BlockModel
    from ._histfactory.model import Model as Model
    from ._histfactory.modifiers import AbstractModifier as AbstractModifier
    from ._histfactory.modifiers import CustomModifier as CustomModifier
    from ._histfactory.modifiers import ExpressionFactor as ExpressionFactor
    from ._histfactory.modifiers import GammaNorm as GammaNorm
    from ._histfactory.modifiers import HistoSys as HistoSys
    from ._histfactory.modifiers import Lumi as Lumi
    from ._histfactory.modifiers import NormFactor as NormFactor
    from ._histfactory.modifiers import NormSys as NormSys
    from ._histfactory.modifiers import ShapeFactor as ShapeFactor
    from ._histfactory.modifiers import ShapeSys as ShapeSys
    from ._histfactory.modifiers import StatError as StatError
    from ._histfactory.simple import correlated_background as correlated_background
    from ._histfactory.simple import uncorrelated_background as uncorrelated_background
    from ._histfactory.spec import Channel as Channel
    from ._histfactory.spec import ParameterSettings as ParameterSettings
    from ._histfactory.spec import Sample as Sample
    from ._hypotest.asimov import asimov_data as asimov_data
    from ._hypotest.asymptotics import Asymptotics as Asymptotics
    from ._hypotest.counting import asimov_significance as asimov_significance
    from ._hypotest.discovery import discovery as discovery
    from ._hypotest.expected_limit import expected_limit as expected_limit
    from ._hypotest.fits import ActiveBoundWarning as ActiveBoundWarning
    from ._hypotest.hypotest import hypotest as hypotest
    from ._hypotest.joint import JointTest as JointTest
    from ._hypotest.joint import joint_test as joint_test
    from ._hypotest.limit import MissingLimitWarning as MissingLimitWarning
    from ._hypotest.limit import upper_limit as upper_limit
    from ._hypotest.pseudo_experiments import Toys as Toys
    from ._hypotest.results import DiscoveryResult as DiscoveryResult
    from ._hypotest.results import HypotestResult as HypotestResult
    from ._hypotest.results import UpperLimit as UpperLimit
    from ._hypotest.statistic import Q0 as Q0
    from ._hypotest.statistic import AbstractTestStatistic as AbstractTestStatistic
    from ._hypotest.statistic import QMu as QMu
    from ._hypotest.statistic import QMuTilde as QMuTilde
    from ._hypotest.statistic import TMu as TMu
    from ._hypotest.statistic import TMuTilde as TMuTilde
    from ._model.constraints import Normal as Normal
    from ._model.constraints import Poisson as Poisson
    from ._model.constraints import poisson_logpdf as poisson_logpdf
    from ._model.likelihood import (
        AbstractNegativeLogLikelihood as AbstractNegativeLogLikelihood,
    )
    from ._model.likelihood import Derivatives as Derivatives
    from ._model.model import AbstractModel as AbstractModel
    from ._model.model import Data as Data
    from ._model.parameters import Parameter as Parameter
    from ._model.terms import AbstractTerm as AbstractTerm
    from ._model.terms import CorrelatedNormal as CorrelatedNormal
    from ._model.terms import Gamma as Gamma
    from ._model.terms import LogNormal as LogNormal
    from ._model.terms import QuadraticTerm as QuadraticTerm
    from ._model.with_terms import ModelWithTerms as ModelWithTerms
    from ._model.with_terms import with_terms as with_terms
    from ._numerics.namespace import xp as xp
    from ._numerics.precision import require_float64 as require_float64
    from ._profile.breakdown import Breakdown as Breakdown
    from ._profile.breakdown import breakdown as breakdown
    from ._profile.contour import Contour as Contour
    from ._profile.contour import contour as contour
    from ._profile.gof import GoodnessOfFit as GoodnessOfFit
    from ._profile.gof import goodness_of_fit as goodness_of_fit
    from ._profile.groups import parameter_group as parameter_group
    from ._profile.interval import Intervals as Intervals
    from ._profile.interval import interval as interval
    from ._profile.pulls import Pulls as Pulls
    from ._profile.pulls import pulls as pulls
    from ._profile.ranking import Ranking as Ranking
    from ._profile.ranking import impacts as impacts
    from ._profile.ranking import ranking as ranking
    from ._profile.scan import Scan as Scan
    from ._profile.scan import scan as scan
    from ._profile.yields import Yields as Yields
    from ._profile.yields import predicted_yields as predicted_yields
    from ._simplified.build import simplified_likelihood as simplified_likelihood
    from ._simplified.files import (
        read_simplified_likelihood as read_simplified_likelihood,
    )
    from ._simplified.files import (
        write_simplified_likelihood as write_simplified_likelihood,
    )
    from ._simplified.model import SimplifiedLikelihood as SimplifiedLikelihood
    from ._workspace import UNSET as UNSET
    from ._workspace import Archive as Archive
    from ._workspace import Finding as Finding
    from ._workspace import FindingGroup as FindingGroup
    from ._workspace import Findings as Findings
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

# Where each public name is defined. A module is imported when one of its names is first
# used (PEP 562): `import fitkit` then takes no longer than importing jax and equinox.
_MODULES = {
    "._custom_types": "Params",
    "._model.model": "Data AbstractModel",
    "._model.likelihood": "AbstractNegativeLogLikelihood Derivatives",
    "._numerics.namespace": "xp",
    "._model.parameters": "Parameter",
    "._model.constraints": "Normal Poisson poisson_logpdf",
    "._model.terms": "AbstractTerm CorrelatedNormal LogNormal Gamma QuadraticTerm",
    "._model.with_terms": "with_terms ModelWithTerms",
    "._histfactory.model": "Model",
    "._histfactory.block_model": "BlockModel",
    "._histfactory.spec": "Channel Sample ParameterSettings",
    "._histfactory.modifiers": (
        "AbstractModifier NormFactor NormSys HistoSys ShapeSys ShapeFactor "
        "StatError Lumi GammaNorm ExpressionFactor CustomModifier"
    ),
    "._histfactory.simple": "uncorrelated_background correlated_background",
    "._workspace": (
        "Findings FindingGroup "
        "UNSET WorkspaceError read_workspace write_workspace Patch PatchSet "
        "read_patchset Archive read_archive combine prune rename digest Finding "
        "validate"
    ),
    "._formats": "read_histfactory_xml read_hs3 write_hs3",
    "._formats.combine_card.read": "read_combine_card combine_card_groups",
    "._formats.combine_card.to_workspace": "combine_card_to_workspace",
    "._fit.fit": "fit fixed_poi_fit smallest_twice_nll",
    "._fit.result": "FitResult",
    "._fit.diagnose": "FitError",
    "._fit.starts": "fit_from_many_starts Minima AnotherMinimumWarning",
    "._fit.solver": "BoundedNewton BoundedAdjoint",
    "._fit.uncertainty": (
        "hessian fisher_information covariance correlation uncertainties"
    ),
    "._hypotest.statistic": "AbstractTestStatistic Q0 QMu QMuTilde TMu TMuTilde",
    "._hypotest.asymptotics": "Asymptotics",
    "._hypotest.pseudo_experiments": "Toys",
    "._hypotest.asimov": "asimov_data",
    "._hypotest.fits": "ActiveBoundWarning",
    "._hypotest.hypotest": "hypotest",
    "._hypotest.discovery": "discovery",
    "._hypotest.joint": "joint_test JointTest",
    "._hypotest.expected_limit": "expected_limit",
    "._hypotest.limit": "upper_limit MissingLimitWarning",
    "._hypotest.results": "HypotestResult DiscoveryResult UpperLimit",
    "._profile.scan": "scan Scan",
    "._profile.contour": "contour Contour",
    "._profile.interval": "interval Intervals",
    "._profile.pulls": "pulls Pulls",
    "._profile.ranking": "ranking impacts Ranking",
    "._profile.groups": "parameter_group",
    "._profile.breakdown": "breakdown Breakdown",
    "._profile.gof": "goodness_of_fit GoodnessOfFit",
    "._profile.yields": "predicted_yields Yields",
    "._simplified.model": "SimplifiedLikelihood",
    "._simplified.build": "simplified_likelihood",
    "._simplified.files": "read_simplified_likelihood write_simplified_likelihood",
    "._grid.grid": "grid GridResult",
    "._hypotest.counting": "asimov_significance",
    "._numerics.precision": "require_float64",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "Params",
    "Data",
    "AbstractModel",
    "AbstractNegativeLogLikelihood",
    "Derivatives",
    "xp",
    "Parameter",
    "Normal",
    "Poisson",
    "poisson_logpdf",
    "with_terms",
    "ModelWithTerms",
    "CorrelatedNormal",
    "LogNormal",
    "Gamma",
    "QuadraticTerm",
    "AbstractTerm",
    "Model",
    "BlockModel",
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
    "GammaNorm",
    "ExpressionFactor",
    "CustomModifier",
    "ParameterSettings",
    "uncorrelated_background",
    "correlated_background",
    "UNSET",
    "WorkspaceError",
    "read_workspace",
    "write_workspace",
    "read_combine_card",
    "combine_card_groups",
    "combine_card_to_workspace",
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
    "Findings",
    "FindingGroup",
    "validate",
    "read_histfactory_xml",
    "read_hs3",
    "write_hs3",
    "SimplifiedLikelihood",
    "simplified_likelihood",
    "read_simplified_likelihood",
    "write_simplified_likelihood",
    "fit",
    "fixed_poi_fit",
    "smallest_twice_nll",
    "FitResult",
    "FitError",
    "fit_from_many_starts",
    "Minima",
    "AnotherMinimumWarning",
    "BoundedNewton",
    "BoundedAdjoint",
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
    "asimov_data",
    "hypotest",
    "HypotestResult",
    "discovery",
    "DiscoveryResult",
    "joint_test",
    "JointTest",
    "upper_limit",
    "expected_limit",
    "UpperLimit",
    "MissingLimitWarning",
    "ActiveBoundWarning",
    "scan",
    "Scan",
    "contour",
    "Contour",
    "interval",
    "Intervals",
    "pulls",
    "Pulls",
    "ranking",
    "impacts",
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


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("fitkit")
    if name not in _HOMES:
        raise AttributeError(f"module 'fitkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
