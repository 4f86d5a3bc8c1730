"""A server on this machine that serves files, and misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

Act = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server(ThreadingHTTPServer):
    """Serves `content` by path; what stands in `acts` for a path is done first, one act for each request."""

    daemon_threads = True

    def __init__(self, content: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.acts, self.asked = content, {}, []
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = unquote(self.path).lstrip("/")
        self.server.asked.append(path)
        content = self.server.content.get(path)
        acts = self.server.acts.get(path, [])
        if content is None:
            self.send_error(404)
        elif acts:
            acts.pop(0)(self, content)
        else:
            answer(self, content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def answer(handler: BaseHTTPRequestHandler, content: bytes, size: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if size is None else size))
    handler.end_headers()
    handler.wfile.write(content)


def cut(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the file, and the connection ends."""
    answer(handler, content[: len(content) // 2], len(content))


def other(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Another file of the same size."""
    answer(handler, content[::-1])


def hang(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the file, and silence."""
    cut(handler, content)
    handler.wfile.flush()
    handler.server.closing.wait()


def status(code: int, **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return act


@contextmanager
def serving(content: dict[str, bytes]) -> Iterator[Server]:
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
