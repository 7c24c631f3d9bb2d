"""A page in headless Chromium, driven over its own debugging pipe: no driver, no package."""

from __future__ import annotations

import base64
import json
import os
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
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
)
# Copies first, for one of the two may be in the other's place.
_START = """
import os, sys
copies = [os.dup(int(text)) for text in sys.argv[1:3]]
while min(copies) < 5: copies = [os.dup(one) for one in copies]
os.dup2(copies[0], 3)
os.dup2(copies[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_SECONDS = 60.0


def chromium() -> str | None:
    """The browser's program, or None where there is none (or no pipe to it, on Windows)."""
    if os.name == "nt":
        return None
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page. errors: what the console and the security policy complained of.

    requests: the addresses that were asked for, the page itself first.
    """

    def __init__(self, into: int, out: int) -> None:
        self._into, self._out = into, out
        self._last, self._rest = 0, b""
        self._events: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        where = {"targetId": target, "flatten": True}
        self._session: str | None = self._call("Target.attachToTarget", where)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    _session = None

    def open(
        self, place: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> None:
        """Load a file, or an address, as a window of this size shows it."""
        self._go("about:blank")  # what the last page still asks for is none of the next one's
        self.errors.clear()
        self.requests.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", {"features": scheme})
        self._go(place if isinstance(place, str) else place.resolve().as_uri())

    def _go(self, address: str) -> None:
        self._events.clear()
        self._call("Page.navigate", {"url": address})
        self._until("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; AssertionError if it throws."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        found = self._call("Runtime.evaluate", asked)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 30.0) -> None:
        """Wait for an expression to become true; AssertionError if it does not."""
        deadline = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < deadline, f"never true: {script}; {self.errors}"
            time.sleep(0.03)

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key, for whatever has the focus."""
        for kind in ("keyDown", "keyUp"):
            asked = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self._call("Input.dispatchKeyEvent", {**asked, "text": text} if text else asked)

    def downloads(self, folder: Path) -> None:
        """Files that are downloaded from now on go there."""
        asked = {"behavior": "allow", "downloadPath": str(folder)}
        self._call("Page.setDownloadBehavior", asked)

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        asked = {"format": "png", "captureBeyondViewport": True}
        found = self._call("Page.captureScreenshot", asked)
        path.write_bytes(base64.b64decode(found["data"]))

    def _call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self._last += 1
        asked: dict[str, Any] = {"id": self._last, "method": method, "params": params or {}}
        if self._session is not None:
            asked["sessionId"] = self._session
        os.write(self._into, json.dumps(asked).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._last:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result

    def _until(self, method: str) -> None:
        while not any(event["method"] == method for event in self._events):
            self._read()

    def _read(self) -> dict[str, Any]:
        """The next message; events are kept."""
        while b"\0" not in self._rest:
            part = os.read(self._out, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        text, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(text)
        if "method" in found:
            self._events.append(found)
            self._note(found["method"], found["params"])
        return found

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """A browser with nothing in it, ended at the end."""
    read_theirs, write_ours = os.pipe()
    read_ours, write_theirs = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # The browser listens on descriptor 3 and speaks on 4.
        pipes = [str(read_theirs), str(write_theirs)]
        started = subprocess.Popen(
            [sys.executable, "-c", _START, *pipes, program, *_FLAGS, f"--user-data-dir={folder}"],
            pass_fds=(read_theirs, write_theirs),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_theirs)
        os.close(write_theirs)
        try:
            yield Browser(write_ours, read_ours)
        finally:
            os.close(write_ours)
            os.close(read_ours)
            _end(started)


def _end(started: subprocess.Popen[bytes]) -> None:
    """Closing the pipe ends a browser; one that does not listen is killed with its children."""
    deadline = time.monotonic() + 10.0
    while started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if started.poll() is None:
        os.killpg(started.pid, 9)
        started.wait(_SECONDS)
