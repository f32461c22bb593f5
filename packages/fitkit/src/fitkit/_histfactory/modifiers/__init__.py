"""The seven modifiers. Adding one means adding it to one of these files."""

from .base import AbstractModifier as AbstractModifier
from .base import ParameterKind as ParameterKind
from .mcstat import ShapeSys as ShapeSys
from .mcstat import StatError as StatError
from .norm import Lumi as Lumi
from .norm import NormFactor as NormFactor
from .norm import NormSys as NormSys
from .shape import HistoSys as HistoSys
from .shape import ShapeFactor as ShapeFactor
