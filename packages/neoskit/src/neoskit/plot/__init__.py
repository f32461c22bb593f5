"""Pictures of a pipeline: what it learned, how it got there, what it measures.

Every function draws on axes and returns them, so that panels combine freely;
`ax=None` makes new ones. They take arrays, not pipelines: anything with the
same numbers can be drawn. Needs the extra `neoskit[plot]`.
"""

from ._figures import animate as animate
from ._figures import panels as panels
from ._figures import save as save
from ._look import style as style
from ._model import binned_model as binned_model
from ._observable import decision_contours as decision_contours
from ._training import cut_scan as cut_scan
from ._training import history as history
from ._training import spread as spread

__all__ = [
    "style",
    "decision_contours",
    "history",
    "binned_model",
    "cut_scan",
    "spread",
    "panels",
    "save",
    "animate",
]
