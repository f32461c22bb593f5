"""Results as HEPData tables: what a measurement publishes, in the form HEPData takes.

For each picture of `fitkit.plot` a function of the same name makes the table behind it;
`write` puts tables into a folder that HEPData takes as a submission (zipped). Numbers
have six significant digits; what is not determined is written as `-`. Needs the extra
`fitkit[hepdata]`.

References:
    HEPData submission format, version 1, hepdata-submission.readthedocs.io.
"""

from ._likelihood import contour as contour
from ._likelihood import scan as scan
from ._limits import cls_scan as cls_scan
from ._limits import upper_limits as upper_limits
from ._parameters import correlation as correlation
from ._parameters import intervals as intervals
from ._parameters import parameters as parameters
from ._parameters import pulls as pulls
from ._parameters import ranking as ranking
from ._submission import Table as Table
from ._submission import write as write
from ._yields import yields as yields

__all__ = [
    "Table",
    "write",
    "cls_scan",
    "upper_limits",
    "parameters",
    "correlation",
    "intervals",
    "pulls",
    "ranking",
    "scan",
    "contour",
    "yields",
]
