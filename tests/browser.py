"""A real browser without a window, told what to do over pipes by its own protocol; nothing has to be installed for Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--no-first-run",
)
_PATIENCE_S = 60


def browser_program() -> str:
    """Return the path of a browser; skips the test where this machine has none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is on this machine")
    return found


class Browser:
    """One page of a browser, whose files are below `folder`."""

    def __init__(self, folder: Path) -> None:
        # It reads commands from descriptor 3 and answers on 4, each message ended by a zero byte.
        theirs_in, self._commands = os.pipe()
        self._answers, theirs_out = os.pipe()
        moved = [os.dup(theirs_in), os.dup(theirs_out)]

        def hand_over() -> None:
            os.dup2(moved[0], 3)
            os.dup2(moved[1], 4)

        command = [browser_program(), *_FLAGS, f"--user-data-dir={folder}/profile", "about:blank"]
        log = (folder / "browser.log").open("wb")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, pass_fds=(3, 4, *moved), preexec_fn=hand_over)
        for one in (theirs_in, theirs_out, *moved):
            os.close(one)
        self._number, self._buffer, self._session = 0, b"", None
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        pages = [one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self._ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        self._ask("Page.enable")
        self._ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
        raise TimeoutError(method)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._answers, 1 << 16)
            assert read, "the browser ended"
            self._buffer += read
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, path: Path) -> None:
        """Load a file."""
        self._ask("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def value(self, script: str) -> Any:
        """Return what an expression is in the page."""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + _PATIENCE_S
        while not self.value(script):
            assert time.monotonic() < until, script
            time.sleep(0.05)

    def press(self, keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self._ask("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

    def downloaded(self, name: str) -> Path:
        """Wait for a file that the page saves, and return it."""
        until = time.monotonic() + _PATIENCE_S
        while not (found := self.downloads / name).exists():
            assert time.monotonic() < until, name
            time.sleep(0.05)
        return found

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(_PATIENCE_S)
        os.close(self._commands)
        os.close(self._answers)
