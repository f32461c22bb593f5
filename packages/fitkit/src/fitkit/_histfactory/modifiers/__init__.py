"""The modifiers. Adding one means adding it to one of these files."""

from .base import AbstractModifier as AbstractModifier
from .base import ParameterKind as ParameterKind
from .function import CustomModifier as CustomModifier
from .function import ExpressionFactor as ExpressionFactor
from .mcstat import ShapeSys as ShapeSys
from .mcstat import StatError as StatError
from .norm import GammaNorm as GammaNorm
from .norm import Lumi as Lumi
from .norm import NormFactor as NormFactor
from .norm import NormSys as NormSys
from .shape import HistoSys as HistoSys
from .shape import ShapeFactor as ShapeFactor
