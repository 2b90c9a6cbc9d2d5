"""python -m benchmarks.evidence: record what is missing, then judge what is there.

About three hours of a machine that does nothing else; it can be stopped and goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.evidence.lines import read_lines
from benchmarks.evidence.machine import surroundings
from benchmarks.evidence.plan import PARTS, Plan
from benchmarks.evidence.record import record_missing
from benchmarks.evidence.summary import summarise
from benchmarks.pace import Pace
from benchmarks.timing import WarmUp
from exporters.atomic import write_text
from exporters.errors import DistilError

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "verdict-rates.jsonl"
# Every step in a minute or two; its numbers say nothing.
TINY = Plan(series=1, pairs=1, epochs=2, spare=1, live_units=1, unit_s=60, live_s=1)
HURRIED = Pace(warm_up=WarmUp(min_ns=20_000_000, max_ns=100_000_000), block_ns=2_000_000, rounds=2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON lines")
    parser.add_argument("--replay", action="store_true", help="record nothing")
    parser.add_argument(
        "--only",
        choices=PARTS,
        help="units of this kind: those beside a busy process need no idle machine",
    )
    parser.add_argument("--minutes", type=float, help="begin no unit later than that")
    parser.add_argument(
        "--series", type=int, help="record more than 8, where too many idle epochs were marked"
    )
    parser.add_argument("--tiny", action="store_true", help="try every step, elsewhere")
    chosen = parser.parse_args()
    if chosen.series is not None and not 1 <= chosen.series <= 25:
        parser.error("--series: 1 to 25; later pairs are those of the live comparisons")
    results: Path = chosen.results.absolute()
    if chosen.tiny and results == RESULTS:
        parser.error("--tiny makes numbers that say nothing: give --results FILE")
    plan = TINY if chosen.tiny else Plan()
    try:
        if not chosen.replay:
            with surroundings("busy"):
                pass  # what can't work is said before anything is timed
            record_missing(
                results,
                plan if chosen.series is None else replace(plan, series=chosen.series),
                say=lambda text: print(text, flush=True),
                parts=PARTS if chosen.only is None else (chosen.only,),
                until_s=None if chosen.minutes is None else chosen.minutes * 60,
                **({"pace": HURRIED} if chosen.tiny else {}),
            )
        lines = read_lines(results)
        if not lines:
            parser.error(f"{results} holds nothing yet")
        page = summarise(lines, source=results, sequences=200 if chosen.tiny else 5000)
        write_text(results.with_suffix(".md"), page)
    except DistilError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
