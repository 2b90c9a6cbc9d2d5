"""Run every test marked `gpu` and keep a report. Standard library only.

It needs a Python with pytest, numpy, onnx, onnxruntime, a torch with CUDA and, for trainings, what
requirements.lock names: the environment of `make gpu-env` where there is one, else the Python that
runs this file. What a machine lacks (the CUDA or TensorRT provider of onnxruntime, say) stands in
the report as missing, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = "pytest.mark.gpu"
# Runs in the Python that is checked: what a reader must know to read the rest.
FACTS = """
import json, platform
found = {"python": platform.python_version(), "platform": platform.platform()}
for name in ("torch", "onnxruntime", "numpy", "onnx"):
    try:
        found[name] = __import__(name).__version__
    except ImportError as error:
        found[name] = f"missing: {error}"
try:
    import torch
    found["cuda"] = str(torch.version.cuda)
    found["gpu"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
except ImportError:
    found["gpu"] = "none"
try:
    import onnxruntime
    found["providers"] = ", ".join(onnxruntime.get_available_providers())
except ImportError:
    pass
try:
    import pynvml
    pynvml.nvmlInit()
    found["driver"] = pynvml.nvmlSystemGetDriverVersion()
except Exception as error:
    found["driver"] = f"not read: {error}"
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One test. word: passed, failed or missing; why: one line, empty where it passed."""

    test: str
    word: str
    seconds: float
    why: str


def checked_python() -> str:
    """The GPU environment's, else the one that runs this."""
    own = ROOT / ".venv-gpu" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def marked_files(folder: Path = ROOT / "tests") -> list[Path]:
    """Files with the marker: others may need packages that a GPU machine lacks."""
    files = sorted(folder.rglob("test_*.py"))
    return [path for path in files if MARK in path.read_text(encoding="utf-8")]


def outcomes(junit: str) -> list[Outcome]:
    """Of pytest's JUnit file."""
    found = []
    for case in ElementTree.fromstring(junit).iter("testcase"):
        word, why = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                word, why = "failed", child.get("message") or child.text or ""
            elif child.tag == "skipped":
                word, why = "missing", child.get("message") or ""
        found.append(
            Outcome(
                test=f"{case.get('classname', '')}::{case.get('name', '')}",
                word=word,
                seconds=round(float(case.get("time", "0")), 2),
                why=" ".join(why.split())[:400],
            )
        )
    return found


def page(facts: dict[str, str], tests: list[Outcome], seconds: float) -> str:
    """The report as Markdown."""
    counts = Counter(outcome.word for outcome in tests)
    lines = [
        "# GPU check",
        "",
        f"`make gpu-check`, {facts['date']}: {counts['passed']} passed, {counts['failed']} failed, "
        f"{counts['missing']} missing, in {seconds:.0f} s.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items() if name != "date"),
        "",
        "| test | outcome | s | why |",
        "|---|---|---:|---|",
        *(
            f"| {_cell(outcome.test)} | {outcome.word} | {outcome.seconds} | {_cell(outcome.why)} |"
            for outcome in tests
        ),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def run_tests(python: str, files: list[Path]) -> str:
    """pytest's JUnit file; its output goes to the terminal. Empty where pytest could not run."""
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        # Warnings of other versions than the lock's are no failure of the code under test.
        command = [
            python,
            "-m",
            "pytest",
            "-q",
            "-m",
            "gpu",
            "-p",
            "no:randomly",  # the first reason that is told is the same each time
            "--continue-on-collection-errors",  # a file that lacks a package stops no other
            "-W",
            "default",
            f"--junitxml={junit}",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, *map(str, files)], cwd=ROOT, env=environment, check=False)
        return junit.read_text(encoding="utf-8") if junit.exists() else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests marked gpu and keep a report.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    out = parser.parse_args().out
    python, started = checked_python(), time.monotonic()
    junit = run_tests(python, marked_files())
    if not junit:
        print(f"error: {python} can't run pytest here; try `make gpu-env` first", file=sys.stderr)
        return 2
    tests = outcomes(junit)
    ran = [outcome for outcome in tests if outcome.word != "missing"]
    if not ran:
        why = next((outcome.why for outcome in tests), "no test is marked gpu")
        print(f"error: nothing ran, so nothing was kept: {why}", file=sys.stderr)
        return 4
    facts = json.loads(
        subprocess.run([python, "-c", FACTS], stdout=subprocess.PIPE, check=True).stdout
    )
    facts["date"] = time.strftime("%Y-%m-%d")
    out.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "tests": [asdict(outcome) for outcome in tests]}
    (out / "gpu-check.json").write_text(json.dumps(document, indent=1) + "\n")
    (out / "gpu-check.md").write_text(page(facts, tests, time.monotonic() - started))
    print(f"kept in {out / 'gpu-check.md'}")
    return 1 if any(outcome.word == "failed" for outcome in ran) else 0


if __name__ == "__main__":
    sys.exit(main())
