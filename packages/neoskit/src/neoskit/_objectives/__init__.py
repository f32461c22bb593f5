"""Model → one number to minimise, and sums of such numbers."""

from .expected import Objective as Objective
from .expected import discovery_pvalue as discovery_pvalue
from .expected import discovery_significance as discovery_significance
from .expected import expected_cls as expected_cls
from .expected import expected_limit as expected_limit
from .expected import generalised_variance as generalised_variance
from .expected import poi_variance as poi_variance
from .weighted_sum import Logarithm as Logarithm
from .weighted_sum import ModelObjective as ModelObjective
from .weighted_sum import Summable as Summable
from .weighted_sum import WeightedSum as WeightedSum
from .weighted_sum import is_objective as is_objective
from .weighted_sum import name_of as name_of
from .weighted_sum import statistics_of as statistics_of
