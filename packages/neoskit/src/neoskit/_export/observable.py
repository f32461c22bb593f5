"""A trained observable as a file that scores events without neoskit.

The same function of the features is written as StableHLO, which jax runs, and as ONNX,
which many programs in many languages run: the observable's value and the hard bin of
each event, traced, so that an observable of one's own is written like any other.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._custom_types import Features, PerEvent
from .._pipeline import AbstractPipeline, CrossFit, Pipeline
from .._templates import Binning, Categories

Outputs = dict[str, Array]
"""`score` where the observable has a value, `weight` where it selects, and `bin`."""

# Where a file may be run that was written here.
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def portable(pipeline: AbstractPipeline) -> Callable[..., Outputs]:
    """What is exported: features → score and hard bin of each event.

    Args:
        pipeline: trained, with the bins that numbers are quoted from.

    Returns:
        A function of the features `[events, features]` and, for a `CrossFit`, of the
        fold `[events]` that each event is in. `bin` counts from 0 and is −1 for an
        event that is in none.
    """
    if isinstance(pipeline, CrossFit):
        parts = [_of_one(fold) for fold in pipeline.folds]

        def of_fold(features: Features, fold: Int[Array, " events"]) -> Outputs:
            # All folds score all events, as `CrossFit` does; each event keeps its own.
            every = [part(features) for part in parts]
            return {
                name: _chosen([outputs[name] for outputs in every], fold)
                for name in every[0]
            }

        return of_fold
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"A {type(pipeline).__name__} has no one observable to write; a `Pipeline` "
            "and a `CrossFit` have."
        )
    return _of_one(pipeline)


def _chosen(values: Sequence[Array], fold: Int[Array, " events"]) -> Array:
    chosen = values[0]
    for number, value in enumerate(values[1:], start=1):
        chosen = jnp.where(fold == number, value, chosen)
    return chosen


def _of_one(pipeline: Pipeline) -> Callable[[Features], Outputs]:
    observable, binning = pipeline.observable, pipeline.binning
    # Now, while they are numbers: they are rounded to the value's precision.
    edges = np.asarray(pipeline.edges) if isinstance(binning, Binning) else None

    def outputs(features: Features) -> Outputs:
        scored = observable(features, None)
        if edges is not None and isinstance(binning, Binning):
            bins = _bin(scored.value, edges, binning.flow)
        elif isinstance(binning, Categories):
            bins = jnp.argmax(scored.membership, axis=-1)
        else:  # selected events are counted in one bin
            bins = jnp.zeros(features.shape[0], jnp.int32)
        given: Outputs = {}
        if scored.value is not None:
            given["score"] = jnp.asarray(scored.value)
        if scored.weight is not None:
            given["weight"] = jnp.asarray(scored.weight)
            bins = jnp.where(scored.weight > 0, bins, -1)
        return {**given, "bin": jnp.asarray(bins, jnp.int32)}

    return outputs


def _bin(value: PerEvent, edges: Float[np.ndarray, " edges"], flow: str) -> PerEvent:
    """The hard bin of each value, as `relaxed.hard_hist` counts it."""
    # The edges are float64 and the value need not be. In the value's own precision an
    # edge that is rounded up lets the same values reach it, and for the closed end of
    # the last bin one that is rounded down.
    low = _rounded(edges, value.dtype, up=True)
    (last,) = _rounded(edges[-1:], value.dtype, up=False)
    place = (value[:, None] >= low[None, :-1]).sum(axis=1) - 1
    if flow == "clip":
        return jnp.clip(place, 0, len(edges) - 2)
    return jnp.where(value <= last, place, -1)


def _rounded(
    edges: Float[np.ndarray, " edges"], dtype: Any, *, up: bool
) -> Float[np.ndarray, " edges"]:
    near = edges.astype(dtype)
    wrong = near < edges if up else near > edges
    towards = np.asarray(np.inf if up else -np.inf, dtype)
    return np.where(wrong, np.nextafter(near, towards), near)


def export_stablehlo(
    folder: str | Path, pipeline: AbstractPipeline, features: Sequence[str]
) -> Path:
    """Write the observable as StableHLO, with an example that needs jax alone.

    The folder gets `observable.stablehlo`, `observable.json`, which says what goes in
    and what comes out, and `score.py`, which scores a table of events with the two. A
    file takes any number of events, on CPU and GPU, and can be read by later versions
    of jax for at least six months.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        pipeline: trained, with the bins that numbers are quoted from.
        features: their names, in the order of the columns:
            `dataset.feature_names`.

    Returns:
        The path of `observable.stablehlo`.

    Raises:
        ValueError: the observable cannot be traced for features of these names.

    References:
        docs.jax.dev, "Exporting and serializing staged-out computations".
    """
    (events,) = jax.export.symbolic_shape("events")
    exported = jax.export.export(jax.jit(portable(pipeline)), platforms=_PLATFORMS)(
        *(
            jax.ShapeDtypeStruct((events, *shape), dtype)
            for _, shape, dtype in _inputs(pipeline, features)
        )
    )
    file = _folder(folder) / "observable.stablehlo"
    file.write_bytes(exported.serialize())
    _describe(file, pipeline, features, "score.py")
    return file


def export_onnx(
    folder: str | Path, pipeline: AbstractPipeline, features: Sequence[str]
) -> Path:
    """Write the observable as ONNX, with an example that needs onnxruntime alone.

    The folder gets `observable.onnx`, `observable.json` and `score_onnx.py`, as of
    `export_stablehlo`. The file computes in float32, also what the observable computes
    in float64.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        pipeline: trained, with the bins that numbers are quoted from.
        features: their names, in the order of the columns.

    Returns:
        The path of `observable.onnx`.

    Raises:
        RuntimeError: jax2onnx is not installed (the extra `neoskit[onnx]`), does not
            know this version of jax, or has no translation for something that an
            observable of one's own does.
    """
    try:
        import jax2onnx
    except ImportError as error:
        raise RuntimeError(
            f"ONNX needs `{error.name}`. Install it with: pip install 'neoskit[onnx]'."
        ) from None
    # onnxruntime has no operation for float32 and float64 together.
    pipeline = _in_float32(pipeline)
    inputs = _inputs(pipeline, features)
    function, names = portable(pipeline), outputs_of(pipeline, features)
    try:
        model = jax2onnx.to_onnx(
            lambda *arrays: tuple(function(*arrays)[name] for name in names),
            [
                jax.ShapeDtypeStruct(("events", *shape), dtype)
                for _, shape, dtype in inputs
            ],
            input_names=[name for name, _, _ in inputs],
            output_names=list(names),
            model_name="observable",
        )
    except NotImplementedError as error:
        raise RuntimeError(
            f"jax2onnx cannot write this observable: {error}. `export_stablehlo` can."
        ) from error
    except (AttributeError, ImportError) as error:
        # It knows jax's insides, which a newer jax may not have any more.
        version = importlib.metadata.version("jax2onnx")
        raise RuntimeError(
            f"jax2onnx {version} does not work with jax {jax.__version__}: {error}. "
            "Write the ONNX file with an earlier jax, or a later jax2onnx; "
            "`export_stablehlo` needs neither."
        ) from error
    file = _folder(folder) / "observable.onnx"
    file.write_bytes(model.SerializeToString())
    _describe(file, pipeline, features, "score_onnx.py")
    return file


def _in_float32(pipeline: AbstractPipeline) -> AbstractPipeline:
    def cast(part: PyTree) -> PyTree:
        return jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float32) if eqx.is_inexact_array(x) else x,
            part,
        )

    if isinstance(pipeline, CrossFit):
        return eqx.tree_at(
            lambda p: [fold.observable for fold in p.folds],
            pipeline,
            [cast(fold.observable) for fold in pipeline.folds],
        )
    return eqx.tree_at(lambda p: p.observable, pipeline, replace_fn=cast)


def outputs_of(
    pipeline: AbstractPipeline, features: Sequence[str]
) -> dict[str, jax.ShapeDtypeStruct]:
    """What the exported function returns for one event, by name."""
    one = [jax.ShapeDtypeStruct((1, *s), t) for _, s, t in _inputs(pipeline, features)]
    return jax.eval_shape(portable(pipeline), *one)


def _inputs(
    pipeline: AbstractPipeline, features: Sequence[str]
) -> list[tuple[str, tuple[int, ...], Any]]:
    """Name, shape of one event and type of each argument."""
    arguments: list[tuple[str, tuple[int, ...], Any]] = [
        ("features", (len(features),), jnp.float32)
    ]
    if isinstance(pipeline, CrossFit):
        arguments.append(("fold", (), jnp.int32))
    return arguments


def _folder(folder: str | Path) -> Path:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _describe(
    file: Path, pipeline: AbstractPipeline, features: Sequence[str], example: str
) -> None:
    """What goes into the file and comes out of it, and an example that does it."""
    folds = len(pipeline.folds) if isinstance(pipeline, CrossFit) else None
    description = {
        "features": list(features),
        "outputs": list(outputs_of(pipeline, features)),
        "edges": np.asarray(pipeline.edges).tolist() if pipeline.binned else None,
        "folds": folds,
        "partition": pipeline.partition if isinstance(pipeline, CrossFit) else None,
        "written_by": {
            name: importlib.metadata.version(name) for name in ("neoskit", "jax")
        },
    }
    where = file.with_name("observable.json")
    known = json.loads(where.read_text("utf-8")) if where.exists() else {}
    # The digests of the files beside it stay: each tells a file from a later one.
    digests = known.get("sha256", {})
    digests[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    text = json.dumps({**description, "sha256": digests}, indent=1, ensure_ascii=False)
    where.write_text(text + "\n", encoding="utf-8")
    source = Path(__file__).with_name("examples") / f"{example}.txt"
    file.with_name(example).write_text(source.read_text("utf-8"), encoding="utf-8")
