"""What may stand between a client and its server: errors, delays and broken connections, as a test plans them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """What stands between client and server. Counts requests; the first `failures` of them get `status` and `body`.

    Answers wait for `delay_s`, and their bodies come in `pieces`, with `pause_s` before each; after `cut_after` bytes,
    if set, the connection is dropped, `cuts` times. `intercept`, given the handler and the request's body, answers instead.
    """

    backend: str
    endpoint: str = ""
    status: int = 503
    body: bytes = b""
    failures: int = 0
    delay_s: float = 0.0
    pause_s: float = 0.0
    pieces: int = 1
    cuts: int = 0
    cut_after: int = 10
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    intercept: Callable[[Any, bytes], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, what: str) -> bool:
        """Use up one of the planned `failures` or `cuts`, if there is one left."""
        with self.lock:
            left = getattr(self, what)
            setattr(self, what, max(0, left - 1))
        return left > 0


@contextmanager
def proxy(backend: str) -> Iterator[Proxy]:
    """Run a Proxy in front of the server at the endpoint `backend`."""
    plan = Proxy(backend)

    class Handler(_Handler):
        proxy = plan

    with _Server(("127.0.0.1", 0), Handler) as server:
        plan.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield plan
        finally:
            server.shutdown()


_HOPS = ("transfer-encoding", "expect", "content-length", "connection")


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of its own accord it lets five connections wait, and the next ones time out


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self.proxy.connections += 1

    def handle_any(self) -> None:
        self.proxy.requests.append(f"{self.command} {self.path}")
        body = self.body()
        if self.proxy.intercept is not None:
            return self.proxy.intercept(self, body)
        time.sleep(self.proxy.delay_s)
        if self.proxy.take("failures"):
            self.answer(self.proxy.status, {}, self.proxy.body)
        else:
            self.answer(*self.forward(body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # what may stand behind the last piece
        return b"".join(pieces)

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        backend = http.client.HTTPConnection(urlsplit(self.proxy.backend).netloc)
        # As they came, Host included, since the signature covers them; how the body comes is between two neighbours.
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        backend.request(self.command, self.path, body, headers)
        answer = backend.getresponse()
        content = answer.read()
        backend.close()
        return answer.status, dict(answer.getheaders()), content

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if content and self.command == "GET" and self.proxy.take("cuts"):
            self.wfile.write(content[: self.proxy.cut_after])
            self.close_connection = True
            return
        step = max(1, -(-len(content) // self.proxy.pieces))
        for start in range(0, len(content), step):
            time.sleep(self.proxy.pause_s)
            self.wfile.write(content[start : start + step])

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has given up, as it should in some tests
            super().handle()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output to themselves."""
