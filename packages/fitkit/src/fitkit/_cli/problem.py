"""From the options to a model and its data."""

import dataclasses
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any, final

from .names import Mistake, finite, interval, matching, splits
from .options import Choice, Input, Settings
from .source import check_name, chosen_point, read_source

_FIX = "NAME or NAME=VALUE, such as lumi or lumi=1.02"
_INIT = "NAME=VALUE, such as mu=0.5"
_BOUNDS = "NAME=LOW:HIGH, such as mu=-5:5"


@final
@dataclasses.dataclass(frozen=True)
class Problem:
    """A model and its data.

    Attributes:
        measurements: the names of those there are, each with its parameter of interest.
        model: with all that the options say of it.
        data: observed or expected.
    """

    measurements: list[dict[str, str]]
    model: Any
    data: Any


def read_problem(
    given: Input, choice: Choice, settings: Settings | None = None
) -> Problem:
    """Read the document that the options name, and make what they say of it.

    Raises:
        Mistake: for an option that does not fit.
        WorkspaceError: for a document that cannot be used.
    """
    source = read_source(given)
    if (foreign := source.foreign) is not None:
        import fitkit

        poi = fitkit.UNSET if choice.poi is None else choice.poi
        model, data = foreign.read(choice.measurement, poi, choice.reading())
        return Problem(foreign.measurements(), *_chosen(model, data, choice, settings))
    document = source.patched(chosen_point(source, given.point))
    return of_document(source.name, document, choice, settings)


def of_document(
    name: str, document: Any, choice: Choice, settings: Settings | None = None
) -> Problem:
    """The problem that a decoded document poses."""
    import fitkit

    try:
        for option, wanted, what in (
            ("--measurement", choice.measurement, "measurement"),
            ("--poi", choice.poi, "parameter"),
        ):
            if wanted is not None:
                check_name(option, wanted, document, what)
        model, data = fitkit.read_workspace(
            document,
            measurement=choice.measurement,
            poi=fitkit.UNSET if choice.poi is None else choice.poi,
            **choice.reading(),
        )
    except fitkit.WorkspaceError as error:
        raise fitkit.WorkspaceError(f"{name}: {error}") from None
    measurements = [
        {"name": m["name"], "poi": m["config"]["poi"]} for m in document["measurements"]
    ]
    return Problem(measurements, *_chosen(model, data, choice, settings))


def stored_fit(path: Path | None, problem: Problem) -> Any:
    """The fit of a file, None for none.

    Raises:
        ValueError: for a fit of another model, of other options or to other data.
    """
    import fitkit

    if path is None:
        return None
    return fitkit.FitResult.load(path, problem.model, problem.data)


def chosen_model(
    model: Any, *, mask: Collection[str] | None, settings: Settings | None
) -> Any:
    """The model with its masks, and with what holds in all fits.

    Raises:
        Mistake: for an unknown name, or what cannot be parsed.
    """
    masked = matching("--mask", mask, model.channel_names, "channel")
    return (model if settings is None else with_settings(model, settings)).with_masked(
        *masked
    )


def _chosen(
    model: Any, data: Any, choice: Choice, settings: Settings | None
) -> tuple[Any, Any]:
    """The model and the data that the options make of the document's."""
    import numpy as np

    import fitkit

    if choice.postfit and choice.asimov is None:
        raise Mistake("--postfit is about expected data: give --asimov MU too.")
    blind = chosen_model(model, mask=choice.mask, settings=settings)
    if choice.asimov is None:
        # Whoever forgets the mask finds that there is nothing to see.
        nothing = {n: data.main[n] * np.nan for n in blind.masked_channels}
        return blind, fitkit.Data({**data.main, **nothing}, data.aux)
    require_poi(model, "--asimov", free=False)
    # Nominal data do not know what a fit fixes: `--asimov 1 --fix jes=1` shows how far
    # the fixed parameter pulls the others away.
    if choice.postfit:
        expected = fitkit.asimov_data(blind, choice.asimov, data)
    else:
        expected = fitkit.asimov_data(model, choice.asimov)
    # What is expected is known in all channels: none of them is masked any more.
    return chosen_model(model, mask=None, settings=settings), expected


def with_settings(model: Any, settings: Settings) -> Any:
    """The model with what `--fix`, `--free`, `--init` and `--bounds` say.

    Raises:
        Mistake: for an unknown parameter, or what cannot be parsed.
    """
    # `--fix` comes last: it may name a start that `--init` gives.
    for text in settings.free or ():
        model = model.with_free(*_entries("--free", text, model))
    for text in settings.init or ():
        names, value = _assignment("--init", text, model, _INIT)
        model = model.with_init(dict.fromkeys(names, finite("--init", value, _INIT)))
    for text in settings.bounds or ():
        names, value = _assignment("--bounds", text, model, _BOUNDS)
        ends = interval("--bounds", value, _BOUNDS)
        model = model.with_bounds(dict.fromkeys(names, ends))
    for text in settings.fix or ():
        # A name may hold `=`: the whole text is looked up before it is split.
        try:
            model = model.with_fixed(*_entries("--fix", text, model))
        except Mistake:
            if "=" not in text:
                raise
            names, value = _assignment("--fix", text, model, _FIX)
            values = dict.fromkeys(names, finite("--fix", value, _FIX))
            model = model.with_fixed(values)
    return model


def _entries(option: str, pattern: str, model: Any) -> list[str]:
    """Parameters, or single ones of their entries, that a name or a pattern means."""
    names: Collection[str] = model.parameter_names
    # Without brackets a pattern means parameters, which are fewer than their entries.
    if pattern not in names and "[" in pattern:
        names = list(dict.fromkeys([*names, *entries(model)]))
    return matching(option, [pattern], names, "parameter")


def _assignment(option: str, text: str, model: Any, way: str) -> tuple[list[str], str]:
    """The parameters and the value of `NAME=VALUE`; a name may hold `=` itself."""
    for name, value in splits(text):
        return _entries(option, name, model), value
    raise Mistake(f"{option} {text!r}: write {option} {way}.")


def entries(model: Any) -> list[str]:
    """Every single number among the parameters: `mu`, `gamma[0]`."""
    from .._model.parameters import entry_names

    return entry_names(model.parameter_shapes)


def entries_meant(option: str, patterns: list[str] | None, model: Any) -> list[str]:
    """The entries that names and patterns mean, all of a parameter per bin by its name.

    A fixed one is meant only where it is named: `'*'` is all that are fitted.
    """
    names, fixed = entries(model), model.parameter_vectors().fixed
    free = [name for name, no in zip(names, fixed, strict=True) if not no]
    meant: list[str] = []
    for pattern in patterns or ():
        if pattern in model.parameter_names and pattern not in names:
            meant += names[model.parameter_shapes.places[pattern]]
        else:
            meant += matching(
                option, [pattern], names if pattern in names else free, "parameter"
            )
    return list(dict.fromkeys(meant))


def require_poi(model: Any, command: str, *, free: bool = True) -> None:
    """See that there is a parameter of interest, and that it can be tested.

    Args:
        model: what was read.
        command: for the message.
        free: whether the best fit has to move it.

    Raises:
        Mistake: with the option that helps.
    """
    if len(model.pois) > 1:
        raise Mistake(
            f"{command} is about one parameter of interest, and the model has "
            f"{', '.join(model.pois)}. Choose one with --poi."
        )
    if model.poi is None:
        from .._model.parameters import hint

        scalars = [name for name, shape in model.parameter_shapes.items() if not shape]
        raise Mistake(
            f"{command} needs a parameter of interest, and the model has none. Choose "
            f"one with --poi. {hint('mu', scalars)}"
        )
    place = model.parameter_shapes.places[model.poi]
    if free and model.parameter_vectors().fixed[place].any():
        raise Mistake(
            f"{command} compares with the best fit of the parameter of interest, and "
            f"{model.poi!r} is fixed. Free it with --free {shlex.quote(model.poi)}."
        )
