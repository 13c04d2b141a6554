"""The record: one writer, whole transactions, and refusals that say what to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from golden import copied, described
from sweeps import configured

from gridsearch.errors import LogdirError
from gridsearch.record.database import DATABASE, SCHEMA_VERSION
from gridsearch.record.journal import Journal
from gridsearch.record.reader import Record, read_epochs
from gridsearch.record.recipe import refuse_other_recipe
from gridsearch.system.liveness import boot_id
from gridsearch.trials import Epoch, FailureKind, Outcome, Session, SessionRecord, Status, Trial

X = {"x": {"discrete": [0.25, 0.5, 0.75]}}


RUNNING = Outcome(Status.RUNNING)


def settle(journal: Journal, **tables: object) -> None:
    config = configured(journal.logdir, X, **tables)
    journal.declare(config, config.recipe())


def begin(journal: Journal, x: float = 0.5, *, repeat: int = 0, attempt: int = 1) -> Session:
    with journal.transaction():
        session = Session(journal.plan({"x": x}), repeat, attempt, seed=repeat)
        journal.begin(SessionRecord(session, RUNNING, time.time(), None, delivered=False, boot=boot_id()))
    return session


def end(journal: Journal, session: Session, outcome: Outcome) -> None:
    with journal.transaction():
        journal.end(session.name, outcome, time.time())


GOOD = Outcome(Status.COMPLETED, metrics={"accuracy": 0.5, "seconds": 1.0}, provenance={"host": "here"})


def test_what_was_written_is_read_back(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        session = begin(journal)
        with journal.transaction():
            journal.add_epoch(Epoch(session.name, 0, {"loss": 0.25}, 10.0))
        end(journal, session, GOOD)
    record = Record.read(logdir)
    (trial,) = record.trials
    assert (trial.trial.name, trial.trial.values, trial.status) == ("run-0001", {"x": 0.5}, Status.COMPLETED)
    assert trial.mean("accuracy") == 0.5
    assert trial.sessions[0].outcome.provenance["host"] == "here"
    assert read_epochs(logdir) == {"run-0001": {0: {"loss": 0.25}}}
    assert [hparam.name for hparam in record.hparams] == ["x"]


def test_a_combination_gets_one_number_for_ever(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        with journal.transaction():
            numbers = [journal.plan({"x": x}).number for x in (0.5, 0.25, 0.5)]
        with journal.transaction():
            assert journal.plan({"x": 0.75}).number == 3
    assert numbers == [1, 2, 1]


def test_a_transaction_that_raises_leaves_nothing(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        with contextlib.suppress(ZeroDivisionError), journal.transaction():
            journal.plan({"x": 1 / 0 if journal.plan({"x": 0.5}) else 0.25})
        assert journal.record().trials == ()


def test_a_repeat_cannot_come_to_two_results(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        end(journal, begin(journal), GOOD)
        again = begin(journal, attempt=2)
        with pytest.raises(LogdirError, match="UNIQUE"):
            end(journal, again, GOOD)


def test_a_session_ends_once(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        session = begin(journal)
        end(journal, session, GOOD)
        end(journal, session, Outcome.failed(FailureKind.TIMEOUT, "too late"))
        assert journal.record().sessions[0].status is Status.COMPLETED


def test_sessions_of_a_dead_runner_are_closed_as_interrupted_or_lost_with_their_machine(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        begin(journal, 0.25)
        with journal.transaction():
            elsewhere = Session(journal.plan({"x": 0.5}), 0, 1, 0)
            journal.begin(SessionRecord(elsewhere, RUNNING, time.time(), None, False, boot="before the power cut"))
        closed = journal.close_abandoned()
    assert [(s.name, s.outcome.kind) for s in closed] == [
        ("run-0001", FailureKind.INTERRUPTED),
        ("run-0002", FailureKind.LOST),
    ]


def test_a_session_that_a_dead_runner_left_has_ended_with_the_last_sign_of_life(logdir: Path) -> None:
    long_ago = time.time() - 200_000
    with Journal(logdir) as journal:
        settle(journal)
        with journal.transaction():
            first, second = (Session(journal.plan({"x": x}), 0, 1, 0) for x in (0.25, 0.5))
            journal.begin(SessionRecord(first, RUNNING, long_ago, None, delivered=False, boot=boot_id()))
            journal.begin(SessionRecord(second, RUNNING, long_ago + 100, None, delivered=False, boot=boot_id()))
            journal.add_epoch(Epoch(first.name, 0, {"loss": 1.0}, long_ago + 60))
    with contextlib.closing(sqlite3.connect(logdir / DATABASE)) as database, database:
        database.execute("INSERT INTO runner VALUES (1, 'token', 'here', 7, 0, 'another', '', ?)", (long_ago + 50,))
    with Journal(logdir) as journal:
        closed = journal.close_abandoned()
    assert [round(session.ended - long_ago) for session in closed] == [60, 100]
    assert [round(session.seconds) for session in closed] == [60, 0]
    assert replace(closed[0], outcome=replace(GOOD, metrics={"seconds": 5.0})).seconds == 5.0, "without lying aside"
    failed = Outcome.failed(FailureKind.TIMEOUT, "")
    resumed = replace(closed[0], outcome=failed, resumed=long_ago + 58, trained_before=7.0)
    assert round(resumed.seconds) == 9, "nor did it fail for that long"


def test_only_sessions_that_writers_know_the_end_of_are_left_out_after_a_crash(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        for x in (0.25, 0.5):
            end(journal, begin(journal, x), GOOD)
        with journal.transaction():
            journal.mark_delivered(["run-0001"])
        assert [session.name for session in journal.close_abandoned()] == ["run-0002"]


def test_another_recipe_is_refused_with_every_key_that_differs(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        end(journal, begin(journal), GOOD)
    with Journal(logdir) as journal, pytest.raises(LogdirError) as refusal:
        settle(journal, training={"epochs": 7, "seed": 3})
    assert "training.epochs: recorded 5, now 7" in str(refusal.value)
    assert "training.seed: recorded 0, now 3" in str(refusal.value)


def test_before_anything_is_trained_the_recipe_may_change(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
    with Journal(logdir) as journal:
        settle(journal, training={"epochs": 7})
    assert Record.read(logdir).recipe["training.epochs"] == 7


def test_the_recipe_may_change_as_long_as_nothing_has_come_of_the_other(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        session = begin(journal)
        end(journal, session, Outcome.failed(FailureKind.EXCEPTION, "there is no such function"))
        assert not Record.read(logdir).trained
    with Journal(logdir) as journal:
        settle(journal, training={"epochs": 7})
        with journal.transaction():
            journal.add_epoch(Epoch(session.name, 0, {"loss": 1.0}, 0.0))
        assert Record.read(logdir).trained, "a checkpoint may be of this epoch"
    with Journal(logdir) as journal, pytest.raises(LogdirError, match="another recipe"):
        settle(journal)


def test_an_older_fingerprint_of_names_and_sizes_is_compared_by_these(logdir: Path) -> None:
    now = {"data.fingerprint": "v2:0123:89ab"}
    refuse_other_recipe({"data.fingerprint": "89ab"}, now, (), logdir)
    refuse_other_recipe(now, now, (), logdir)
    for recorded in ("89aa", "v2:0124:89ab"):
        with pytest.raises(LogdirError, match=r"data\.fingerprint: recorded .*: other pictures than those recorded"):
            refuse_other_recipe({"data.fingerprint": recorded}, now, (), logdir)


def test_a_whole_shift_is_another_recipe_than_a_fractional_one(logdir: Path) -> None:
    name = "augmentation.width_shift_range"
    refuse_other_recipe({name: 5}, {name: 5}, (), logdir)
    refuse_other_recipe({name: 0.0}, {name: 0}, (), logdir)
    with pytest.raises(LogdirError, match=r"width_shift_range: recorded 5\.0, now 5\n"):
        refuse_other_recipe({name: 5.0}, {name: 5}, (), logdir)


def test_fingerprints_of_folders_that_only_one_recipe_has_are_not_compared(logdir: Path) -> None:
    recorded = {"data.fingerprint of a and v": "1", "data.fingerprint of b and v": "2"}
    refuse_other_recipe(recorded, {**recorded, "data.fingerprint of c and v": "3"}, (), logdir)
    refuse_other_recipe(recorded, {}, (), logdir)
    with pytest.raises(LogdirError, match=r"data\.fingerprint of b and v: recorded '2', now '3'"):
        refuse_other_recipe(recorded, {"data.fingerprint of b and v": "3"}, (), logdir)


HOLD = """
import sys
from pathlib import Path
from gridsearch.record.journal import Journal
with Journal(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_runner_is_refused_with_the_holder_named_and_a_dead_one_is_succeeded(logdir: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(logdir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LogdirError, match=f"process {holder.pid} on "):
            Journal(logdir)
    finally:
        holder.kill()  # and not waited for yet: a zombie holds nothing
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            Journal(logdir).close()
            break
        except LogdirError:
            time.sleep(0.02)
    else:
        pytest.fail("the lock of a killed process was never given up")
    holder.communicate()


def test_a_second_journal_in_the_same_process_is_refused(logdir: Path) -> None:
    with Journal(logdir), pytest.raises(LogdirError, match=f"process {os.getpid()} on "):
        Journal(logdir)


def test_a_runner_elsewhere_is_believed_while_it_shows_signs_of_life(
    logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(logdir).close()
    file = logdir / DATABASE

    def holder(beat: float) -> None:
        with sqlite3.connect(file) as database:
            database.execute(
                "INSERT OR REPLACE INTO runner VALUES (1, 'token', 'elsewhere', 7, 0, 'boot', '', ?)", (beat,)
            )
        database.close()

    holder(time.time() - 10)
    with pytest.raises(LogdirError, match="process 7 on elsewhere"):
        Journal(logdir)
    holder(time.time() - 1000)
    monkeypatch.setattr("gridsearch.record.lock.WATCH", 0.05)
    said: list[str] = []
    Journal(logdir, said.append).close()
    assert "looking for" in said[0]


def test_a_newer_schema_is_refused_and_left_alone(logdir: Path) -> None:
    Journal(logdir).close()
    database = sqlite3.connect(logdir / DATABASE)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    before = (logdir / DATABASE).read_bytes()
    for attempt in (lambda: Journal(logdir), lambda: Record.read(logdir)):
        with pytest.raises(LogdirError, match="newer gridsearch") as refusal:
            attempt()
        assert f"version {SCHEMA_VERSION + 1}" in str(refusal.value)
    assert (logdir / DATABASE).read_bytes() == before


@pytest.mark.parametrize("damage", ["overwritten", "cut"])
def test_a_damaged_record_is_refused_with_what_can_be_done(logdir: Path, damage: str) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        for n in range(300):
            with journal.transaction():
                journal.plan({"x": n / 1000})
    file = logdir / DATABASE
    content = file.read_bytes()
    file.write_bytes(b"\x5a" * 8192 + content[8192:] if damage == "overwritten" else content[: len(content) // 2])
    with pytest.raises(LogdirError, match=r"\.recover"):
        Journal(logdir)


def test_a_home_that_is_no_directory_or_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for impossible in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/gridsearch"), Path("a\0b")):
        with pytest.raises(LogdirError, match="--logdir"):
            Journal(impossible)


def test_a_directory_with_someone_elses_event_files_is_refused_and_left_alone(logdir: Path) -> None:
    logdir.mkdir(parents=True)
    (logdir / "events.out.tfevents.1.host").write_bytes(b"")
    with pytest.raises(LogdirError, match="not a sweep's"):
        Journal(logdir)
    assert [file.name for file in logdir.iterdir()] == ["events.out.tfevents.1.host"]


@pytest.mark.parametrize(
    "name", ["with space", "a'; echo foo", 'quo"te', "new\nline", "Versüch 🐈", "per%20cent", "a?b#c"]
)
def test_a_home_may_have_any_name(tmp_path: Path, name: str) -> None:
    logdir = tmp_path / name
    with Journal(logdir) as journal:
        settle(journal)
        end(journal, begin(journal), GOOD)
    assert Record.read(logdir).count(Status.COMPLETED) == 1
    assert sorted(file.name for file in logdir.iterdir()) == [DATABASE, f"{DATABASE}-journal", "sweep.lock"]


def test_readers_see_whole_transactions_while_a_runner_writes(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        with journal.transaction():
            journal.plan({"x": 0.5})
            assert Record.read(logdir).trials == ()
        assert len(Record.read(logdir).trials) == 1


def test_there_is_nothing_to_read_where_no_sweep_was(logdir: Path) -> None:
    with pytest.raises(LogdirError, match="gridsearch sweep"):
        Record.read(logdir)
    Journal(logdir).close()
    with pytest.raises(LogdirError, match="no sweep has been recorded here"):
        Record.read(logdir)


def test_trials_are_ranked_by_the_mean_of_their_repeats(logdir: Path) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        for x, scores in ((0.25, (0.9, 0.1)), (0.5, (0.6, 0.6)), (0.75, (0.2,))):
            for repeat, score in enumerate(scores):
                end(journal, begin(journal, x, repeat=repeat), replace(GOOD, metrics={"accuracy": score}))
        failed = begin(journal, 0.9)
        end(journal, failed, Outcome.failed(FailureKind.EXCEPTION, "no"))
    record = Record.read(logdir)
    assert [trial.trial.values["x"] for trial in record.ranked()] == [0.5, 0.25, 0.75]
    assert record.trials[0].deviation("accuracy") == pytest.approx(0.5657, abs=1e-4)
    assert record.trials[2].deviation("accuracy") is None
    assert Trial(1, {}).name == "run-0001"


def test_a_runner_shows_life_whatever_it_is_busy_with(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def beat() -> float:
        with contextlib.closing(sqlite3.connect(logdir / DATABASE)) as database:
            return float(database.execute("SELECT beat FROM runner").fetchone()[0])

    monkeypatch.setattr("gridsearch.record.lock.BEAT_EVERY", 0.02)
    with Journal(logdir) as journal:
        for _ in range(2):
            before, deadline = beat(), time.monotonic() + 10
            while beat() == before:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        with journal.transaction():
            journal.plan({"x": 0.5})
            time.sleep(0.1)  # it waits for what is being written
    assert not any(thread.name == "gridsearch-heartbeat" for thread in threading.enumerate())


def test_a_runner_that_was_taken_over_notices_and_leaves_the_lock_alone(logdir: Path) -> None:
    with Journal(logdir) as frozen:
        settle(frozen)
        database = sqlite3.connect(logdir / DATABASE)
        database.execute("UPDATE runner SET token = 'another', host = 'elsewhere', pid = 7")
        database.commit()
        with pytest.raises(LogdirError, match="another runner has taken over"):
            frozen.prove_lock()
        with pytest.raises(LogdirError, match="another runner has taken over"), frozen.transaction():
            frozen.plan({"x": 0.5})
    assert database.execute("SELECT host FROM runner").fetchone() == ("elsewhere",)
    database.close()


def test_closing_twice_does_nothing(logdir: Path) -> None:
    journal = Journal(logdir)
    journal.close()
    journal.close()


def test_a_record_that_had_no_identity_gets_one_that_stays(logdir: Path) -> None:
    config = configured(logdir, {"x": {"discrete": [0.5]}})
    with Journal(logdir) as journal:
        journal.declare(config, config.recipe())
        with journal.transaction():
            journal.plan({"x": 0.5})
        with contextlib.closing(sqlite3.connect(logdir / DATABASE)) as database, database:
            database.execute("DELETE FROM sweep WHERE key = 'identity'")
        inherited = journal.record().identity
        journal.declare(config, config.recipe())
    assert len(inherited) == 32
    assert Record.read(logdir).identity == inherited


@pytest.mark.parametrize("remains", ["run-0001", "events.out.tfevents.1.host"])
@pytest.mark.parametrize("content", ["no bytes", "no tables"])
def test_an_empty_record_beside_trials_is_damage_and_no_new_sweep(logdir: Path, content: str, remains: str) -> None:
    with Journal(logdir) as journal:
        settle(journal)
        end(journal, begin(journal), GOOD)
    (logdir / remains).mkdir() if remains.startswith("run-") else (logdir / remains).write_bytes(b"")
    file = logdir / DATABASE
    file.unlink()
    if content == "no bytes":
        file.write_bytes(b"")
    else:
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE stray (x)")
    before = file.read_bytes()
    for attempt in (lambda: Journal(logdir), lambda: Record.read(logdir)):
        with pytest.raises(LogdirError, match=f"it is empty, and {remains} lies beside it"):
            attempt()
    assert file.read_bytes() == before
    (logdir / remains).rmdir() if remains.startswith("run-") else (logdir / remains).unlink()
    if content == "no bytes":
        Journal(logdir).close()


def test_an_interrupted_migration_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens in one transaction with taking the lock: what fails in it has changed nothing."""
    logdir = copied("schema_1", tmp_path)
    before = described(logdir)
    monkeypatch.setattr("gridsearch.record.lock.RunnerLock.take", lambda self, database: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Journal(logdir)
    monkeypatch.undo()
    with contextlib.closing(sqlite3.connect(logdir / DATABASE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
    assert described(logdir) == before
    Journal(logdir).close()
    with contextlib.closing(sqlite3.connect(logdir / DATABASE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert described(logdir) == before


def test_a_session_that_ran_under_version_1_is_closed_after_the_migration(tmp_path: Path) -> None:
    """A runner of that version was killed: the row of its lock and its running session are there."""
    logdir = copied("schema_1", tmp_path)
    with contextlib.closing(sqlite3.connect(logdir / DATABASE)) as database, database:
        database.execute("UPDATE session SET status = 'running', ended = NULL, told = 0 WHERE name = 'run-0001'")
        database.execute("INSERT INTO runner VALUES (1, 'a host that is gone', 7, 1.0, 'boot', 2.0)")
    assert not Record.read(logdir).held
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gridsearch.record.lock.WATCH", 0.05)
        with Journal(logdir) as journal:
            closed = {session.name: session for session in journal.close_abandoned()}
    assert closed["run-0001"].outcome.kind in (FailureKind.LOST, FailureKind.INTERRUPTED)


def test_a_combination_is_hashed_once_on_its_way(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridsearch.hparams import combination
    from gridsearch.runner.sweep import sweep

    hashed: list[dict[str, object]] = []
    original = combination.digest_values

    def digest(values: dict[str, object]) -> str:
        hashed.append(values)
        return original(values)  # type: ignore[arg-type]

    monkeypatch.setattr(combination, "digest_values", digest)
    record = sweep(configured(logdir, X, sweep={"workers": 1})).record
    assert record.count(Status.COMPLETED) == 3
    assert sorted(str(values) for values in hashed) == sorted(str(dict(t.trial.values)) for t in record.trials)
