"""HS3, the JSON form of RooFit's workspaces: HistFactory models, read and written."""

from .read import read_hs3 as read_hs3
from .write import write_hs3 as write_hs3
