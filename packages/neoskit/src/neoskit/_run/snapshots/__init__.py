"""What a training looked like on its way, on disk: one file for each look at it."""

from .plane import Plane as Plane
from .plane import plane_of as plane_of
from .record import Recording as Recording
from .snapshot import Snapshot as Snapshot
from .snapshot import read_plane as read_plane
from .snapshot import read_snapshots as read_snapshots
