"""LightGBM's margins of few rows by its C interface: `Booster.predict` takes 0.1 ms to call it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.engines._imports import import_lean
from automl.features.matrix import FloatArray

FEW_ROWS: Final = 64
# LightGBM's C interface (c_api.h): kinds of cells, and raw scores.
_KINDS: Final = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}
_RAW_SCORE = 1
_PARAMETERS: Final = b"num_threads=1"


@cache
def _library() -> Any:
    return getattr(import_lean("lightgbm").basic, "_LIB", None)


def has_direct_call(model: Any) -> bool:
    """Whether this release has the interface where it is looked for."""
    return hasattr(model, "_handle") and hasattr(_library(), "LGBM_BoosterPredictForMat")


def few_margins(
    model: Any, values: FloatArray, n_trees: int, n_outputs: int
) -> NDArray[np.float64]:
    """(n, k) raw scores of (n, p) cells of either precision, as `predict` gives them.

    Raises LightGBMError.
    """
    if not (values.flags.c_contiguous or values.flags.f_contiguous):
        values = np.ascontiguousarray(values)
    margin = np.empty((len(values), n_outputs))
    n_written = ctypes.c_int64(0)
    status = _library().LGBM_BoosterPredictForMat(
        model._handle,
        ctypes.c_void_p(values.ctypes.data),
        ctypes.c_int(_KINDS[values.dtype]),
        ctypes.c_int32(values.shape[0]),
        ctypes.c_int32(values.shape[1]),
        ctypes.c_int(1 if values.flags.c_contiguous else 0),
        ctypes.c_int(_RAW_SCORE),
        ctypes.c_int(0),
        ctypes.c_int(n_trees),
        ctypes.c_char_p(_PARAMETERS),
        ctypes.byref(n_written),
        ctypes.c_void_p(margin.ctypes.data),
    )
    if status != 0 or n_written.value != margin.size:
        reason = _library().LGBM_GetLastError
        reason.restype = ctypes.c_char_p
        text = (reason() or b"no reason given").decode("utf-8", "replace")
        raise import_lean("lightgbm").basic.LightGBMError(text)
    return margin
