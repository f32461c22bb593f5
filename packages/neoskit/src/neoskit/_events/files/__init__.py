"""Files of events, of every kind by one interface."""

from .base import AbstractEventFile as AbstractEventFile
from .base import Columns as Columns
from .find import find as find
from .open import KINDS as KINDS
from .open import open_events as open_events
