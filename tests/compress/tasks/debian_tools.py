"""apt-get and dpkg-deb as shell scripts, for what is fetched from a Debian package."""

from __future__ import annotations

from pathlib import Path

from compress.tasks.debian import Tools

NO_TOOLS = Tools(apt_get="no-such-apt-get", dpkg_deb="no-such-dpkg-deb")
APT = 'for last; do :; done; echo deb > "${last}_1_all.deb"'  # leaves a package
FAULTS = (  # what apt-get does, what dpkg-deb does, and what is said of it
    ("echo 'E: Unable to locate package' >&2; exit 100", "exit 0", "Unable to locate package"),
    ("exit 0", "exit 0", "left 0 packages"),
    (APT, "echo not a Debian archive >&2; exit 2", "not a Debian archive"),
    (APT, "exit 0", "the package holds no"),
)


def programs(folder: Path, *, apt: str, dpkg: str, limit_seconds: float = 10.0) -> Tools:
    """Both, with these shell commands as their bodies."""
    for name, body in (("apt-get", apt), ("dpkg-deb", dpkg)):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return Tools(
        apt_get=str(folder / "apt-get"),
        dpkg_deb=str(folder / "dpkg-deb"),
        limit_seconds=limit_seconds,
    )


def unpack_from(stock: Path, folder: str) -> str:
    """What dpkg-deb does for a package that holds the files of stock in folder."""
    inside = f"$3{folder}"
    return f'mkdir -p "{inside}" && cp "{stock}"/* "{inside}"'
