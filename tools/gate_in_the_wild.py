"""The gate on a history of 40 commits, base and head measured in one job: `make wild`.

Must: at most 1 of the 30 changes that matter to nobody is blocked, at least 9 of the 10 that hurt
are caught. Each commit is a unit of about a minute and a line in docs/results; those that are there
are skipped, and with all of them there only the page is made. Blocked is exit code 1 or 3 (a red
job); caught is 1, a violated budget.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wild_history import Change, build, changes, git

from benchmarks.environment import read_environment
from compress.metrics.binomial import clopper_pearson_upper
from exporters.atomic import write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "gate-in-the-wild.jsonl"
WORK = ROOT / ".distil" / "wild"
UNIT_S = 1200


def judge(folder: Path, change: Change) -> dict[str, Any]:
    """Check a commit out, and gate it against the one before."""
    git(folder, "checkout", "-q", change.branch)
    shutil.rmtree(folder / ".distil", ignore_errors=True)
    kept = folder / ".git" / "gate.json"
    kept.unlink(missing_ok=True)
    begun, load = time.monotonic(), os.getloadavg()[0]
    command = ["gate", "--measure", "--baseline-ref", "HEAD~1", "-q", "--json", str(kept)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "compress", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UNIT_S,
        check=False,
    )
    found = json.loads(kept.read_text()) if kept.exists() else {}
    verdicts = (found.get("result") or {}).get("verdicts", [])
    environment = read_environment()
    return {
        "commit": change.number,
        "kind": change.kind,
        "hurts": change.hurts,
        "exit_code": done.returncode,
        "error": (found.get("error") or {}).get("what"),
        "verdicts": {v["budget"]: v["status"] for v in verdicts},
        "observed": {v["budget"]: v["observed"] for v in verdicts},
        "seconds": round(time.monotonic() - begun, 1),
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        "cpu_model": environment.cpu_model,
        "allowed_cpus": environment.allowed_cpus,
        "versions": environment.versions,
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What is recorded; a last line that was cut off does not count."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def summary(lines: Sequence[dict[str, Any]], *, source: str) -> str:
    """The report: counts, exact 95 % bounds, and a row per commit."""
    harmless = [line for line in lines if not line["hurts"]]
    hurting = [line for line in lines if line["hurts"]]
    blocked = sum(line["exit_code"] != 0 for line in harmless)
    caught = sum(line["exit_code"] == 1 for line in hurting)
    rows = [
        f"| {line['commit']} | {line['kind']} | {'yes' if line['hurts'] else 'no'} | "
        f"{line['exit_code']} | {_words(line)} | {line['seconds']} | {line['load'][0]} |"
        for line in sorted(lines, key=lambda line: line["commit"])
    ]
    machines = sorted({f"{line['cpu_model']}, {line['allowed_cpus']} CPUs" for line in lines})
    planned = len(changes())
    head = [
        "# The gate on a git history",
        "",
        f"`make wild`; a line per commit in `{source}`. Machine: {'; '.join(machines)}.",
        f"{len(lines)} of {planned} commits are judged.",
        "",
        f"- Changes that matter to nobody: {blocked} of {len(harmless)} blocked "
        f"(true rate below {_upper(blocked, len(harmless))} at 95 %). Must: at most 1 of 30.",
        f"- Changes that hurt: {caught} of {len(hurting)} caught "
        f"(true rate above {_lower(caught, len(hurting))} at 95 %). Must: at least 9 of 10.",
        "",
        "Base and head were measured in one job, in turns. Blocked: exit code not 0; caught: 1.",
        "",
        "| commit | change | hurts | exit code | not passed | seconds | load before |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _words(line: dict[str, Any]) -> str:
    found = [f"{b} {s}" for b, s in line["verdicts"].items() if s != "pass"]
    return ", ".join(found) or (line["error"] or "-")


def _upper(events: int, count: int) -> str:
    return f"{clopper_pearson_upper(events, count):.0%}" if count else "?"


def _lower(events: int, count: int) -> str:
    """Rounded down: the rate of what did not happen has the upper bound."""
    if not count:
        return "?"
    return f"{math.floor(100 * (1 - clopper_pearson_upper(count - events, count)))}%"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON lines")
    parser.add_argument("--work", type=Path, default=WORK, help="where the repository is made")
    parser.add_argument("--most", type=int, help="judge no more commits than this now")
    parser.add_argument("--minutes", type=float, help="begin no commit later than that")
    parser.add_argument("--only", help="numbers of commits, as in 1,4")
    chosen = parser.parse_args(arguments)
    there = {line["commit"] for line in read_lines(chosen.results)}
    wanted = [change for change in changes() if change.number not in there]
    if chosen.only:
        only = {int(number) for number in chosen.only.split(",")}
        wanted = [change for change in wanted if change.number in only]
    if wanted:
        build(chosen.work, say=lambda text: print(text, flush=True))
    begun = time.monotonic()
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    for change in wanted[: chosen.most]:
        if chosen.minutes is not None and time.monotonic() - begun > chosen.minutes * 60:
            break
        line = judge(chosen.work, change)
        print(
            f"{change.number} {change.kind}: exit {line['exit_code']}, {_words(line)}", flush=True
        )
        if line["exit_code"] in (2, 4, 5):
            print(f"error: {line['error']}; nothing is recorded", file=sys.stderr)
            return 4
        with chosen.results.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
    lines = read_lines(chosen.results)
    if lines:
        page = summary(lines, source=chosen.results.name)
        write_text(chosen.results.with_suffix(".md"), page)
        print(page.split("| commit")[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
