"""One file over HTTP, with limits on every wait. What arrives is returned, never kept half."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from compress.errors import DistilError

_PART = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds to connect and between two parts, seconds for a whole file, and its bytes at most."""

    wait_seconds: float = 10.0
    total_seconds: float = 300.0
    most_bytes: int = 1 << 28


def fetch(address: str, *, limits: Limits) -> bytes:
    """The body of a GET. DistilError when the server is away, stalls, answers another status than
    200, or ends before the announced length."""
    if not address.startswith(("http://", "https://")):  # urllib would open file: and ftp: too
        raise DistilError("not an http address", where=address)
    deadline = time.monotonic() + limits.total_seconds
    request = urllib.request.Request(address, headers={"User-Agent": "distil"})
    try:
        with urllib.request.urlopen(request, timeout=limits.wait_seconds) as answer:
            if answer.status != 200:
                raise DistilError(f"the server answers {answer.status}", where=address)
            return _body(answer, address, limits=limits, deadline=deadline)
    except urllib.error.HTTPError as exc:
        with exc:  # it holds the connection
            raise DistilError(f"the server answers {exc.code}", where=address) from exc
    except (OSError, http.client.HTTPException) as exc:
        reason = getattr(exc, "reason", None) or exc
        raise DistilError(
            f"download failed: {reason or type(exc).__name__}", where=address
        ) from exc


def _body(
    answer: http.client.HTTPResponse, address: str, *, limits: Limits, deadline: float
) -> bytes:
    announced = answer.length  # None where the server does not say
    if announced is not None and announced > limits.most_bytes:
        raise DistilError(f"the server announces {announced:,} bytes: refused", where=address)
    data = bytearray()
    while part := answer.read1(_PART):
        data += part
        if len(data) > limits.most_bytes:
            raise DistilError(f"more than {limits.most_bytes:,} bytes: refused", where=address)
        if time.monotonic() > deadline:
            raise DistilError(
                f"download too slow: {len(data):,} bytes in {limits.total_seconds:g} s",
                where=address,
            )
    if announced is not None and len(data) != announced:
        raise DistilError(
            f"download broke off: {len(data):,} of {announced:,} bytes", where=address
        )
    return bytes(data)
