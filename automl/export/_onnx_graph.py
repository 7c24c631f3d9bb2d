"""A graph of ONNX operators under construction, and the door to the packages `onnx*`."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.errors import ConfigError

OPSETS: Final = {"": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
# Older ones know these operators, too, but cannot load trees with many splits by sets in time: for
# each code of a set they copy all that hangs below the split.
LEAST_RUNTIME: Final = "1.24.4"
_IR_VERSION: Final = 10
# Operators that are not ONNX's own; onnxruntime brings those of "com.microsoft" along.
_DOMAINS: Final = {
    "LabelEncoder": "ai.onnx.ml",
    "TreeEnsemble": "ai.onnx.ml",
    "Tokenizer": "com.microsoft",
}

Array = NDArray[Any]


def library(name: str) -> Any:
    """The package `onnx` or `onnxruntime`; ConfigError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"The export to ONNX needs the package {name!r}, which cannot be imported: {error}.",
            hint='Install it: pip install "automl[onnx]".',
        ) from error


class Graph:
    """Operators in the order in which they are computed; equal ones are made once.

    A value is known by its name, a str. Arrays given as inputs become constants.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        """names: those that the user sees, which no inner value may have."""
        self._onnx = library("onnx")
        self._prefix = ""
        while any(name.startswith(self._prefix + "v") for name in names):
            self._prefix += "_"
        self._domains = {""}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._made: dict[tuple[Any, ...], tuple[str, ...]] = {}

    def input(self, name: str, dtype: type) -> str:
        """A column of the user's: (rows, 1) cells of this type."""
        info = self._onnx.helper.make_tensor_value_info(name, self._type(dtype), ["rows", 1])
        self._inputs.append(info)
        return name

    def output(self, name: str, value: str, dtype: type, *more: int) -> None:
        """Give `value`, (rows, *more), to the user under this name."""
        shape = ["rows", *more]
        info = self._onnx.helper.make_tensor_value_info(name, self._type(dtype), shape)
        self._outputs.append(info)
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))

    def op(self, kind: str, *inputs: str | Array | float, **attributes: Any) -> str:
        """The first output of an operator."""
        return self.ops(kind, *inputs, n_outputs=1, **attributes)[0]

    def ops(
        self, kind: str, *inputs: str | Array | float, n_outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """All outputs of an operator. Floats count as float64; arrays may be attributes too."""
        values = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        key = (kind, *values, *((n, _frozen(v)) for n, v in sorted(attributes.items())))
        if key not in self._made:
            outputs = tuple(f"{self._prefix}v{len(self._made)}_{i}" for i in range(n_outputs))
            made = {name: self._attribute(value) for name, value in attributes.items()}
            domain = _DOMAINS.get(kind, "")
            node = self._onnx.helper.make_node(kind, values, list(outputs), domain=domain, **made)
            self._domains.add(domain)
            self._nodes.append(node)
            self._made[key] = outputs
        return self._made[key]

    def constant(self, array: Array | float) -> str:
        """The name of a constant."""
        array = np.asarray(array)
        key = _frozen(array)
        if key not in self._constants:
            self._constants[key] = self._tensor(array, f"{self._prefix}vc{len(self._constants)}")
        name: str = self._constants[key].name
        return name

    def cast(self, value: str, dtype: type) -> str:
        """`value` as another type."""
        return self.op("Cast", value, to=int(self._type(dtype)))

    def single(self, value: str) -> str:
        """Float64 `value` rounded to what float32 holds, as float64."""
        return self.cast(self.cast(value, np.float32), np.float64)

    def beside(self, values: Sequence[str]) -> str:
        """(rows, n) of n columns, which are (rows, 1) or wider."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def below_first(self, value: str) -> str:
        """All rows but the first."""
        return self.op("Slice", value, np.array([1]), np.array([1 << 62]), np.array([0]))

    def model(self, facts: Mapping[str, str], producer: tuple[str, str]) -> bytes:
        """The file: the graph with its metadata. producer: name and version of who made it."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, "automl", self._inputs, self._outputs, [*self._constants.values()]
        )
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid(name, OPSETS[name]) for name in sorted(self._domains)
            ],
            ir_version=_IR_VERSION,
            producer_name=producer[0],
            producer_version=producer[1],
        )
        helper.set_model_props(model, dict(facts))
        self._onnx.checker.check_model(model)
        written: bytes = model.SerializeToString(deterministic=True)
        return written

    def _attribute(self, value: Any) -> Any:
        return self._tensor(value, "") if isinstance(value, np.ndarray) else value

    def _type(self, dtype: type) -> int:
        if dtype is str:
            return int(self._onnx.TensorProto.STRING)
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _tensor(self, array: Array, name: str) -> Any:
        if array.dtype.kind in "OU":
            texts = [str(text).encode("utf-8", "surrogatepass") for text in array.ravel()]
            return self._onnx.helper.make_tensor(name, self._type(str), array.shape, texts)
        return self._onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)


def _frozen(value: Any) -> Any:
    """Something that stands for `value` in a key."""
    if isinstance(value, np.ndarray):
        cells = tuple(value.ravel().tolist()) if value.dtype.kind in "OU" else value.tobytes()
        return value.dtype.str, value.shape, cells
    return tuple(value) if isinstance(value, list) else value
