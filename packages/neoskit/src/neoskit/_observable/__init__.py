"""Events → what the measurement looks at, with parameters that are trained."""

from .composed import Ensemble as Ensemble
from .composed import FeatureScore as FeatureScore
from .composed import Residual as Residual
from .network import NeuralObservable as NeuralObservable
from .network import SoftmaxObservable as SoftmaxObservable
from .network import affine as affine
from .network import standardisation as standardisation
from .observable import AbstractClassifier as AbstractClassifier
from .observable import AbstractObservable as AbstractObservable
from .observable import Fixed as Fixed
from .observable import Scored as Scored
from .selection import SoftSelection as SoftSelection
