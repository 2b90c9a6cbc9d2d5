"""A PostgreSQL server of Debian's package, for as long as a test needs it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "distil"


def find_initdb() -> Path | None:
    """Debian keeps servers out of the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve()
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


@contextmanager
def postgresql_server(initdb: Path) -> Iterator[str]:
    """Its URL. It listens to a socket in a folder of its own, and nothing is synced to disk."""
    # Not below the test's folder: the path of a socket has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    as_user = {}
    if os.getuid() == 0:  # a server refuses to run as root
        shutil.chown(home, "nobody")
        as_user = {"user": "nobody"}
    data = home / "data"
    make = [initdb, "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    subprocess.run(make, check=True, capture_output=True, cwd=home, **as_user)
    run = [initdb.with_name("postgres"), "-D", data, "-k", home, "-c", "listen_addresses="]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [*run, "-c", "fsync=off"], cwd=home, stdout=log, stderr=log, **as_user
        )
    try:
        deadline = time.monotonic() + 60
        while b"ready to accept" not in (home / "log").read_bytes():
            assert server.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, "the server did not start within a minute"
            time.sleep(0.05)
        yield f"postgresql://{_USER}@/postgres?host={home}"
    finally:
        server.send_signal(signal.SIGINT)  # ends without waiting for clients
        server.wait()
        shutil.rmtree(home)
