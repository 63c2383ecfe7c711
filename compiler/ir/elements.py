"""Elements of constants as text, to the bit, and back.

A floating number is written with the fewest digits that give the same bits. Where no number does
(a nan with a payload) its bits are written, ``0x7fc00001``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

import ml_dtypes
import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.types import dtype_name

NumpyDType = np.dtype[Any]
_WHOLE: Final = re.compile(r"-?[0-9]{1,40}")
_COMPONENTS: Final[dict[str, NumpyDType]] = {
    "complex64": np.dtype(np.float32),
    "complex128": np.dtype(np.float64),
}
_BOOLS: Final = {"True": True, "False": False}


def array_text(array: Array) -> str:
    """The elements in nested brackets, or the bare element if there are no dimensions."""
    if array.size == 0:
        return "[]"
    if array.ndim == 0:
        return _element_text(array.reshape(1))
    return f"[{', '.join(array_text(np.asarray(array[i])) for i in range(array.shape[0]))}]"


def array_from_texts(texts: Sequence[str], dtype: NumpyDType, shape: Sequence[int]) -> Array:
    """The array of these elements.

    Raises:
        ValueError: an element is not one of this element type; the message says which and why.
    """
    array = np.empty(len(texts), dtype)
    for index, text in enumerate(texts):
        array[index : index + 1] = _element_from_text(text, dtype)
    return array.reshape(tuple(shape))


def _element_text(one: Array) -> str:
    name = one.dtype.name
    if name == "bool":
        return str(bool(one[0]))
    if name.startswith(("int", "uint")):
        return str(int(one[0]))
    if name in _COMPONENTS:
        real, imaginary = one.view(_COMPONENTS[name]).reshape(2, 1)
        return f"complex({_float_text(real)}, {_float_text(imaginary)})"
    return "0" if one.dtype.itemsize == 0 else _float_text(one)


def _float_text(one: Array) -> str:
    value, bits = float(one[0]), one.tobytes()
    for digits in range(1, 18 if math.isfinite(value) else 2):
        text = repr(float(f"{value:.{digits}g}"))
        if _cast(float(text), one.dtype).tobytes() == bits:
            return text
    return f"0x{int.from_bytes(bits, 'little'):0{2 * len(bits)}x}"


def _cast(value: float, dtype: NumpyDType) -> Array:
    with np.errstate(all="ignore"):
        return np.array([value], np.float64).astype(dtype)


def _element_from_text(text: str, dtype: NumpyDType) -> Array:
    name = dtype.name
    if name == "bool":
        return _bool_from_text(text)
    if name.startswith(("int", "uint")):
        return _int_from_text(text, dtype)
    if name in _COMPONENTS:
        return _complex_from_text(text, dtype)
    return np.zeros(1, dtype) if dtype.itemsize == 0 else _float_from_text(text, dtype)


def _bool_from_text(text: str) -> Array:
    if text not in _BOOLS:
        raise ValueError(f"{text} is not a bool")
    return np.array([_BOOLS[text]])


def _int_from_text(text: str, dtype: NumpyDType) -> Array:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text} is not a {dtype_name(dtype)}")
    value, limits = int(text), ml_dtypes.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise ValueError(f"{text} does not fit in {dtype_name(dtype)}")
    return np.array([value]).astype(dtype)


def _complex_from_text(text: str, dtype: NumpyDType) -> Array:
    inside = text.removeprefix("complex(").removesuffix(")").split(", ")
    if not text.startswith("complex(") or len(inside) != 2:
        raise ValueError(f"{text} is not a {dtype_name(dtype)}")
    parts = [_float_from_text(part, _COMPONENTS[dtype.name]) for part in inside]
    return np.concatenate(parts).view(dtype)


def _float_from_text(text: str, dtype: NumpyDType) -> Array:
    if text.startswith("0x"):
        return _float_from_bits(text, dtype)
    if text in _BOOLS:
        raise ValueError(f"{text} is not a {dtype_name(dtype)}")
    array = _cast(float(text), dtype)
    if text not in ("inf", "-inf", "nan") and not math.isfinite(float(array[0])):
        raise ValueError(f"{text} does not fit in {dtype_name(dtype)}")
    return array


def _float_from_bits(text: str, dtype: NumpyDType) -> Array:
    digits = text.removeprefix("0x")
    if len(digits) != 2 * dtype.itemsize:
        raise ValueError(
            f"{text} does not have the {2 * dtype.itemsize} digits of {dtype_name(dtype)}"
        )
    data = int(digits, 16).to_bytes(dtype.itemsize, "little")
    return np.frombuffer(data, dtype)
