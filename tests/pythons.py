"""Run the quick part of the test suite on each supported Python that this machine has.

    python3 tests/pythons.py             every Python that setup.cfg names
    python3 tests/pythons.py 3.12 3.13   only these

A Python is found on PATH as `python3.12`. Each gets a virtual environment of its own, `.venv-3.12`, which is kept for
the next time. The exit status is 1 if the tests fail on any Python, or if there is none to test.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

QUICK = ("-m", "not slow", "-p", "no:cacheprovider")
"""Arguments of pytest that leave out whatever trains a real model or starts a server."""


def supported_pythons(setup: Path) -> list[str]:
    """Return the versions that the classifiers in setup.cfg name, as in ``["3.11", "3.12"]``."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(setup, encoding="utf-8")
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", parser["metadata"]["classifiers"], re.MULTILINE)


def find_python(version: str) -> str:
    """Return the path of the interpreter of this version.

    Raises:
        LookupError: PATH has none, or the one it has does not start; the message says which.
    """
    python = shutil.which(f"python{version}")
    if python is None:
        raise LookupError(f"there is no python{version} on PATH")
    command = [python, "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    started = subprocess.run(command, capture_output=True, text=True, check=False)
    if started.returncode != 0 or started.stdout.strip() != version:
        raise LookupError(f"{python} does not start Python {version} (a version manager may have it switched off)")
    return python


def run_tests(version: str, python: str) -> str:
    """Install the project and run its quick tests; return "passed", or what failed."""
    environment = ROOT / f".venv-{version}"
    own = environment / "bin" / "python"
    if not own.exists():
        subprocess.run([python, "-m", "venv", environment], check=True)
    install = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[dev]"]
    if subprocess.run(install, cwd=ROOT, check=False).returncode != 0:
        return "FAILED: the project cannot be installed"
    tests = subprocess.run([own, "-m", "pytest", *QUICK], cwd=ROOT, check=False)
    return "passed" if tests.returncode == 0 else f"FAILED: pytest ended with exit status {tests.returncode}"


def main() -> int:
    """Test each Python that is there and print a line for each that is supported; return the exit status."""
    results: dict[str, str] = {}
    for version in sys.argv[1:] or supported_pythons(ROOT / "setup.cfg"):
        try:
            python = find_python(version)
        except LookupError as error:
            results[version] = f"skipped: {error}"
            continue
        print(f"Python {version}: {python}", flush=True)
        results[version] = run_tests(version, python)
    for version, result in results.items():
        print(f"Python {version}: {result}")
    failed = any(result.startswith("FAILED") for result in results.values())
    return 1 if failed or "passed" not in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
