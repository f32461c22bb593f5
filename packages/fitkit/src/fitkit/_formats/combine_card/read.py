"""From a Combine datacard to a model and its data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from ..._histfactory.model import Model
from ..._histfactory.problem import SpecificationError
from ..._model.model import Data
from ..._workspace.choices import UNSET, Unset
from ..._workspace.error import WorkspaceError
from .card import Card
from .parse import parse_card, read_text
from .strengths import strengths
from .templates import Templates
from .to_model import Built, build


def read_combine_card(
    path: str | Path,
    *,
    mass: float | str | None = None,
    poi_map: Mapping[str, str] | None = None,
    keywords: Mapping[str, str] | None = None,
    poi: str | Literal[Unset.UNSET] | None = UNSET,
    mc_statistics: Literal["parameters", "profiled"] = "profiled",
) -> tuple[Model, Data]:
    r"""The model and the observed data of a CMS Combine datacard.

    Cards of counts, and of histograms (TH1, read with uproot). The likelihood is that
    of Combine: log-normal factors with its smooth interpolation where they are
    asymmetric, templates that are interpolated at unchanged integral with their
    normalisation apart, `autoMCStats` with errors that follow the normalisations.

    Args:
        path: of the card; histograms are found relative to its folder.
        mass: the value of `$MASS` in names of histograms.
        poi_map: signal strengths by process: from regular expressions of
            `channel/process` (or of the process alone) to the name of a parameter,
            `"r_ggH[1,0,10]"` with start and bounds, `"1"` for none or `"0"` for a
            process that is left out; the last that fits holds. By default `r` scales
            all processes whose number is 0 or negative.
        keywords: values of other keywords in names of files and histograms, `$WORD`.
        poi: the parameter of interest: by default the first strength, a name for
            another, None for none.
        mc_statistics: whether the parameters of whole bins by `autoMCStats` are
            profiled in closed form (default, as Combine does), or written out.

    Returns:
        `(model, data)`. A card without signals has no parameter of interest.

    Raises:
        WorkspaceError: for a card that cannot be used; the message names the file, the
            line and the way out. So for cards of parametric models (RooWorkspace).

    Example:
        >>> import fitkit, pathlib, tempfile
        >>> text = '''imax 1
        ... jmax 1
        ... kmax *
        ... bin         SR
        ... observation 6
        ... bin         SR    SR
        ... process     ggH   WW
        ... process     0     1
        ... rate        1.0   5.5
        ... lumi  lnN   1.02  1.02
        ... WW    gmN 11  -   0.5
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = pathlib.Path(folder) / "card.txt"
        ...     _ = card.write_text(text)
        ...     model, data = fitkit.read_combine_card(card)
        >>> model.parameter_names
        ('r', 'lumi', 'WW')
    """
    built = read_with(path, mass, poi_map, keywords or {})
    try:
        model = Model(
            built.channels,
            poi=built.poi if poi is UNSET else poi,
            settings=built.settings,
            mc_statistics=mc_statistics,
        )
        return model, model.data(built.counts)
    except SpecificationError as error:
        raise WorkspaceError(f"{path}: {error}") from None


def read_card(path: str | Path) -> Card:
    """What a card says, without its histograms.

    Raises:
        WorkspaceError: naming the file and the line.
    """
    try:
        return parse_card(read_text(Path(path)))
    except WorkspaceError as error:
        raise WorkspaceError(f"{path}, {error}") from error.__cause__


def combine_card_groups(path: str | Path) -> dict[str, tuple[str, ...]]:
    """The groups of parameters that a datacard names, for `breakdown` and `ranking`.

    Args:
        path: of the card; its histograms are not read.

    Returns:
        The parameters of each group, without those that change nothing and those that
        are functions of others.

    Raises:
        WorkspaceError: naming the file and the line.
    """
    card = read_card(path)
    events = {column.cell for column in card.columns if column.rate}
    names = {each.name for each in card.systematics if events & {*each.effects}}
    names |= {each.name for each in card.rates if each.arguments is None}
    names |= {*card.constraints}
    return {
        group: tuple(name for name in members if name in names)
        for group, members in card.groups.items()
    }


def read_with(
    path: str | Path,
    mass: float | str | None,
    poi_map: Mapping[str, str] | None,
    keywords: Mapping[str, str],
) -> Built:
    """What the model of a card is made of; arguments as of `read_combine_card`.

    Raises:
        WorkspaceError: naming the file and the line.
    """
    card = read_card(path)
    values = {str(key): str(value) for key, value in keywords.items()}
    if mass is not None:
        values["MASS"] = mass if isinstance(mass, str) else f"{mass:.15g}"
    templates = Templates(card, Path(path).parent, values)
    try:
        with np.errstate(all="ignore"):
            return build(card, templates, strengths(card, poi_map))
    except WorkspaceError as error:
        raise WorkspaceError(f"{path}, {error}") from error.__cause__
    except SpecificationError as error:
        raise WorkspaceError(f"{path}: {error}") from None
    finally:
        templates.close()
