"""A real browser for tests of pages: Chromium, driven over two pipes by its own protocol, with no library between."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
KEYS = {
    "ArrowDown": 40,
    "ArrowUp": 38,
    "ArrowLeft": 37,
    "ArrowRight": 39,
    "Home": 36,
    "End": 35,
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
}


def find_browser() -> str:
    """Return a browser on this machine, or skip the test; where UNINOTE_BROWSER names one, it must be there."""
    named = os.environ.get("UNINOTE_BROWSER")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if named and not found:
        pytest.fail(f"UNINOTE_BROWSER names {named}, which is not there")
    if not found:
        pytest.skip("no Chromium on this machine")
    return found


class Browser:
    """One page of a headless browser without network. `told` has what the page logged, errors and refused scripts too."""

    def __init__(self, folder: Path) -> None:
        read, self._write = os.pipe()
        self._read, write = os.pipe()
        command = [find_browser(), "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}"]
        # The browser reads commands from descriptor 3 and answers on 4.
        shell = f'exec 3<&{read} 4>&{write}; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "browser", *command], pass_fds=(read, write), stderr=subprocess.DEVNULL
        )
        os.close(read)
        os.close(write)
        self._number = 0
        self._buffer = b""
        self._session = None
        self.told: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser is gone"
            self._buffer += part
        one, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(one)
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"):
            self.told.append(json.dumps(message["params"]))
        return message

    def open(self, path: Path, wide: int = 1280, high: int = 900) -> None:
        """Open a file, as by a double click, and wait until its scripts have run."""
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=path.as_uri())
        while self.run("document.readyState") != "complete" or self.run("location.protocol") != "file:":
            pass

    def run(self, code: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key as a person would: a name of KEYS, or a character."""
        code = KEYS.get(key)
        key_facts: dict[str, Any] = {"key": key}
        if code is None:
            key_facts["text"] = key
        else:
            key_facts |= {"code": key, "windowsVirtualKeyCode": code}
            if key == "Enter":
                key_facts["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", **key_facts)
        self.call(
            "Input.dispatchKeyEvent", type="keyUp", **{name: key_facts[name] for name in key_facts if name != "text"}
        )

    def write(self, text: str) -> None:
        """Write text where the focus is, also such that no key has."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Save what the window shows as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._read)
        os.close(self._write)
