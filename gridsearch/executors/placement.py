"""Choose how many workers there are, on which GPU and with how many threads each.

With GPUs: one worker for each. Without: one worker per processor with one thread each, because two processes of one
thread trained 1.2 times as fast as one process of two when this was decided, but no more than memory allows; the
processors are then shared out, so that none is idle. It depends on the machine alone and not on what is left to train:
sums come out the same in the last digit only with the same number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridsearch.errors import UserError
from gridsearch.system.hardware import gpus as visible_gpus
from gridsearch.system.hardware import memory_available, processors

__all__ = ["Place", "choose_places"]

MEMORY_OF_A_WORKER = 4 * 2**30
"""Bytes: what the default network takes with Adam and 512 units, with something to spare."""


@dataclass(frozen=True)
class Place:
    """Where one worker trains.

    Args:
        threads: of arithmetic, 1 or more.
        gpu: as ``CUDA_VISIBLE_DEVICES`` names it; "" for none where there are some; None where there is none to hide.
    """

    threads: int = 1
    gpu: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment that libraries of arithmetic look at when they are loaded."""
        arithmetic = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        settings = dict.fromkeys(arithmetic, str(self.threads))
        if self.gpu is not None:
            settings["CUDA_VISIBLE_DEVICES"] = self.gpu or "-1"
        if self.gpu:  # memory as it is needed, not nine tenths of the GPU at once: another worker may share it
            settings |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        return settings


def choose_places(workers: int | None = None, threads: int | None = None, gpus: int | None = None) -> list[Place]:
    """Return the places of a sweep's workers.

    Args:
        workers: how many; None decides by the rule above. More workers than GPUs share them.
        threads: of each; None decides.
        gpus: how many to use; None uses all.

    Raises:
        UserError: more GPUs are wanted than there are.
    """
    found = [gpu.index for gpu in visible_gpus()]
    if gpus is not None and gpus > len(found):
        cure = "Leave sweep.gpus out to use those there are, or look at CUDA_VISIBLE_DEVICES and nvidia-smi."
        raise UserError(f"{gpus} GPUs are wanted, {len(found)} can be used", where="sweep.gpus", cure=cure)
    used = found if gpus is None else found[:gpus]
    if used:
        count = workers or len(used)
        each = threads or max(1, processors() // count)
        return [Place(each, used[number % len(used)]) for number in range(count)]
    fitting = min(processors() // (threads or 1), memory_available() // MEMORY_OF_A_WORKER)
    count = workers or max(1, fitting)
    return [Place(threads or max(1, processors() // count), "" if found else None)] * count
