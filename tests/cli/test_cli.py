"""The command line as its users meet it: exit status, where things are printed, and what a mistake is answered."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from gridsearch.record.reader import Record
from gridsearch.trials import FailureKind, Status

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent

NUMBERS = """
[hparams]
x = { discrete = [0.25, 0.5, 0.75] }
[model]
objective = "objectives:numbers"
[sweep]
executor = "inline"
"""
BEHAVING = NUMBERS.replace("x = { discrete = [0.25, 0.5, 0.75] }", 'behaviour = { discrete = ["fine", "raises"] }')
BEHAVING = BEHAVING.replace("numbers", "behaving")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a sweep of quick objectives."""
    shutil.copy(TESTS / "objectives.py", tmp_path)
    (tmp_path / "sweep.toml").write_text(NUMBERS)
    return tmp_path


def gridsearch(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridsearch", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, timeout=120)


def pictures(folder: Path, *, count: int = 4, classes: tuple[str, ...] = ("cat", "dog")) -> None:
    for part in ("train", "validation"):
        for n, name in enumerate(classes):
            for index in range(count):
                file = folder / "data" / part / name / f"{name}.{index}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (12, 10), (60 * n, 10 * index, 0)).save(file)


def test_a_sweep_prints_its_leaderboard_on_stdout_and_one_line_a_trial_on_stderr(folder: Path) -> None:
    done = gridsearch(folder, "sweep")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["trial", "run-0003", "run-0002", "run-0001"]
    lines = [line for line in done.stderr.splitlines() if line.startswith("run-")]
    assert len(lines) == 3
    assert "[3 done  0 failed  0 left  best run-0003 accuracy 0.7500]" in lines[-1]


def test_the_same_command_again_says_there_is_nothing_left_to_do(folder: Path) -> None:
    gridsearch(folder, "sweep")
    again = gridsearch(folder, "sweep")
    assert again.returncode == 0
    assert "nothing left to do: 3 combinations: 3 completed, 0 failed, 0 new" in again.stderr


def test_a_sweep_with_a_failed_trial_ends_with_1_and_names_its_log(folder: Path) -> None:
    (folder / "sweep.toml").write_text(BEHAVING)
    done = gridsearch(folder, "sweep")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-3]
    assert line.startswith("run-0002 failed (exception): RuntimeError: out of learning")
    assert "Traceback" in (folder / line.split()[-1]).read_text()
    assert "Traceback" not in done.stderr


def test_results_can_be_read_by_programs(folder: Path) -> None:
    swept = json.loads(gridsearch(folder, "sweep", "--json").stdout)
    assert swept["plan"]["completed"] == 3
    assert [trial["values"] for trial in swept["trials"]] == [{"x": 0.75}, {"x": 0.5}, {"x": 0.25}]
    facts = swept["trials"][0]["sessions"][0]["facts"]
    assert {"host", "pid", "python", "command", "git_commit", "gridsearch"} <= set(facts)
    logdir = "logs/hparam_tuning"
    assert json.loads(gridsearch(folder, "status", logdir, "--json").stdout)["best"][0]["trial"] == "run-0003"
    assert len(json.loads(gridsearch(folder, "best", logdir, "--top", "2", "--json").stdout)) == 2
    planned = json.loads(gridsearch(folder, "plan", "--json").stdout)
    assert [row["status"] for row in planned["combinations"]] == ["completed"] * 3


def test_a_plan_writes_nothing(folder: Path) -> None:
    done = gridsearch(folder, "plan", "--set", "hparams.y={discrete=[1, 2]}")
    assert done.returncode == 0
    assert "6 combinations: 0 completed, 0 failed, 6 new" in done.stdout
    assert not (folder / "logs").exists()


def test_a_plan_of_a_million_million_combinations_is_a_plan_like_any_other(folder: Path) -> None:
    domains = "\n".join(f"h{n} = {{ discrete = {list(range(10))} }}" for n in range(12))
    (folder / "huge.toml").write_text(f"[hparams]\n{domains}\n[model]\nobjective = 'objectives:numbers'\n")
    done = gridsearch(folder, "plan", "huge.toml", "--rows", "2")
    assert "1,000,000,000,000 combinations: 0 completed, 0 failed, 1,000,000,000,000 new" in done.stdout
    assert "... and 999,999,999,998 more" in done.stdout


def test_status_shows_the_best_and_the_failed(folder: Path) -> None:
    (folder / "sweep.toml").write_text(BEHAVING)
    gridsearch(folder, "sweep")
    done = gridsearch(folder, "status")
    assert "2 combinations: 1 completed, 1 failed, 0 new" in done.stdout
    assert "best     run-0001  accuracy 0.5000  behaviour=fine" in done.stdout
    assert "failed   run-0002  exception: RuntimeError: out of learning" in done.stdout


def refused(folder: Path, *arguments: str, words: str) -> str:
    """A command that must end with 2, no traceback, and nothing written to the default log directory."""
    done = gridsearch(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert words in done.stderr
    assert not (folder / "logs").exists()
    return done.stderr


def test_a_sweep_file_that_is_not_there_is_refused(folder: Path) -> None:
    refused(folder, "sweep", "missing.toml", words="missing.toml: there is no such sweep file")


def test_a_mistake_in_the_sweep_file_is_told_with_file_key_and_cure(folder: Path) -> None:
    refused(
        folder, "sweep", "--set", "data.image_sise=64", words="data.image_sise: unknown key; did you mean 'image_size'?"
    )


def write_default(folder: Path) -> None:
    shutil.copy(ROOT / "sweep.toml", folder)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda data: shutil.rmtree(data), "data/train"),
        (lambda data: shutil.rmtree(data / "validation"), "data/validation"),
        (lambda data: shutil.rmtree(data / "train" / "dog"), "class"),
        (lambda data: (data / "validation" / "dog").rename(data / "validation" / "wolf"), "wolf"),
        (lambda data: [file.unlink() for file in (data / "train" / "cat").iterdir()], "cat"),
        (lambda data: (data / "train" / "cat" / "cat.0.jpg").write_bytes(b""), "cat.0.jpg"),
        (lambda data: (data / "train" / "cat" / "cat.0.jpg").write_bytes(b"not a picture"), "cat.0.jpg"),
        (lambda data: None, "batch"),
    ],
    ids=[
        "missing",
        "no validation",
        "one class",
        "other classes",
        "empty",
        "zero bytes",
        "no picture",
        "batch too large",
    ],
)
def test_bad_pictures_are_refused_before_any_training(folder: Path, harm: Any, words: str) -> None:
    write_default(folder)
    pictures(folder, count=4 if words == "batch" else 20)
    harm(folder / "data")
    refused(folder, "sweep", words=words)


def test_a_picture_cut_short_and_one_of_absurd_size_are_refused(folder: Path) -> None:
    write_default(folder)
    pictures(folder, count=20)
    file = folder / "data" / "train" / "cat" / "cat.1.jpg"
    file.write_bytes(file.read_bytes()[:-40])
    refused(folder, "sweep", words="cat.1.jpg")
    header = Image.new("1", (8, 8))
    huge = folder / "data" / "train" / "cat" / "cat.1.bmp"
    file.unlink()
    header.save(huge)
    content = bytearray(huge.read_bytes())
    content[18:26] = (50_000).to_bytes(4, "little") * 2
    huge.write_bytes(content)
    refused(folder, "sweep", words="cat.1.bmp")


def test_a_log_directory_that_cannot_be_written_is_refused(folder: Path) -> None:
    (folder / "file").write_text("in the way")
    refused(folder, "sweep", "--logdir", "file", words="--logdir")
    assert (folder / "file").read_text() == "in the way"


def test_widening_nine_combinations_to_twelve_trains_exactly_three(folder: Path) -> None:
    trainings = folder / "trainings"
    grid = "x = { discrete = [0.25, 0.5, 0.75] }\nwidth = { discrete = [1, 2, 3] }"
    (folder / "sweep.toml").write_text(NUMBERS.replace("x = { discrete = [0.25, 0.5, 0.75] }", grid))
    gridsearch(folder, "sweep", TRAININGS=str(trainings))
    assert len(trainings.read_text().split()) == 9
    wider = "hparams.x={ discrete = [0.25, 0.5, 0.75, 1.0] }"
    assert "12 combinations: 9 completed, 0 failed, 3 new" in gridsearch(folder, "plan", "--set", wider).stdout
    assert gridsearch(folder, "sweep", "--set", wider, TRAININGS=str(trainings)).returncode == 0
    assert trainings.read_text().split()[9:] == ["1.0"] * 3


def test_a_sweep_is_found_by_its_file_by_argument_and_by_option(folder: Path) -> None:
    assert gridsearch(folder, "sweep", "--set", "sweep.trials=1").returncode == 0
    assert gridsearch(folder, "sweep", "--logdir", "logs/other").returncode == 0
    rows = {("best",): 1, ("best", "logs/other"): 3, ("best", "--logdir", "logs/other"): 3}
    for arguments, count in rows.items():
        assert len(json.loads(gridsearch(folder, *arguments, "--json").stdout)) == count, arguments
    for arguments, words in (
        (("best", "logs/other", "--logdir", "logs"), "two log directories: logs/other and --logdir logs"),
        (("tensorboard", "--logdir", "nowhere"), "nowhere: no sweep has been recorded here"),
        (("tensorboard", "nowhere", "--port", "0"), "nowhere: no sweep has been recorded here"),
    ):
        told = gridsearch(folder, *arguments)
        assert told.returncode == 2
        assert words in told.stderr
    (folder / "sweep.toml").write_text(NUMBERS + 'logdir = "logs/other"\n')
    assert len(json.loads(gridsearch(folder, "best", "--json").stdout)) == 3
    for broken in ('sweep = "no table"', "[sweep", "[sweep]\nlogdir = 3\n"):
        (folder / "sweep.toml").write_text(broken)
        assert len(json.loads(gridsearch(folder, "best", "--json").stdout)) == 1


def test_a_plan_lists_what_it_counts(folder: Path) -> None:
    (folder / "sweep.toml").write_text(BEHAVING)
    gridsearch(folder, "sweep")

    def listed(*arguments: str) -> tuple[list[str], dict[str, int]]:
        plan = json.loads(gridsearch(folder, "plan", "--json", *arguments).stdout)
        return [row["status"] for row in plan["combinations"]], plan["plan"]

    assert listed()[0] == ["completed", "failed"]
    assert listed("--retry-failed")[0] == ["completed", "unfinished"]
    rows, counted = listed("--set", "training.repeats=2")
    assert rows == ["unfinished", "unfinished"]
    assert (counted["completed"], counted["failed"], counted["unfinished"]) == (0, 0, 2)


def test_a_plan_says_how_long_each_is_trained_as_far_as_that_is_known(folder: Path) -> None:
    pictures(folder)
    text = "[hparams]\nlearning_rate = { discrete = [0.1] }\n"
    for more, words in (
        ("", "each trained for 5 epochs; the log directory is"),
        ("epochs = { discrete = [2, 3] }\n", "\nthe log directory is"),
        ("[sweep]\npruner = 'halving'\n", "each trained for at most 5 epochs; the log directory is"),
    ):
        (folder / "sweep.toml").write_text(text + more)
        assert words in gridsearch(folder, "plan").stdout


def test_another_goal_is_refused_once_models_and_best_epochs_were_chosen_by_the_first(folder: Path) -> None:
    gridsearch(folder, "sweep")
    for verb in ("sweep", "plan"):
        done = gridsearch(folder, verb, "--set", "sweep.goal='min'")
        assert done.returncode == 2
        assert "sweep.goal: recorded 'max', now 'min'" in done.stderr


def test_another_recipe_is_refused_with_the_key_named(folder: Path) -> None:
    gridsearch(folder, "sweep")
    done = gridsearch(folder, "sweep", "--set", "training.epochs=9")
    assert done.returncode == 2
    assert "training.epochs: recorded 5, now 9" in done.stderr
    assert Record.read(folder / "logs" / "hparam_tuning").count(Status.COMPLETED) == 3


@pytest.mark.parametrize("verb", ["status", "best", "check", "tensorboard"])
def test_commands_that_read_say_where_there_is_nothing_to_read(folder: Path, verb: str) -> None:
    refused(folder, verb, "nowhere", words="nowhere: no sweep has been recorded here")


def test_a_second_sweep_on_the_same_directory_is_refused_and_ctrl_c_ends_the_first_in_order(folder: Path) -> None:
    (folder / "sweep.toml").write_text(NUMBERS.replace('executor = "inline"', "workers = 1"))
    command = [sys.executable, "-m", "gridsearch", "sweep"]
    env = {**os.environ, "EPOCH_SECONDS": "120"}
    first = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    logdir = folder / "logs" / "hparam_tuning"
    deadline = time.monotonic() + 60
    while not list(logdir.glob("run-0001/train/*")):
        assert time.monotonic() < deadline, "the first trial never began"
        time.sleep(0.05)
    second = gridsearch(folder, "sweep")
    assert second.returncode == 2
    assert f"process {first.pid} on " in second.stderr
    assert "running  run-0001" in gridsearch(folder, "status").stdout
    workers = psutil.Process(first.pid).children(recursive=True)
    assert workers
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=60)  # half an epoch: it does not wait for the end of one
    assert first.returncode == 130
    assert b"the same command goes on from here" in told
    assert not [worker for worker in workers if worker.is_running()]
    assert Record.read(logdir).sessions[0].outcome.kind is FailureKind.INTERRUPTED
    assert gridsearch(folder, "sweep").returncode == 0


def test_the_sample_is_drawn_and_checked(folder: Path) -> None:
    write_default(folder)
    done = gridsearch(folder, "data", "sample", "--train", "32", "--validation", "4")
    assert done.returncode == 0, done.stderr
    assert "all 36 pictures can be trained on" in gridsearch(folder, "data", "check").stdout
    assert "nothing to do" in gridsearch(folder, "data", "sample", "--train", "32", "--validation", "4").stdout


def test_a_folder_of_pictures_is_prepared(folder: Path) -> None:
    pictures(folder, count=10)
    (folder / "data" / "train").rename(folder / "mine")
    shutil.rmtree(folder / "data")
    (folder / "mine" / "cat" / "cat.0.jpg").write_bytes(b"broken")
    done = gridsearch(folder, "data", "prepare", "mine")
    assert done.returncode == 0, done.stderr
    assert "wrote 19 pictures, in data" in done.stdout
    assert "cat.0.jpg" in done.stderr


def test_an_archive_that_is_not_the_one_that_was_meant_is_refused(folder: Path) -> None:
    (folder / "mine.zip").write_bytes(b"another")
    refused = gridsearch(folder, "data", "prepare", "mine.zip", "--sha256", "0" * 64)
    assert refused.returncode == 2
    assert f"mine.zip: has the SHA-256 digest {hashlib.sha256(b'another').hexdigest()}" in refused.stderr
    assert "is not a SHA-256 digest" in gridsearch(folder, "data", "prepare", "mine.zip", "--sha256", "0").stderr


def test_the_check_looks_at_every_folder_and_batch_size_that_is_swept(folder: Path) -> None:
    pictures(folder)
    shutil.copytree(folder / "data" / "train", folder / "other")
    (folder / "sweep.toml").write_text(
        'hparams.train = { discrete = ["data/train", "other"] }\nhparams.batch_size = { discrete = [2, 4] }\n'
    )
    checked = gridsearch(folder, "data", "check")
    assert checked.returncode == 0, checked.stderr
    assert "other and data/validation" in checked.stdout
    too_large = gridsearch(folder, "data", "check", "--set", "hparams.batch_size.discrete=[2, 400]")
    assert (too_large.returncode, "a batch of 400" in too_large.stderr) == (2, True), too_large.stderr
    next((folder / "other" / "cat").iterdir()).write_bytes(b"broken")
    assert gridsearch(folder, "data", "check").returncode == 2
    (folder / "sweep.toml").write_text('hparams.x = { discrete = [1] }\nmodel.objective = "objectives:numbers"\n')
    assert "without pictures" in gridsearch(folder, "data", "check").stdout


def test_a_function_that_is_not_there_is_told_before_anything_is_trained(folder: Path) -> None:
    for named, problem in {
        "objectives:nubmers": "model.objective: module 'objectives' has no function 'nubmers'\n  Did you mean "
        "objectives:numbers?",
        "obejctives:numbers": "model.objective: there is no module 'obejctives' in",
        "broken:numbers": "broken.py is not Python: ",
    }.items():
        (folder / "broken.py").write_text("def numbers(:\n")
        (folder / "sweep.toml").write_text(f'hparams.x = {{ discrete = [1] }}\nmodel.objective = "{named}"\n')
        for verb in ("plan", "sweep"):
            refused = gridsearch(folder, verb)
            assert refused.returncode == 2, refused.stdout
            assert problem in refused.stderr
    assert not (folder / "logs").exists()


def test_python_starts_a_sweep_without_a_main_guard(folder: Path) -> None:
    """Workers are not started by running the user's script again."""
    (folder / "mine.py").write_text(
        "from pathlib import Path\n"
        "import gridsearch\n"
        "config = gridsearch.SweepConfig(\n"
        "    hparams=[gridsearch.HParam('x', gridsearch.Discrete([0.25, 0.5]))],\n"
        "    model={'objective': 'objectives:numbers'}, sweep={'workers': 2})\n"
        "print(gridsearch.sweep(config).plan)\n"
    )
    done = subprocess.run([sys.executable, "mine.py"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.stdout == "2 combinations: 2 completed, 0 failed, 0 new\n", done.stderr


def test_a_reader_that_leaves_does_not_end_the_sweep(folder: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m gridsearch sweep 2>&1 | head -n 1"
    subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, timeout=60)
    assert Record.read(folder / "logs" / "hparam_tuning").count(Status.COMPLETED) == 3


@pytest.mark.parametrize("name", ["Versüch 🐈", 'quo"te', "back\\slash"])
def test_a_log_directory_of_any_name_is_taken_as_it_is(folder: Path, name: str) -> None:
    assert gridsearch(folder, "sweep", "--logdir", f"logs/{name}").returncode == 0
    assert [path.name for path in (folder / "logs").iterdir()] == [name]


def test_a_sweep_that_was_cut_off_is_not_said_to_run(folder: Path) -> None:
    command = [sys.executable, "-m", "gridsearch", "sweep"]
    env = {**os.environ, "EPOCH_SECONDS": "30"}
    cut = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)
    logdir = folder / "logs" / "hparam_tuning"
    deadline = time.monotonic() + 60
    while not list(logdir.glob("run-0001/train/*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    cut.kill()
    cut.wait()
    said = gridsearch(folder, "status", "--watch").stdout
    assert "cut off  run-0001" in said
    assert "no runner is at work" in said


def test_a_repeat_that_failed_is_named_with_its_own_log(folder: Path) -> None:
    (folder / "fickle.py").write_text(
        "import random\n"
        "def train(values, report):\n"
        "    if random.random() > 0.8: raise RuntimeError('bad luck')\n"
        "    return {'accuracy': values['x']}\n"
    )
    text = NUMBERS.replace("objectives:numbers", "fickle:train").replace("[0.25, 0.5, 0.75]", "[0.5]")
    (folder / "sweep.toml").write_text(text + "[training]\nrepeats = 2\n")
    done = gridsearch(folder, "sweep", "--json")
    assert done.returncode == 1
    assert "run-0001 failed (exception): RuntimeError: bad luck" in done.stderr.splitlines()[-3]
    assert len(json.loads(done.stdout)["trials"]) == 1


def test_importance_says_what_matters_and_refuses_in_words(folder: Path) -> None:
    (folder / "sweep.toml").write_text(NUMBERS.replace("0.75]", '0.75, 0.9] }\nside = { discrete = ["l", "r"]'))
    gridsearch(folder, "sweep")
    logdir = "logs/hparam_tuning"
    told = gridsearch(folder, "importance", logdir).stdout
    assert "accuracy over 8 trials: random forest of 64 trees" in told
    assert told.splitlines()[2].split()[::2] == ["x", "+1.000"]
    found = json.loads(gridsearch(folder, "importance", logdir, "--json").stdout)
    assert (found["n"], list(found["shares"])) == (8, ["x", "side"])
    assert found["variance"]["effects"][0]["share"] == pytest.approx(1.0)
    refused = gridsearch(folder, "importance", logdir, "--metric", "recall")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no trial has a metric 'recall'\n  There are accuracy, best_accuracy" in refused.stderr


def test_a_sweep_ends_with_its_report_unless_there_was_nothing_to_do(folder: Path) -> None:
    done = gridsearch(folder, "sweep")
    report = folder / "logs" / "hparam_tuning" / "report.html"
    assert "run-0003" in report.read_text()
    assert done.stderr.splitlines()[-1].endswith("or open logs/hparam_tuning/report.html")
    report.write_text("as it was")
    gridsearch(folder, "sweep")
    assert report.read_text() == "as it was"
    os.utime(report, (1.0, 1.0))  # as of a sweep that was cut off while its report was written
    gridsearch(folder, "sweep")
    assert "run-0003" in report.read_text()
    written = json.loads(gridsearch(folder, "report", "logs/hparam_tuning", "--out", "mine.html", "--json").stdout)
    assert written == {"written": ["mine.html"]}
    assert "Running" not in (folder / "mine.html").read_text().partition('"running":')[2][:6]


def test_a_report_that_cannot_be_written_does_not_fail_the_sweep(folder: Path) -> None:
    (folder / "logs" / "hparam_tuning" / "report.html" / "in the way").mkdir(parents=True)
    done = gridsearch(folder, "sweep")
    assert done.returncode == 0
    assert "the report was not written" in done.stderr
    assert "Traceback" not in done.stderr
    refused = gridsearch(folder, "report", "logs/hparam_tuning")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "report.html: cannot be used" in refused.stderr
    assert gridsearch(folder, "report", "nowhere").returncode == 2


QUICK = "[hparams]\nx = { real_interval = [0.1, 0.9] }\n[model]\nobjective = 'quick:train'\n[sweep]\ntrials = 3\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("writers = ['wandbb']", "sweep.toml: sweep.writers: 'wandbb' is not a writer\n  Did you mean 'wandb'?"),
        ("strategy = 'tpe'\noptions = { nonsense = 1 }", "sweep.toml: sweep.strategy: cannot be had with"),
        ("strategy = 'optuna:NoSuchSampler'", "sweep.toml: sweep.strategy: "),
        ("strategy = 'random'\npruner = 'median'\npruner_options = { trials = 0 }", "sweep.toml: sweep.pruner: "),
        ("strategy = 'random'\npruner = 'optuna:NoSuchPruner'", "sweep.toml: sweep.pruner: "),
        ("strategy = 'random'\ngpus = 999", ""),
    ],
)
def test_plan_refuses_what_sweep_refuses_with_file_key_and_value(tmp_path: Path, setting: str, said: str) -> None:
    (tmp_path / "quick.py").write_text("def train(values, report):\n    return {'accuracy': values['x']}\n")
    strategy = "" if "strategy" in setting else "strategy = 'random'\n"
    (tmp_path / "sweep.toml").write_text(QUICK + strategy + setting)
    swept, planned = gridsearch(tmp_path, "sweep"), gridsearch(tmp_path, "plan")
    assert swept.returncode == 2, swept.stderr
    assert "Traceback" not in swept.stderr + planned.stderr
    if said:
        assert said in swept.stderr
        assert (planned.returncode, planned.stderr) == (2, swept.stderr)
    else:  # what only a machine can grant is asked when the sweep begins
        assert "sweep.toml: sweep.gpus: " in swept.stderr


def test_plan_names_metric_and_goal(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text("def train(values, report):\n    return {'mae': values['x']}\n")
    (tmp_path / "sweep.toml").write_text(QUICK + "strategy = 'random'\nmetric = 'mae'\n")
    assert "metric mae, goal min" in gridsearch(tmp_path, "plan").stdout.splitlines()
    planned = json.loads(gridsearch(tmp_path, "plan", "--json").stdout)
    assert (planned["metric"], planned["goal"]) == ("mae", "min")
