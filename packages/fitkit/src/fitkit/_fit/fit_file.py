"""The file of a stored fit: arrays by name and a few words, without any pickle."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._numerics.bordered_matrix import Blocks, Bordered, Frame, Order
from .stationarity import Stationarity

_FORMAT, _VERSION = "fit of fitkit", 1
_ABOUT = "about"


def write_fit(
    path: str | Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]
) -> None:
    """Write the file, in NumPy's format `.npz`.

    Args:
        path: the file; its name is not changed.
        arrays: by name.
        about: what JSON can say.
    """
    words = json.dumps({"format": _FORMAT, "version": _VERSION} | dict(about))
    with Path(path).open("wb") as file:  # given a name, NumPy adds an ending
        np.savez(file, **{_ABOUT: np.array(words)}, **arrays)


def read_fit(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the words of a file.

    Raises:
        ValueError: for what is no stored fit.
    """
    try:
        # Opened here, for NumPy leaves open what it cannot read.
        with (
            Path(path).open("rb") as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"cannot read {str(path)!r}: {reason}.") from None
    # What NumPy and zip raise for other files, and for broken ones.
    except (
        *(AttributeError, EOFError, KeyError, TypeError, ValueError, RecursionError),
        *(NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
        *(MemoryError, OverflowError, SyntaxError),
    ) as error:
        raise ValueError(
            f"{path} is no stored fit ({type(error).__name__}). Give a file that "
            "`FitResult.save` wrote."
        ) from None
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is no stored fit. Give a file that `FitResult.save` wrote."
        )
    if about.get("version") != _VERSION:
        raise ValueError(
            f"{path} was stored by another version of fitkit "
            f"({about.get('fitkit', 'unknown')}). Fit again."
        )
    return arrays, about


def packed(matrix: np.ndarray) -> np.ndarray:
    """The lower triangle of a symmetric matrix, row by row: half of the numbers."""
    return matrix[np.tril_indices(len(matrix))]


def unpacked(triangle: np.ndarray, size: int) -> np.ndarray:
    """The inverse of `packed`."""
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = triangle
    return matrix + np.tril(matrix, -1).T


def arrays_of_masks(held: Stationarity) -> dict[str, np.ndarray]:
    """The masks of a minimum by name."""
    return {f"at_{name}": np.asarray(mask) for name, mask in held._asdict().items()}


def masks_of(arrays: Mapping[str, np.ndarray]) -> Stationarity:
    """The inverse of `arrays_of_masks`."""
    return Stationarity(*(arrays[f"at_{name}"] for name in Stationarity._fields))


def arrays_of_curvature(matrix: Bordered) -> dict[str, np.ndarray]:
    """The blocks of a matrix that are there, by name."""
    arrays = {f"hessian_{name}": x for name, x in matrix.blocks._asdict().items()}
    if matrix.frame is not None:
        arrays["hessian_wide"] = matrix.frame.wide
        order = matrix.frame.order._asdict()
        arrays |= {f"order_{name}": x for name, x in order.items()}
    return {name: np.asarray(x) for name, x in arrays.items() if x is not None}


def curvature_of(arrays: Mapping[str, np.ndarray]) -> Bordered:
    """The inverse of `arrays_of_curvature`."""
    blocks = Blocks(
        arrays["hessian_border"],
        *(arrays.get(f"hessian_{name}") for name in Blocks._fields[1:]),
    )
    if "order_inner" not in arrays:
        return Bordered(blocks)
    order = Order(*(arrays[f"order_{name}"] for name in Order._fields))
    return Bordered(blocks, Frame(order, arrays.get("hessian_wide")))
