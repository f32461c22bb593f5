"""Which parameters belong together: by name, by pattern, by kind of modifier."""

import fnmatch

from .._histfactory.model import Model
from .._histfactory.modifiers import AbstractModifier
from .._model.model import AbstractModel


def parameter_group(
    model: AbstractModel, *members: str | type[AbstractModifier]
) -> tuple[str, ...]:
    """The names of the parameters that belong to a group.

    Every call that fits takes the group as frozen by
    `fixed=dict.fromkeys(group, True)`; frozen parameters keep the values of `init`.

    Args:
        model: any model; kinds of modifiers need a `Model`.
        members: names, shell patterns such as `"jes_*"`, and kinds of modifiers such as
            `StatError`, which stand for all parameters with such a modifier.

    Returns:
        Names, in the order of the model.

    Raises:
        ValueError: for a member that no parameter of the model answers to.

    Example:
        >>> from fitkit import NormFactor, ShapeSys, parameter_group
        >>> from fitkit import uncorrelated_background
        >>> model = uncorrelated_background([12.0], [50.0], [3.0])
        >>> parameter_group(model, "mu", ShapeSys)
        ('mu', 'uncorr_bkguncrt')
    """
    found: set[str] = set()
    for member in members:
        names = _answering(model, member)
        if not names:
            said = repr(member) if isinstance(member, str) else member.__name__
            raise ValueError(
                f"`parameter_group`: no parameter answers to {said}. The model has: "
                f"{', '.join(model.parameter_names)}."
            )
        found |= names
    return tuple(name for name in model.parameter_names if name in found)


def _answering(model: AbstractModel, member: str | type[AbstractModifier]) -> set[str]:
    if isinstance(member, str):
        # A name may hold brackets, which a pattern takes for a choice of letters.
        exact = member in model.parameter_names
        return {member} if exact else set(fnmatch.filter(model.parameter_names, member))
    if not isinstance(model, Model):
        return set()
    kind = member.__name__
    return {name for *_, of, name in model.layout.modifiers if of == kind}
