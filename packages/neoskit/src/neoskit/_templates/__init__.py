"""Observable → templates: expected events per bin, smooth or hard."""

from .binning import AbstractBinning as AbstractBinning
from .binning import Binning as Binning
from .binning import Categories as Categories
from .binning import Counting as Counting
from .edges import AbstractEdges as AbstractEdges
from .edges import FixedEdges as FixedEdges
from .edges import LearnedEdges as LearnedEdges
from .filling import fill_templates as fill_templates
from .filling import observed_counts as observed_counts
from .filling import raw_counts as raw_counts
from .filling import templates as templates
from .filling import templates_of_counted as templates_of_counted
from .scoring import Scores as Scores
from .scoring import scores as scores
from .template import ProcessTemplates as ProcessTemplates
from .template import Template as Template
from .template import Templates as Templates
