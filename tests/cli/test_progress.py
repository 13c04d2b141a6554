"""What a sweep says of itself while it runs."""

from __future__ import annotations

from dataclasses import replace

from records import record_of

from gridsearch.cli.progress import ProgressCounts
from gridsearch.hparams.domain import Discrete, HParam
from gridsearch.runner.plan import Plan
from gridsearch.trials import FailureKind, Outcome, Session, SessionRecord, Status, Trial


def test_a_sweep_counts_as_its_sessions_end() -> None:
    tally = ProgressCounts(
        Plan(4, 0, 0, 0, 0), record_of([HParam("x", Discrete([1, 2, 3, 4]))], []), repeats=1, slots=2
    )

    def ended(number: int, outcome: Outcome) -> str:
        session = Session(Trial(number, {"x": number}), 0, 1, 0)
        begun = SessionRecord(session, Outcome(Status.RUNNING), 0.0, None, delivered=False)
        tally.begin(begun)
        tally.end(replace(begun, outcome=outcome, ended=10.0))
        return str(tally)

    completed = Outcome(Status.COMPLETED, metrics={"accuracy": 0.5})
    assert ended(1, completed) == "1 done  0 failed  3 left  eta 15 s  best run-0001 accuracy 0.5000"
    failed = Outcome.failed(FailureKind.EXCEPTION, "it is broken")
    assert ended(2, failed) == "1 done  1 failed  2 left  eta 10 s  best run-0001 accuracy 0.5000"
    stopped = Outcome.failed(FailureKind.INTERRUPTED, "the sweep was stopped", charged=False)
    assert ended(3, stopped) == "1 done  1 failed  2 left  eta 10 s  best run-0001 accuracy 0.5000"
    assert ended(2, completed) == "2 done  0 failed  2 left  eta 10 s  best run-0001 accuracy 0.5000"
