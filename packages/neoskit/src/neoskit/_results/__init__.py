"""What a trained pipeline is worth: numbers to quote, and their errors."""

from .bootstrap import bootstrap as bootstrap
from .bootstrap import resample as resample
from .compare import Comparison as Comparison
from .compare import Difference as Difference
from .compare import Verdict as Verdict
from .compare import compare as compare
from .compare import verdict as verdict
from .evaluate import Evaluation as Evaluation
from .evaluate import evaluate as evaluate
from .head_room import HeadRoom as HeadRoom
from .head_room import head_room as head_room
from .rebinning import background_statistics as background_statistics
from .rebinning import merged_edges as merged_edges
from .unblind import Unblinded as Unblinded
from .unblind import unblind as unblind
