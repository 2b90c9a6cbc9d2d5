"""Headless Chromium over its debugging pipe: no driver, no client library, no network port.

As a program it takes a picture:

    python tests/compress/report/chromium.py PAGE.html OUT.png 390 dark
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, and the page is our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}


def find_chromium() -> str | None:
    """Path of a Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. events holds what the browser said by itself: requests, exceptions, console."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._buffer, self._last = read, write, b"", 0
        self._session: str | None = None
        self._target = ""
        self.events: list[dict[str, Any]] = []

    def open(self, path: Path, *, width: int, dark: bool = False) -> None:
        """Load a local file and wait until it is loaded."""
        if self._session is not None:
            self.close()
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=2 if width < 500 else 1,
            mobile=width < 500,
        )
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        self._wait(lambda: any(e["method"] == "Page.loadEventFired" for e in self.events))

    def close(self) -> None:
        """Close the tab; the browser stays."""
        self._session = None
        self.send("Target.closeTarget", targetId=self._target)

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; AssertionError when it throws."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """A key as a person presses it: Tab, Enter or Space."""
        code, text = _KEYS[key]
        about: dict[str, Any] = {
            "key": " " if key == "Space" else key,
            "code": key,
            "windowsVirtualKeyCode": code,
        }
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def requests(self) -> list[str]:
        """Every address that was asked for since the page was opened."""
        sent = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [p["request"]["url"] for p in sent if not p["request"]["url"].startswith("data:")]

    def complaints(self) -> list[Any]:
        """Exceptions, and what was written to the console or the browser's log."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [e["params"] for e in self.events if e["method"] in kinds]

    def roles(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told, in order."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        picture = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and wait for its answer."""
        self._last += 1
        number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer: dict[str, Any] = {}

        def arrived() -> bool:
            nonlocal answer
            answer = next((e for e in self.events if e.get("id") == number), {})
            return bool(answer)

        self._wait(arrived)
        self.events.remove(answer)
        assert "error" not in answer, answer["error"]
        return dict(answer["result"])

    def _wait(self, done: Any, *, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"chromium said nothing within {seconds:.0f} s")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise EOFError("chromium closed its pipe")
            *whole, self._buffer = (self._buffer + chunk).split(b"\0")
            for message in map(json.loads, whole):
                message.setdefault("method", "")
                self.events.append(message)


@contextmanager
def chromium_page(chromium: str) -> Iterator[Page]:
    """A browser with its own profile; killed and cleared away at the end."""
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()

    def become_three_and_four() -> None:  # the two descriptors that the browser talks through
        read, write = os.dup(theirs_read), os.dup(theirs_write)
        os.dup2(read, 3)
        os.dup2(write, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [chromium, *_FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            preexec_fn=become_three_and_four,
            start_new_session=True,
        )
        os.close(theirs_read)
        os.close(theirs_write)
        try:
            page = Page(ours_read, ours_write)
            yield page
            page._session = None
            page.send("Browser.close")
            process.wait(timeout=20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
            os.close(ours_read)
            os.close(ours_write)


def main(page: str, out: str, width: str = "1280", scheme: str = "light") -> None:
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no chromium found; install the package chromium")
    with chromium_page(chromium) as tab:
        tab.open(Path(page), width=int(width), dark=scheme == "dark")
        tab.screenshot(Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
