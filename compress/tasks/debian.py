"""Files out of a Debian package, fetched by apt-get unpacked by dpkg-deb: neither needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compress.errors import DistilError, RuntimeMissing

_QUIET = ("-q", "-o", "Acquire::Retries=0")
_WAITS = ("-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs, and the seconds that each may take."""

    apt_get: str = "apt-get"
    dpkg_deb: str = "dpkg-deb"
    limit_seconds: float = 180.0


def fetch_package(
    package: str, folder: Path, *, names: Sequence[str], scratch: Path, tools: Tools
) -> dict[str, bytes]:
    """The named files of folder (an absolute path) as the package holds them.

    Works in a temporary folder in scratch, which is gone afterwards. RuntimeMissing without the
    programs; DistilError when they fail, take too long, or the files are not in the package.
    """
    apt_get, dpkg_deb = shutil.which(tools.apt_get), shutil.which(tools.dpkg_deb)
    if apt_get is None or dpkg_deb is None:
        raise RuntimeMissing(f"{tools.apt_get} and {tools.dpkg_deb} are not both here")
    with tempfile.TemporaryDirectory(prefix=".package-", dir=scratch) as name:
        place = Path(name)
        download = (apt_get, *_QUIET, *_WAITS, "download", package)
        _run(download, folder=place, limit_seconds=tools.limit_seconds)
        packages = sorted(place.glob("*.deb"))
        if len(packages) != 1:
            raise DistilError(f"apt-get left {len(packages)} packages", where=package)
        unpack = (dpkg_deb, "-x", str(packages[0]), str(place / "content"))
        _run(unpack, folder=place, limit_seconds=tools.limit_seconds)
        inside = place / "content" / folder.relative_to("/")
        try:
            return {name: (inside / name).read_bytes() for name in names}
        except OSError as exc:
            raise DistilError(f"the package holds no {exc.filename}", where=package) from exc


def _run(command: Sequence[str], *, folder: Path, limit_seconds: float) -> None:
    """Run to the end or to the limit; then the whole group goes, apt's own children too."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    program = Path(command[0]).name
    try:
        _, said = process.communicate(timeout=limit_seconds)
    except BaseException as exc:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(exc, subprocess.TimeoutExpired):
            raise DistilError(f"took longer than {limit_seconds:g} s", where=program) from exc
        raise
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit code {process.returncode}"
        raise DistilError(last, where=program)
