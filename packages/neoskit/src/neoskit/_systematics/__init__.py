"""Templates of systematic variations → what the model takes of them."""

from .smoothing import smooth_353qh_twice as smooth_353qh_twice
from .systematics import NegativeBin as NegativeBin
from .systematics import Normalisation as Normalisation
from .systematics import Systematics as Systematics
from .systematics import negative_bins as negative_bins
from .treatment import Effect as Effect
from .treatment import Treatment as Treatment
