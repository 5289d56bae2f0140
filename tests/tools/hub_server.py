"""A small server on loopback that the real Hub client downloads from."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_aTokenOfTheTests"


@dataclass
class Hub:
    """Models by id, each a directory, and counts of what was sent."""

    models: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    """Models that need `TOKEN`."""
    dropping: set[str] = field(default_factory=set)
    """File names whose connection is cut in the middle."""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """Method and file name → the status, the headers and the body that is answered instead."""
    dripping: set[str] = field(default_factory=set)
    """File names of which one byte a second is sent."""
    etag: str | None = None
    """The ETag of every file."""
    commit: str = COMMIT
    """The commit that every answer names."""
    sent: Counter[str] = field(default_factory=Counter)
    """File name → bytes of content that were sent."""
    requests: Counter[str] = field(default_factory=Counter)
    """Method and path → how often."""
    endpoint: str = ""


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """`hub` behind a free port of loopback, its address in `hub.endpoint`."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        """The tests read the counters instead."""

    def _answer(self, *, body: bool) -> None:
        self.hub.requests[f"{self.command} {self.path}"] += 1
        repo, resolve, rest = self.path.partition("/resolve/")
        repo = repo.lstrip("/")
        revision, _, name = rest.partition("/")
        if not resolve or repo not in self.hub.models:
            return self._refuse(404, "RepoNotFound", "Repository not found")
        if repo in self.hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._refuse(403, "GatedRepo", "Access to this model is restricted")
        if revision not in ("main", "v1", COMMIT):
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        if f"{self.command} {name}" in self.hub.answers:
            return self._instead(*self.hub.answers[f"{self.command} {name}"])
        path = self.hub.models[repo] / name
        if not path.is_file():
            return self._refuse(404, "EntryNotFound", "Entry not found")
        return self._send(path, body=body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _instead(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _send(self, path: Path, *, body: bool) -> None:
        size = path.stat().st_size
        start, stop = self._range(size)
        whole = (start, stop) == (0, size)
        self.send_response(200 if whole else 206)
        etag = self.hub.etag or hashlib.sha1(path.name.encode()).hexdigest()
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(stop - start))
        if not whole:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        if body:
            self._send_bytes(path, start, stop)

    def _range(self, size: int) -> tuple[int, int]:
        span = self.headers.get("Range", "").removeprefix("bytes=")
        if not span:
            return 0, size
        first, _, last = span.partition("-")
        return int(first), min(size, int(last) + 1 if last else size)

    def _send_bytes(self, path: Path, start: int, stop: int) -> None:
        drop = path.name in self.hub.dropping
        if drop:
            stop = (start + stop) // 2
        with path.open("rb") as opened:
            opened.seek(start)
            content = opened.read(stop - start)
        if path.name in self.hub.dripping:
            self._drip(content)
        else:
            self.wfile.write(content)
            self.hub.sent[path.name] += len(content)
        self.close_connection = drop

    def _drip(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            for number in range(len(content)):
                self.wfile.write(content[number : number + 1])
                self.wfile.flush()
                self.hub.sent["dripped"] += 1
                time.sleep(1)
