"""The contract suites notice faults: a wrong strategy, executor or writer fails its suite, the right one passes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from contracts.mutants import MUTANTS

HERE = Path(__file__).parent

FAILED_TESTS = 1
"""pytest's exit status when tests have failed; 2 and more would be a fault of the mutant itself."""


def run_suite(suite: str, select: str, mutant: str) -> subprocess.CompletedProcess[str]:
    """Run a part of a contract suite until its first failure, with a fault put in."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "contracts.mutants", "-p", "no:cacheprovider"]
    environment = {**os.environ, "MUTANT": mutant}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [*command, str(HERE / suite), "-k", select],
        cwd=HERE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_is_noticed(name: str) -> None:
    """The fault fails a test, and not the import or the collection."""
    mutant = MUTANTS[name]
    ran = run_suite(mutant.suite, mutant.select, name)
    assert ran.returncode == FAILED_TESTS, ran.stdout + ran.stderr
    assert "stopping after 1 failures" in ran.stdout, ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "select"), dict.fromkeys((mutant.suite, mutant.select) for mutant in MUTANTS.values())
)
def test_without_a_fault_the_same_tests_pass(suite: str, select: str) -> None:
    """The selection of each fault holds tests, all of which pass without it."""
    ran = run_suite(suite, select, "")
    assert ran.returncode == 0, ran.stdout + ran.stderr
