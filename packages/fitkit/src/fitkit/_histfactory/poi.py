"""Which parameters are of interest: names that somebody chose, checked."""

from collections.abc import Mapping, Sequence

from .problem import SpecificationError


def names_of(poi: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of one, of several, or of none."""
    if poi is None:
        return ()
    return (poi,) if isinstance(poi, str) else tuple(poi)


def checked_poi(
    poi: str | Sequence[str] | None, shapes: Mapping[str, tuple[int, ...]]
) -> str | tuple[str, ...] | None:
    """The parameter of interest, several of them as a tuple, or None.

    Args:
        poi: as somebody chose it.
        shapes: of the parameters that there are.

    Raises:
        SpecificationError: for a name that is no scalar parameter, or comes twice.
    """
    names = names_of(poi)
    scalars = [name for name, shape in shapes.items() if shape == ()]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise SpecificationError(
                f"the parameter of interest {name!r} is given twice. Give each once.",
                keys=("poi",),
            )
        if name in scalars:
            continue
        what = f"the parameter of interest {name!r}"
        if name in shapes:
            reason = f"{what} must be a single number, but has one for each bin"
        else:
            reason = f"{what} is no parameter of the model"
        known = f", or one of: {', '.join(scalars)}" if scalars else ""
        raise SpecificationError(
            f"{reason}. Give `poi=None` for a model without one{known}.", keys=("poi",)
        )
    if not names:
        return None
    return names[0] if len(names) == 1 else names
