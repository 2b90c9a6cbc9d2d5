"""Report <-> report.json, exactly. Imports neither torch nor onnx: `distil gate` reads with it.

Raw latency samples are some hundred thousand integers, and nobody reads them in an editor or a
diff. They go to a side file that report.json names with its digest: all of them, since a verdict
must be open to a second look. The file's name carries its digest, so that a new one never replaces
the one that an older report.json still names, whenever the writer is killed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from benchmarks.values import Cell, Measured, Measurement, Setting
from compress.report.codec import from_json, to_json
from compress.values import REPORT_VERSION, Report
from exporters.errors import InputError

REPORT_FILE = "report.json"
SAMPLES_PATTERN = "samples-*.json"
_LIMIT_BYTES = 512 * 2**20  # far above any real report; keeps a wrong file from filling the memory


class NewerSchema(InputError):
    """The file was written by a later version; as a gate's baseline this is exit code 5."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """One cell of the samples file; epochs holds one tuple of nanoseconds per fresh process."""

    subject: str
    setting: Setting
    epochs: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Texts of the two files. samples is None where nothing was timed."""

    report: str
    samples: str | None
    samples_name: str | None


def encode_report(report: Report) -> Encoded:
    """Texts of report.json and its samples file. Raises DistilError for NaN and infinity."""
    bare = cast(dict[str, Any], to_json(_without_samples(report), where="report"))
    if report.measured is None:
        return Encoded(report=_dump(bare), samples=None, samples_name=None)
    times = [
        CallTimes(subject=m.subject, setting=c.setting, epochs=c.latency.samples_ns)
        for m in report.measured.measurements
        for c in m.cells
    ]
    samples = json.dumps(
        {"version": REPORT_VERSION, "samples_ns": to_json(times, where="samples")},
        separators=(",", ":"),
    )
    digest = hashlib.sha256(samples.encode()).hexdigest()
    name = f"samples-{digest[:12]}.json"
    bare["samples"] = {"file": name, "sha256": digest}
    return Encoded(report=_dump(bare), samples=samples, samples_name=name)


def load_report(path: Path, *, samples: bool = True) -> Report:
    """The report of a run folder or a report.json. samples=False leaves samples_ns empty.

    Raises InputError when it is missing, malformed or does not match its samples file, NewerSchema
    when a later version wrote it.
    """
    path = path / REPORT_FILE if path.is_dir() else path
    data = parse_json(_read(path, "a report"), where=str(path))
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise InputError("this is no report: it has no version", where=str(path), cure=_RENEW)
    if version > REPORT_VERSION:
        raise NewerSchema(
            f"newer schema: version {version}, this distil reads up to {REPORT_VERSION}",
            where=str(path),
            cure="upgrade distil",
        )
    reference = data.pop("samples", None)
    report = from_json(Report, data, where=str(path))
    if report.measured is None or not samples:
        return report
    return dataclasses.replace(report, measured=_with_samples(report.measured, reference, path))


def parse_json(text: str, *, where: str) -> dict[str, Any]:
    """A JSON object; NaN, infinity and repeated keys are refused. Raises InputError."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON ({error})", where=where, cure=_RENEW) from error
    if not isinstance(data, dict):
        raise InputError("expected a JSON object", where=where, cure=_RENEW)
    return data


_RENEW = "name the run folder that `distil run` wrote, or run it again"


def _read(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise InputError(f"too large for {what}", where=str(path), cure=_RENEW)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{what} is missing", where=str(path), cure=_RENEW) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not {what}: no UTF-8 text", where=str(path), cure=_RENEW) from error
    except (OSError, ValueError) as error:
        raise InputError(f"can't read {what} ({error})", where=str(path), cure=_RENEW) from error


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _without_samples(report: Report) -> Report:
    if report.measured is None:
        return report
    return dataclasses.replace(report, measured=_change_samples(report.measured, lambda m, c: ()))


def _change_samples(
    measured: Measured, samples_of: Callable[[Measurement, Cell], tuple[tuple[int, ...], ...]]
) -> Measured:
    def cell(m: Measurement, c: Cell) -> Cell:
        latency = dataclasses.replace(c.latency, samples_ns=samples_of(m, c))
        return dataclasses.replace(c, latency=latency)

    return dataclasses.replace(
        measured,
        measurements=tuple(
            dataclasses.replace(m, cells=tuple(cell(m, c) for c in m.cells))
            for m in measured.measurements
        ),
    )


def _with_samples(measured: Measured, reference: object, report_path: Path) -> Measured:
    if not isinstance(reference, dict) or not isinstance(reference.get("file"), str):
        raise InputError("it names no samples file", where=str(report_path), cure=_RENEW)
    name = reference["file"]
    if Path(name).name != name or not Path(name).match(SAMPLES_PATTERN):
        raise InputError(f"refused samples file {name!r}", where=str(report_path), cure=_RENEW)
    path = report_path.parent / name
    text = _read(path, "the file of latency samples")
    if hashlib.sha256(text.encode()).hexdigest() != reference.get("sha256"):
        raise InputError(
            f"its bytes are not the ones that {report_path.name} names",
            where=str(path),
            cure=_RENEW,
        )
    found = parse_json(text, where=str(path)).get("samples_ns")
    rows = iter(from_json(tuple[CallTimes, ...], found, where=f"{path}: samples_ns"))

    def take(m: Measurement, c: Cell) -> tuple[tuple[int, ...], ...]:
        row = next(rows, None)
        if row is None or (row.subject, row.setting) != (m.subject, c.setting):
            raise InputError(
                f"no samples of {m.subject} at batch {c.setting.batch}",
                where=str(path),
                cure=_RENEW,
            )
        return row.epochs

    return _change_samples(measured, take)
