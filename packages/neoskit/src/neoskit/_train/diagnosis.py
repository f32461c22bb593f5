"""Why a step could not be made: in words, and in which process and bin if it is one."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from .._custom_types import Scalar
from .._events import Dataset
from .._gradient import AnyObjective, TrainingModel, needs_model
from .._gradient.loss import Sums, sums, value
from .._pipeline import Pipeline
from .._templates import Scores, Template, Templates
from .stage import Stage

_CAUSES = (
    "Usual causes: a bin without background (give `Measurement(floor=...)`, use fewer "
    "bins or a larger bandwidth), too large a learning rate, an objective that may be "
    "negative (`logarithm=False`)."
)


def where(number: int, count: int, stage: Stage, step: int) -> str:
    """A step of one stage among some, from 0."""
    if count == 1:
        return f"step {step}"
    return f"step {step} of stage {number + 1}, {stage.name}"


def why(
    where: str, objective: float, bandwidth: Scalar, stage: Stage, place: str
) -> str:
    """What is said of a step that could not be made.

    Args:
        where: which step.
        objective: its value before the step.
        bandwidth: of the step.
        stage: that it belongs to.
        place: where among channels, processes and bins; empty where it is not known.
    """
    if not bandwidth > 0:
        return (
            f"Training stopped at {where}: `Stage(bandwidth=...)` must be positive; "
            f"got {float(bandwidth):.4g}. `anneal` falls to a bandwidth and never to 0."
        )
    logarithm = stage.logarithm and needs_model(stage.objective)
    if np.isfinite(objective) and (objective > 0 or not logarithm):
        what = (
            "the gradient is not finite, or the parameters that it leads to "
            f"(objective {objective:.4g}"
        )
    elif logarithm:
        what = (
            f"the logarithm of the objective does not exist (objective {objective:.4g}"
        )
    else:
        what = f"the objective is not finite ({objective}"
    return (
        f"Training stopped at {where}: {what}, bandwidth {bandwidth:.3g}). "
        f"{place and place + ' '}The parameters are those before this step, in the "
        f"exception's `training`. {_CAUSES}"
    )


def locate(
    pipeline: Pipeline,
    dataset: Dataset,
    objective: AnyObjective,
    model_of: TrainingModel | None,
) -> str:
    """A sentence that names process and bin where a step fails; empty if it is none.

    Looked for from the events on: what the observable says of them, their templates,
    what the model expects, the derivative by each bin of each template.

    Args:
        pipeline: before the step, with its bandwidth.
        dataset: the events of the step.
        objective: of the stage, with all that it trains.
        model_of: makes the model that it sees, if it sees one.
    """
    said = _scores(pipeline.scores(dataset))
    if said or model_of is None:
        return said
    summed = sums(pipeline, dataset, objective)
    said = _yields(summed.templates, "is {value}")
    return (
        said
        or _expected(summed.templates, model_of)
        or _yields(
            _by_templates(summed, objective, model_of),
            "has the derivative {value} of the objective",
        )
    )


def _scores(scores: Scores) -> str:
    for key, scored in scores.items():
        for said in scored:
            if said is None:
                continue
            finite = np.isfinite(np.asarray(said))
            wrong = ~finite.reshape(len(finite), -1).all(axis=1)
            if wrong.any():
                shift = f" ({key.shift})" if key.shift else ""
                return (
                    f"What the observable says is not finite for {wrong.sum()} of "
                    f"{wrong.size} events of the process {key.process!r}{shift} in the "
                    f"channel {key.channel!r}."
                )
    return ""


def _yields(templates: Templates, problem: str) -> str:
    """The first bin of a template that is not finite."""
    for channel, processes in templates.items():
        for name, process in processes.items():
            of: dict[str, Template] = {"": process.nominal}
            for shift, (up, down) in process.variations.items():
                of |= {f" ({shift}:up)": up, f" ({shift}:down)": down}
            for shift, template in of.items():
                for bins in (template.yields, template.variance):
                    found = _first_wrong(bins)
                    if found is not None:
                        said = problem.format(value=np.asarray(bins)[found])
                        return (
                            f"Channel {channel!r}, process {name!r}{shift}, bin "
                            f"{found}: it {said}."
                        )
    return ""


def _first_wrong(values: Float[Array, " bins"] | None) -> int | None:
    if values is None:
        return None
    wrong = np.flatnonzero(~np.isfinite(np.asarray(values)))
    return int(wrong[0]) if wrong.size else None


def _expected(templates: Templates, model_of: TrainingModel) -> str:
    model = model_of(templates)
    none = {model_of.measurement.poi: jax.numpy.zeros(())}
    background = model.expected_data({**model.init, **none}).main
    both = model.expected_data(model.init).main
    for channel, yields in background.items():
        empty = (np.asarray(yields) <= 0) & (np.asarray(both[channel]) > 0)
        if empty.any():
            found = int(np.flatnonzero(empty)[0])
            return (
                f"Channel {channel!r}, bin {found}: "
                f"{float(both[channel][found]):.3g} signal events and no background."
            )
    return ""


def _by_templates(
    summed: Sums, objective: AnyObjective, model_of: TrainingModel
) -> Templates:
    """The derivative of the objective by every bin of every template."""

    @eqx.filter_jit
    @eqx.filter_grad
    def derivative(templates: Templates) -> Scalar:
        changed = eqx.tree_at(lambda s: s.templates, summed, templates)
        return value(changed, objective, model_of)

    return derivative(jax.tree.map(jax.numpy.asarray, summed.templates))
