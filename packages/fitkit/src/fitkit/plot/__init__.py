"""Pictures of results: tests and limits, parameters, likelihoods, yields.

Every function takes what fitkit returns, draws on axes and returns them, so that panels
combine freely; `ax=None` makes new ones. The look is mplhep's, in Petroff's colours
(arXiv:2107.02270); it is set for the new artists alone, never for the session. Names of
parameters, samples and channels are drawn letter by letter, also where TeX would read
more into them. Needs the extra `fitkit[plot]`.
"""

from ._likelihood import contour as contour
from ._likelihood import scan as scan
from ._limits import cls_scan as cls_scan
from ._limits import upper_limits as upper_limits
from ._parameters import correlation as correlation
from ._parameters import pulls as pulls
from ._parameters import ranking as ranking
from ._yields import yields as yields

__all__ = [
    "cls_scan",
    "upper_limits",
    "pulls",
    "ranking",
    "correlation",
    "scan",
    "contour",
    "yields",
]
