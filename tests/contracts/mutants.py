"""Deliberately wrong strategies, executors and writers: one fault each, which its contract suite must notice.

A pytest plugin: ``MUTANT=NAME pytest -p contracts.mutants ...`` puts the fault in before anything is collected. Faults
are put into the shipped classes, so that the suites run unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Args:
        suite: the contract suite that must notice it.
        select: a ``-k`` expression: the kinds of the suite that the faulty class is of.
        apply: puts the fault in.
    """

    suite: str
    select: str
    apply: Callable[[], None]


def repeats_a_combination() -> None:
    """Make the grid forget what has a trial already."""
    from gridsearch.strategies.grid import GridStrategy

    _replace(GridStrategy, "tell", lambda original: lambda self, trial: None)


def never_exhausted() -> None:
    """Make the grid begin again at its end."""
    from gridsearch.strategies.grid import GridStrategy

    def ask(original: Any) -> Any:
        def asked(self: Any) -> Any:
            found = original(self)
            if found is None:
                self._rest = iter(self._space)
                return next(self._rest)
            return found

        return asked

    _replace(GridStrategy, "ask", ask)


def skips_the_last() -> None:
    """Make the grid end one combination too early."""
    from gridsearch.strategies.grid import GridStrategy

    def ask(original: Any) -> Any:
        def asked(self: Any) -> Any:
            found = original(self)
            return None if found == self._space[-1] else found

        return asked

    _replace(GridStrategy, "ask", ask)


def leaves_the_space() -> None:
    """Make random search propose values beyond the ends of intervals."""
    from gridsearch.hparams.combination import Combination
    from gridsearch.strategies.random import RandomStrategy

    def ask(original: Any) -> Any:
        def asked(self: Any) -> Any:
            found = original(self)
            beyond = {name: value * 10 if type(value) is float else value for name, value in (found or {}).items()}
            return found and Combination(beyond)

        return asked

    _replace(RandomStrategy, "ask", ask)


def ends_twice() -> None:
    """Make the inline executor report each end twice."""
    from gridsearch.executors.inline import InlineExecutor
    from gridsearch.trials import Ended

    def collect(original: Any) -> Any:
        def collected(self: Any, seconds: float) -> Any:
            return [twice for one in original(self, seconds) for twice in [one] * (1 + isinstance(one, Ended))]

        return collected

    _replace(InlineExecutor, "collect", collect)


def reverses_epochs() -> None:
    """Make the inline executor report epochs in reverse."""
    from gridsearch.executors.inline import InlineExecutor

    def collect(original: Any) -> Any:
        return lambda self, seconds: [*reversed((found := original(self, seconds))[:-1]), *found[-1:]]

    _replace(InlineExecutor, "collect", collect)


def loses_a_failure() -> None:
    """Make the inline executor call a failure a success."""
    from gridsearch.executors.inline import InlineExecutor
    from gridsearch.trials import Ended, Status

    def collect(original: Any) -> Any:
        def collected(self: Any, seconds: float) -> Any:
            return [
                Ended(one.session, replace(one.outcome, status=Status.COMPLETED, kind=None))
                if isinstance(one, Ended)
                else one
                for one in original(self, seconds)
            ]

        return collected

    _replace(InlineExecutor, "collect", collect)


def leaves_workers_behind() -> None:
    """Make the process executor forget to end its workers."""
    from gridsearch.executors.processes import ProcessExecutor

    _replace(ProcessExecutor, "close", lambda original: lambda self: self.workers.clear())


def writes_no_end() -> None:
    """Make TensorBoard's writer forget the end of a session."""
    from gridsearch.writers.tensorboard.events import EventsWriter

    def end(original: Any) -> Any:
        def ended(self: Any, session: Any) -> None:
            self._begun.pop(session.name, None)

        return ended

    _replace(EventsWriter, "end", end)


def writes_failures_as_success() -> None:
    """Make TensorBoard's writer call every end a success."""
    from gridsearch.trials import Status
    from gridsearch.writers.tensorboard.events import EventsWriter

    def end(original: Any) -> Any:
        return lambda self, session: original(
            self, replace(session, outcome=replace(session.outcome, status=Status.COMPLETED, kind=None))
        )

    _replace(EventsWriter, "end", end)


def drops_a_metric() -> None:
    """Make TensorBoard's writer leave the last metric out."""
    from gridsearch.writers.tensorboard.events import EventsWriter

    def end(original: Any) -> Any:
        def ended(self: Any, session: Any) -> None:
            fewer = dict(list(session.outcome.metrics.items())[:-1])
            original(self, replace(session, outcome=replace(session.outcome, metrics=fewer)))

        return ended

    _replace(EventsWriter, "end", end)


def mixes_sessions_up() -> None:
    """Make TensorBoard's writer write every session into one directory."""
    from gridsearch.writers.tensorboard.events import EventsWriter

    def begin(original: Any) -> Any:
        def begun(self: Any, session: Any) -> None:
            original(self, session)
            first = next(iter(self._begun.values()))
            self._begun[session.name] = first

        return begun

    _replace(EventsWriter, "begin", begin)


def _replace(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    setattr(owner, name, make(getattr(owner, name)))


STRATEGIES, EXECUTORS, WRITERS = "test_strategies.py", "test_executors.py", "test_writers.py"

MUTANTS = {
    "repeats_a_combination": Mutant(STRATEGIES, "[grid]", repeats_a_combination),
    "never_exhausted": Mutant(STRATEGIES, "[grid]", never_exhausted),
    "skips_the_last": Mutant(STRATEGIES, "[grid]", skips_the_last),
    "leaves_the_space": Mutant(STRATEGIES, "[random]", leaves_the_space),
    "ends_twice": Mutant(EXECUTORS, "[inline]", ends_twice),
    "reverses_epochs": Mutant(EXECUTORS, "[inline]", reverses_epochs),
    "loses_a_failure": Mutant(EXECUTORS, "inline", loses_a_failure),
    "leaves_workers_behind": Mutant(EXECUTORS, "[processes] and epochs", leaves_workers_behind),
    "writes_no_end": Mutant(WRITERS, "tensorboard", writes_no_end),
    "writes_failures_as_success": Mutant(WRITERS, "tensorboard", writes_failures_as_success),
    "drops_a_metric": Mutant(WRITERS, "tensorboard", drops_a_metric),
    "mixes_sessions_up": Mutant(WRITERS, "tensorboard", mixes_sessions_up),
}


def pytest_configure() -> None:
    """Put the fault in that the environment names."""
    if name := os.environ.get("MUTANT"):
        MUTANTS[name].apply()
