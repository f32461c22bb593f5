"""Which parameters belong together: by name, by pattern, by kind of modifier."""

from .._histfactory.block_model import BlockModel
from .._histfactory.model import Model
from .._histfactory.modifiers import AbstractModifier
from .._model.model import AbstractModel
from .._model.parameters import matching


def parameter_group(
    model: AbstractModel, *members: str | type[AbstractModifier]
) -> tuple[str, ...]:
    """The names of the parameters that belong to a group.

    `model.with_fixed(*group)` freezes the group at its starts, and
    `model.with_init(best.params).with_fixed(*group)` at its best fit.

    Args:
        model: any model; kinds of modifiers need a `Model` or a `BlockModel`.
        members: names, shell patterns such as `"jes_*"`, and kinds of modifiers such as
            `StatError`, which stand for all parameters with such a modifier.

    Returns:
        Names, in the order of the model. Factors that are profiled come last: they are
        fixed by `Model.with_factors`.

    Raises:
        ValueError: for a member that means no parameter of the model.

    Example:
        >>> from fitkit import NormFactor, ShapeSys, parameter_group
        >>> from fitkit import uncorrelated_background
        >>> model = uncorrelated_background([12.0], [50.0], [3.0])
        >>> parameter_group(model, "mu", ShapeSys)
        ('mu', 'uncorr_bkguncrt')
    """
    names = (*model.parameter_names, *model.profiled_names)
    chosen: set[str] = set()
    for member in members:
        if isinstance(member, str):
            chosen |= set(matching(member, names, "parameter_group", "parameter"))
            continue
        of_kind = _of_kind(model, member)
        if not of_kind:
            raise ValueError(
                f"`parameter_group`: no parameter has a modifier {member.__name__}. "
                f"The model has: {', '.join(names)}."
            )
        chosen |= of_kind
    # Each once, though several members may mean it.
    return tuple(name for name in names if name in chosen)


def _of_kind(model: AbstractModel, kind: type[AbstractModifier]) -> set[str]:
    # Only a HistFactory model has modifiers, and tells which parameter belongs to each.
    match model.underlying:
        case Model() as whole:
            parts: tuple[Model, ...] = (whole,)
        case BlockModel(parts=parts):
            pass
        case _:
            parts = ()
    return {
        name
        for part in parts
        for *_, of, name in part.layout.modifiers
        if of == kind.__name__
    }
