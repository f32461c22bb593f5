"""The options that several commands share, each written once."""

import dataclasses
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar, final

import typer

Numbers = TypeVar("Numbers", float, float | None, list[float] | None)


def finite(value: Numbers) -> Numbers:
    """The numbers of an option; its range alone may let NaN pass.

    Raises:
        BadParameter: for one that is infinite or NaN.
    """
    for number in value if isinstance(value, list) else [value]:
        if number is not None and not math.isfinite(number):
            raise typer.BadParameter(f"{number} is not a finite number.")
    return value


# A `str`, not a `Path`: `-` is standard input, and a member of an archive is no file.
Workspace = Annotated[
    str,
    typer.Argument(
        metavar="WORKSPACE",
        help="A JSON document, - for standard input, an archive as HEPData ships them "
        "(.tar.gz, .zip), an HS3 document, HistFactory XML (file or folder), or a "
        "datacard of CMS Combine.",
        show_default=False,
    ),
]
Member = Annotated[
    str | None,
    typer.Option(
        "--member",
        "--region",
        metavar="NAME",
        help="In an archive: the workspace's name, or its folder.",
    ),
]
Patchset = Annotated[
    str | None,
    typer.Option(
        "--patchset",
        metavar="FILE",
        help="A patch set; in an archive the one beside the workspace is found.",
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify/--no-verify",
        help="Check that the patch set was made for the workspace.",
    ),
]
Measurement = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="By default the first; of HS3 the analysis, by default the only one.",
        show_default=False,
    ),
]
Poi = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The parameter of interest; by default the measurement's.",
    ),
]


class BinFactors(StrEnum):
    """What the statistics of simulated samples are in a model."""

    parameters = "parameters"
    profiled = "profiled"


McStatistics = Annotated[
    BinFactors | None,
    typer.Option(
        help="Factors of single bins: parameters, or profiled in closed form. By "
        "default parameters; of a datacard profiled, as Combine does.",
        show_default=False,
    ),
]
Mask = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="CHANNEL",
        help="Never look at the counts of this channel, or of all that match a "
        "pattern such as 'SR*'; again for more.",
    ),
]


@final
@dataclasses.dataclass(frozen=True)
class Input:
    """Which document."""

    workspace: Workspace
    member: Member = None
    # A list: the signal and a change of one's own may both be patches.
    patch: Annotated[
        list[str] | None,
        typer.Option(
            "--patch",
            metavar="FILE",
            help="A JSON Patch to apply, a file or a member of the archive; again for "
            "more, in turn.",
        ),
    ] = None
    patchset: Patchset = None
    point: Annotated[
        str | None,
        typer.Option(
            "--point",
            metavar="NAME",
            help="The signal point: its name, or its values such as 900,400.",
        ),
    ] = None
    verify: Verify = True
    mass: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE", help="Of a datacard: the value of $MASS in histograms."
        ),
    ] = None
    poi_map: Annotated[
        list[str] | None,
        typer.Option(
            "--poi-map",
            metavar="CHANNEL/PROCESS:STRENGTH",
            help="Of a datacard: a strength for these processes, such as "
            "'.*/ggH:r_ggH[1,0,10]'; again for more.",
        ),
    ] = None


@final
@dataclasses.dataclass(frozen=True)
class Choice:
    """Which model of the document, and which data."""

    measurement: Measurement = None
    poi: Poi = None
    mask: Mask = None
    mc_statistics: McStatistics = None
    asimov: Annotated[
        float | None,
        typer.Option(
            metavar="MU",
            callback=finite,
            help="Take what the model expects for this value of the parameter of "
            "interest, all others nominal, in place of the observed data.",
        ),
    ] = None
    postfit: Annotated[
        bool,
        typer.Option(
            "--postfit",
            help="With --asimov: all others at their best fit to the observed data, "
            "but for masked channels, and not nominal.",
        ),
    ] = False

    def reading(self) -> dict[str, str]:
        """What a reader of any format is told: nothing where its default is meant."""
        way = self.mc_statistics
        return {} if way is None else {"mc_statistics": way.value}


@final
@dataclasses.dataclass(frozen=True)
class Settings:
    """What holds in all fits of a command."""

    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            metavar="NAME[=VALUE]",
            help="Fix a parameter, or all that match a pattern such as 'gamma_*', at "
            "a value or where fits start; again for more.",
        ),
    ] = None
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            metavar="NAME",
            help="Fit a parameter that the measurement fixes.",
        ),
    ] = None
    init: Annotated[
        list[str] | None,
        typer.Option(
            "--init",
            metavar="NAME=VALUE",
            help="Where fits start.",
        ),
    ] = None
    bounds: Annotated[
        list[str] | None,
        typer.Option(
            "--bounds",
            metavar="NAME=LOW:HIGH",
            help="How far fits may go; -inf and inf for no bound.",
        ),
    ] = None


@final
@dataclasses.dataclass(frozen=True)
class Output:
    """How the answer is given."""

    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON document, numbers not rounded.",
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="No progress."),
    ] = False


@final
@dataclasses.dataclass(frozen=True)
class Files:
    """Pictures and tables of the answer, as files."""

    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw it: a .pdf, .png or .svg. Needs fitkit[plot].",
        ),
    ] = None
    hepdata: Annotated[
        Path | None,
        typer.Option(
            "--hepdata",
            metavar="FOLDER",
            help="Write it as a HEPData submission. Needs fitkit[hepdata].",
        ),
    ] = None


Stored = Annotated[
    Path | None,
    typer.Option(
        "--fit",
        metavar="FILE",
        help="A fit that `fit --save` stored, in the place of a new one.",
    ),
]


@final
@dataclasses.dataclass(frozen=True)
class Written:
    """Where a document goes."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="By default standard output, as for -.",
            show_default=False,
        ),
    ] = None


class ForLimits(StrEnum):
    """Statistics of an upper limit."""

    qtilde = "qtilde"
    q = "q"


class Statistic(StrEnum):
    """Statistics of a test."""

    qtilde = "qtilde"
    q = "q"
    t = "t"
    ttilde = "ttilde"


class Band(StrEnum):
    """Which outcomes the expected band stands for."""

    normal = "normal"
    clipped_normal = "clipped_normal"
    quantiles = "quantiles"


@final
@dataclasses.dataclass(frozen=True)
class Expected:
    """The convention of the expected band."""

    band: Annotated[
        Band,
        typer.Option(
            help="-2 to +2 standard deviations, those clipped where the statistic is "
            "0, or Combine's quantiles 2.5, 16, 50, 84, 97.5 %.",
        ),
    ] = Band.normal
    nominal_aux: Annotated[
        bool,
        typer.Option(
            "--nominal-aux",
            help="Expected data with nominal auxiliary data, not those of the fit to "
            "the observed.",
        ),
    ] = False


# What jax's random keys take without float64 as well.
Seed = Annotated[
    int,
    typer.Option(metavar="N", min=0, max=2**32 - 1, help="Of the pseudo-experiments."),
]


@final
@dataclasses.dataclass(frozen=True)
class PseudoExperiments:
    """Pseudo-experiments in place of asymptotic formulae."""

    toys: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="By N pseudo-experiments per hypothesis, not by asymptotic formulae.",
        ),
    ] = None
    seed: Seed = 0


Tested = Annotated[
    float,
    typer.Option(
        "--mu",
        callback=finite,
        help="The tested value of the parameter of interest.",
    ),
]
# 0 and 1 themselves are no levels; the library says why.
Level = Annotated[
    float,
    typer.Option(
        min=1e-9, max=1.0, callback=finite, help="CLs at the limit: 0.05 is 95 %."
    ),
]
Algorithm = Annotated[
    list[str] | None,
    typer.Option("--algorithm", metavar="NAME", help="By default sha256."),
]
