"""Compute gradients of a convolution from behind a pooling, by the numbers that are not zero, compiled by Numba.

A pooling hands the gradient of a maximum to one unit of its window (2 x 2: one in four), a relu stops half of them and
a dropout some more. A convolution by matrix products multiplies the zeros as well. Here each number that is there is
multiplied with the patch of the picture that its unit saw, for the kernel's gradient, and with its channel's kernel,
for the picture's: as much work as there are numbers, in float32. Nothing here knows TensorFlow.

All loops run over flat arrays, made of lines: a row of pixels with the padding around it. A patch is then as many
pieces of lines as the kernel has rows, and so is a kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, uint8, uint32, uint64

__all__ = ["gradients"]

Array = npt.NDArray[Any]
Size = tuple[int, int]

GROUP = 4
"""Numbers of a list that are gone through in one pass over what they are added to."""

CACHE_LINE = 64
"""Bytes; a vector that crosses one takes twice the time to read."""


def compile_kept(function: Any) -> Any:
    """Return a function compiled at its first call, and kept on disk for other processes where possible."""
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:  # neither the folder of this file nor the user's cache can be written
        return njit(**options)(function)
    kept = getattr(compiled, "_cache", None)
    for name in ("load_overload", "save_overload"):
        if hasattr(kept, name):
            setattr(kept, name, _without_errors(getattr(kept, name)))
    return compiled


def _without_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return without exceptions: kept code that is damaged, another user's or finds no room is as good as none."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception:
            return None

    return call


def gradients(
    pictures: Array,
    units: Array,
    highest: Array,
    upstream: Array,
    kernel: Array,
    *,
    before: Size,
    pool: Size,
    threads: int = 1,
    wanted: bool = True,
) -> tuple[Array, Array] | Array:
    """Return the gradients of a convolution's inputs and kernel, from the gradient of the pooling behind it.

    The convolution has stride 1, the pooling moves by its own size and pads nothing. Where several units of a window
    are the highest, the first of them has the gradient.

    Args:
        pictures: inputs, shape (pictures, height, width, channels), float32 or bfloat16 like all others.
        units: what the convolution made of them, shape (pictures, rows, columns, filters), without bias and relu.
        highest: the pooling of the units, shape (pictures, rows // pool[0], columns // pool[1], filters).
        upstream: the gradient of ``highest``, of its shape.
        kernel: shape (kernel's height, its width, channels, filters).
        before: the convolution's padding above and to the left, pixels.
        pool: the window's height and width, units.
        threads: that the pictures are divided among.
        wanted: whether the gradient of ``pictures`` is.

    Returns:
        Gradients of ``pictures``, if it is wanted, and of ``kernel``, of their shapes and dtype, summed in float32.

    Raises:
        ValueError: shapes that do not belong together; what is compiled would not notice.
    """
    pooled = (units.shape[1] // pool[0], units.shape[2] // pool[1])
    if not highest.shape == upstream.shape == (len(pictures), *pooled, kernel.shape[3]):
        raise ValueError(f"units of {units.shape} pooled to {highest.shape}, with a gradient of {upstream.shape}")
    height, width, channels, filters = kernel.shape
    bits = np.dtype(f"u{pictures.dtype.itemsize}")
    shape = (height, width, *before, *pool)
    kernels = as_floats(kernel.transpose(3, 0, 1, 2))
    of_pictures = np.empty(pictures.shape if wanted else (len(pictures), 0, 0, 0), bits)

    def part(where: slice) -> Array:
        of_kernels = as_floats(np.zeros(kernel.size, np.float32))
        seen = (array[where].view(bits) for array in (pictures, units, highest, upstream))
        _backward(*seen, kernels, shape, of_pictures[where], of_kernels)
        return of_kernels

    edges = np.linspace(0, len(pictures), min(threads, len(pictures)) + 1).astype(int)
    parts = [slice(*edge) for edge in pairwise(edges)]
    if len(parts) > 1:
        with ThreadPoolExecutor(len(parts)) as executor:
            found = list(executor.map(part, parts))
    else:
        found = [part(where) for where in parts]
    summed = np.zeros(kernel.size, np.float32)
    for one in found:
        summed += one
    of_kernels = summed.reshape(filters, height, width, channels).transpose(1, 2, 3, 0)
    of_kernel = np.ascontiguousarray(of_kernels.astype(kernel.dtype))
    return (of_pictures.view(pictures.dtype), of_kernel) if wanted else of_kernel


def as_floats(numbers: Array) -> Array:
    """Return a flat copy, float32, that begins at a line of the processor's cache."""
    copy: Array = _allocate_aligned(numbers.size).view(np.float32)
    copy[:] = numbers.reshape(-1)
    return copy


@compile_kept
def _allocate_aligned(size: Any) -> Any:
    """Return zeros, shape (size,), uint32."""
    spare = CACHE_LINE // 4
    zeros = np.zeros(size + spare, np.uint32)
    begin = (-zeros.ctypes.data // 4) % spare
    return zeros[begin : begin + size]


@compile_kept
def _backward(
    pictures: Any,
    units: Any,
    highest: Any,
    upstream: Any,
    kernels: Any,
    shape: tuple[int, int, int, int, int, int],
    of_pictures: Any,
    of_kernels: Any,
) -> None:
    """Compute ``gradients`` of numbers by their bits; ``kernels`` and their gradient by filter, flat, float32."""
    kernel_height, kernel_width, above, left, pool_height, pool_width = shape
    _, height, width, channels = pictures.shape
    _, rows, columns, filters = units.shape
    windows, window, wanted = highest.shape[2], pool_height * pool_width, of_pictures.shape[1] > 0
    line, piece = (columns + kernel_width - 1) * channels, kernel_width * channels
    begin, end = left * channels, (left + width) * channels

    # Where things begin: a filter's kernel, and in the lines of a row of windows a unit's patch, window by window.
    filter_at = np.arange(filters) * kernel_height * piece
    unit_at = np.empty(windows * window, np.int64)
    for unit in range(len(unit_at)):
        y, x = unit % window // pool_width, unit // window * pool_width + unit % pool_width
        unit_at[unit] = y * line + x * channels

    winners = np.empty((windows, filters), np.uint8)
    numbers = np.empty((windows, filters), np.uint32)
    by_filter, by_unit = _lists(filters, windows), _lists(len(unit_at), filters)
    seen = _allocate_aligned((pool_height + kernel_height - 1) * line)
    summed = _allocate_aligned((rows + kernel_height - 1) * line)
    for picture in range(len(pictures)):
        summed[:] = 0
        for row in range(highest.shape[1]):
            top = row * pool_height
            _find(units[picture], highest[picture], row, pool_height, pool_width, winners)
            _widen(upstream[picture, row].reshape(-1), numbers.reshape(-1))
            _sort(winners, numbers.view(np.float32), window, filter_at, unit_at, by_filter, by_unit)
            for d in range(pool_height + kernel_height - 1):
                here = seen[d * line : (d + 1) * line]
                if 0 <= top + d - above < height:
                    _widen(pictures[picture, top + d - above].reshape(-1), here[begin:end])
                else:
                    here[:] = 0
            for f in range(filters):
                _add(of_kernels, filter_at[f], piece, seen.view(np.float32), line, by_filter, f, kernel_height, piece)
            if not wanted:
                continue
            below = summed[top * line :].view(np.float32)
            for unit in range(len(unit_at)):
                _add(below, unit_at[unit], line, kernels, piece, by_unit, unit, kernel_height, piece)
        for y in range(height if wanted else 0):
            start = (y + above) * line
            _narrow(summed[start + begin : start + end], of_pictures[picture, y].reshape(-1))


@compile_kept
def _lists(many: Any, longest: Any) -> Any:
    """Return room for lists: numbers, where that begins which each of them multiplies, and the lengths."""
    room = longest + GROUP
    return np.zeros((many, room), np.float32), np.zeros((many, room), np.int64), np.zeros(many, np.int64)


@compile_kept
def _find(units: Any, highest: Any, row: Any, pool_height: Any, pool_width: Any, winners: Any) -> None:
    """Find which unit of each window of a row is the highest, counted from its left upper one, row by row."""
    last = pool_height * pool_width - 1
    for j in range(winners.shape[0]):
        winners[j] = uint8(last)
        for k in range(last - 1, -1, -1):
            here = units[row * pool_height + k // pool_width, j * pool_width + k % pool_width]
            for f in range(winners.shape[1]):
                winners[j, f] = uint8(k) if here[f] == highest[row, j, f] else winners[j, f]


@compile_kept
def _sort(winners: Any, numbers: Any, window: Any, filter_at: Any, unit_at: Any, by_filter: Any, by_unit: Any) -> None:
    """Put the numbers that are not zero into the lists of their filters and of their units."""
    filter_numbers, patches, filter_counts = by_filter
    unit_numbers, kernels, unit_counts = by_unit
    filter_counts[:] = 0
    unit_counts[:] = 0
    for j in range(uint64(winners.shape[0])):
        for f in range(uint64(winners.shape[1])):
            number, unit = numbers[j, f], j * uint64(window) + uint64(winners[j, f])
            n, m = uint64(filter_counts[f]), uint64(unit_counts[unit])
            filter_numbers[f, n], patches[f, n] = number, unit_at[unit]
            unit_numbers[unit, m], kernels[unit, m] = number, filter_at[f]
            some = number != 0  # counted only then, without a branch: it would be guessed wrong half the time
            filter_counts[f], unit_counts[unit] = n + uint64(some), m + uint64(some)


@compile_kept
def _add(
    target: Any, at: Any, step: Any, source: Any, stride: Any, lists: Any, which: Any, pieces: Any, piece: Any
) -> None:
    """Add to a row of pieces of ``target`` those of ``source`` that a list names, each times its number."""
    numbers, begins, count = lists[0][which], lists[1][which], lists[2][which]
    for extra in range(count, count + GROUP - 1):  # to fill the last group up
        numbers[extra], begins[extra] = 0, begins[0]
    for n in range(0, count, GROUP):
        p, q, r, s = numbers[n], numbers[n + 1], numbers[n + 2], numbers[n + 3]
        a, b, c, d = uint64(begins[n]), uint64(begins[n + 1]), uint64(begins[n + 2]), uint64(begins[n + 3])
        t = uint64(at)
        for _ in range(pieces):
            for k in range(uint64(piece)):
                target[t + k] = (
                    target[t + k] + p * source[a + k] + q * source[b + k] + r * source[c + k] + s * source[d + k]
                )
            a, b, c, d = a + uint64(stride), b + uint64(stride), c + uint64(stride), d + uint64(stride)
            t += uint64(step)


@compile_kept
def _widen(numbers: Any, bits: Any) -> None:
    """Write float32's bits of those of float32 or bfloat16."""
    shift = uint32(32 - 8 * numbers.itemsize)
    for k in range(len(bits)):
        bits[k] = uint32(numbers[k]) << shift


@compile_kept
def _narrow(bits: Any, numbers: Any) -> None:
    """Write those of float32, or of the nearest bfloat16, of float32's bits: of two the even one."""
    if numbers.itemsize == 4:
        for k in range(len(bits)):
            numbers[k] = bits[k]
    else:
        for k in range(len(bits)):
            odd = (bits[k] >> uint32(16)) & uint32(1)
            numbers[k] = (bits[k] + uint32(0x7FFF) + odd) >> uint32(16)
