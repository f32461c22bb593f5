"""The parts of an HS3 document that binned likelihoods consist of, as pydantic models.

Tolerant where dialects differ: unknown keys are passed over, and names that one writer
leaves out are optional. Strict about what is read: no string where a number belongs.

References:
    HS3 0.2, https://github.com/hep-statistics-serialization-standard; ROOT's
    `JSONFactories_HistFactory.cxx` (its dialects before and after 6.40).
"""

from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import ConfigDict, Field

from ..._histfactory.problem import Key
from ..._workspace.error import WorkspaceError, explain
from ..._workspace.schema import Number, Numbers


class _Part(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


Text = Annotated[str, Field(min_length=1)]
Code = str | int | None


class Contents(_Part):
    contents: Numbers
    errors: Numbers | None = None


class Sides(_Part):
    lo: Number
    hi: Number
    interpolation: Code = None


class Variations(_Part):
    lo: Contents
    hi: Contents
    interpolation: Code = None


class Errors(_Part):
    vals: Numbers


class _Modifier(_Part):
    """What modifiers of every kind may say.

    `constraint` is the kind of a constraint in the draft and in ROOT before 6.40, the
    name of a distribution after it; `constraint_type` and `constraint_name` are what
    ROOT 6.36 to 6.38 calls the two; `constraints` has a name for each bin.
    """

    name: Text | None = None
    constraint: Text | None = None
    constraint_name: Text | None = None
    constraint_type: Text | None = None


class _OfOne(_Modifier):
    parameter: Text | None = None


class _OfBins(_Modifier):
    parameter: Text | None = None
    parameters: list[Text] | None = None
    constraints: list[Text | None] | None = None


class NormFactorPart(_OfOne):
    type: Literal["normfactor"]


class NormSysPart(_OfOne):
    type: Literal["normsys"]
    data: Sides
    interpolation: Code = None


class HistoSysPart(_OfOne):
    type: Literal["histosys"]
    data: Variations
    interpolation: Code = None


class ShapeFactorPart(_OfBins):
    type: Literal["shapefactor"]


class ShapeSysPart(_OfBins):
    type: Literal["shapesys"]
    data: Errors


class Uncertainties(_Part):
    uncertainties: Numbers


class StatErrorPart(_OfBins):
    """Its errors are those of the sample's data; pyhs3 may have them here."""

    type: Literal["staterror"]
    data: Uncertainties | None = None

    def errors(self, sample: Contents) -> list[float] | None:
        """The errors of a sample's yields, None where nothing gives them."""
        return sample.errors if self.data is None else self.data.uncertainties


OneParameterPart = NormFactorPart | NormSysPart | HistoSysPart
PerBinPart = ShapeFactorPart | ShapeSysPart | StatErrorPart
ModifierPart = Annotated[OneParameterPart | PerBinPart, Field(discriminator="type")]


class SamplePart(_Part):
    name: Text
    data: Contents
    modifiers: list[ModifierPart] = []


class Axis(_Part):
    """An axis with its bins: `nbins` equal ones, or `edges` (ROOT: `bounds`)."""

    name: Text | None = None
    min: Number | None = None
    max: Number | None = None
    nbins: Annotated[int, Field(gt=0)] | None = None
    edges: Numbers | None = None
    bounds: Numbers | None = None


class StatErrorConfig(_Part):
    constraint: Text | None = None
    relThreshold: Number = 0.0


class HistFactoryPart(_Part):
    name: Text
    axes: list[Axis] = []
    samples: Annotated[list[SamplePart], Field(min_length=1)]
    statError: StatErrorConfig = StatErrorConfig()
    staterror: StatErrorConfig | None = None


class BinnedData(_Part):
    type: Literal["binned"]
    contents: Numbers
    axes: list[Axis] = []


class UnbinnedData(_Part):
    type: Literal["unbinned"]
    entries: Annotated[list[Numbers], Field(min_length=1)]
    weights: Numbers | None = None


DataPart = Annotated[BinnedData | UnbinnedData, Field(discriminator="type")]


class LikelihoodPart(_Part):
    name: Text
    distributions: Annotated[list[Text], Field(min_length=1)]
    data: Annotated[list[Text | Number], Field(min_length=1)]
    aux_distributions: list[Text] = []


class AnalysisPart(_Part):
    """An analysis; singular and plural of some keys differ between drafts."""

    name: Text
    likelihood: Text
    parameters_of_interest: list[Text] = []
    parameter_of_interest: list[Text] | Text = []
    pois: list[Text] = []
    domain: Text | None = None
    domains: list[Text] = []
    init: Text | None = None
    aux_likelihood_terms: list[Text] = []


class DomainAxis(_Part):
    name: Text
    min: Number | None = None
    max: Number | None = None


class DomainPart(_Part):
    axes: list[DomainAxis]


class PointParameter(_Part):
    name: Text
    value: Number | None = None
    const: bool | None = None


class PointPart(_Part):
    parameters: list[PointParameter]


class Package(_Part):
    name: Text


class Metadata(_Part):
    packages: list[Package] = []


class NormalPart(_Part):
    """A normal distribution, of a parameter around its measurement or the reverse."""

    type: Literal["gaussian_dist", "normal_dist"]
    x: Text | Number
    mean: Text | Number
    sigma: Text | Number


class PoissonPart(_Part):
    type: Literal["poisson_dist"]
    x: Text | Number
    mean: Text | Number


ConstraintPart = Annotated[NormalPart | PoissonPart, Field(discriminator="type")]


class ProductPart(_Part):
    type: Literal["product"]
    factors: Annotated[list[Text | Number], Field(min_length=1)]


Parsed = TypeVar("Parsed")


def parsed(kind: type[Parsed] | Any, raw: Any, *where: Key) -> Parsed:
    """A part of a decoded document, checked.

    Args:
        kind: what it must be.
        raw: the part.
        where: the way to it.

    Raises:
        WorkspaceError: names the first place that does not fit and what to do.
    """
    try:
        return pydantic.TypeAdapter(kind).validate_python(raw)
    except pydantic.ValidationError as error:
        raise WorkspaceError(explain(error, where, raw)) from None
