"""The HTTP side: requests in, records changed, answers out."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from wandb_server.fields import Refused
from wandb_server.graphql import answer
from wandb_server.records import Artifact, Report, Run, Sweep

FAKE_KEY = "f1dd1e" * 6 + "beef"  # the length that the client asks of a key


class Server:
    """W&B's server, on a free port of this machine, in a thread of this process.

    Attributes:
        runs: By id.
        sweeps: By id.
        artifacts: By id.
        reports: By id.
        operations: How often each GraphQL operation, and each kind of other request, came.
        unknown: Requests that this server cannot answer; a test that finds some has met a new client.
        keys: API keys that clients sent.
        refused_runs: Ids of runs that are answered with ``refusal``, as for a run that was deleted.
        refusal: HTTP status for those runs; 4xx ends a client's attempt, and it repeats after 5xx and 429.
        outage: Number of further requests to answer with HTTP 500.
        key: The only key that is let in; any, if None.
        sweep_ids: Ids for the next sweeps; others are made up.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.reports: dict[str, Report] = {}
        self.projects: set[tuple[str, str]] = set()
        self.operations: Counter[str] = Counter()
        self.unknown: list[str] = []
        self.keys: set[str] = set()
        self.refused_runs: set[str] = set()
        self.refusal = 403
        self.outage = 0
        self.key: str | None = None
        self.sweep_ids: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self.lock = threading.RLock()
        self._http = _Quiet(("127.0.0.1", 0), _Handler)
        self._http.server = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, for ``WANDB_BASE_URL``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """Return what a process needs to log here."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": FAKE_KEY, "WANDB_MODE": "online"}

    def of_sweep(self, sweep: str) -> list[Run]:
        """Return the runs of a sweep, in the order in which they came."""
        return [run for run in self.runs.values() if run.sweep == sweep]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    server: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that were killed in the middle of a request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Quiet  # type: ignore[assignment]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, _ = self._begin()
        if server is None:
            return
        server.operations[f"GET {self.path.split('?')[0]}"] += 1
        content = server.uploads.get(self._key())
        self._send(content if content is not None else b"{}", 200)

    def do_PUT(self) -> None:
        server, body = self._begin()
        if server is None:
            return
        with server.lock:
            server.operations["PUT"] += 1
            key = self._key()
            server.uploads[key] = body
            kind, _, rest = key.partition("/")
            if kind == "run":
                run, _, name = rest.partition("/")
                server.runs[run].files[name] = body
        self._send(b"{}", 200)

    def do_POST(self) -> None:
        server, body = self._begin()
        if server is None:
            return
        try:
            with server.lock:
                if self.path == "/graphql":
                    request = json.loads(body)
                    reply: Any = {"data": answer(server, request["query"], request.get("variables") or {})}
                elif self.path.endswith("/file_stream"):
                    reply = _stream(server, unquote(self.path), json.loads(body or b"{}"))
                elif self.path.startswith("/sdk/otel/"):  # the client's telemetry of itself, once in a while
                    reply = {}
                else:
                    server.unknown.append(f"POST {self.path}")
                    reply = {}
            self._send(json.dumps(reply).encode(), 200)
        except Refused as error:
            self._send(json.dumps({"errors": [{"message": str(error)}]}).encode(), error.status)

    def _begin(self) -> tuple[Server | None, bytes]:
        """Read the body and check key and outage; None if the request has been answered."""
        server = self.server.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        key = _key(self.headers.get("Authorization", ""))
        with server.lock:
            if key:
                server.keys.add(key)
            if server.outage > 0:
                server.outage -= 1
                self._send(b'{"errors": [{"message": "outage"}]}', 500)
                return None, body
            if server.key is not None and key != server.key and self.command == "POST":
                self._send(b'{"errors": [{"message": "user is not logged in"}]}', 401)
                return None, body
        return server, body

    def _key(self) -> str:
        return unquote(self.path.split("?")[0]).removeprefix("/storage/")

    def _send(self, content: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _key(header: str) -> str:
    kind, _, value = header.partition(" ")
    return base64.b64decode(value).decode().partition(":")[2] if kind == "Basic" else value


def _stream(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Take what a run's client streams: history, summary, console, and that it ends."""
    server.operations["file_stream"] += 1
    name = path.split("/")[-2]
    if name in server.refused_runs:
        raise Refused(f"run {name} is refused", server.refusal)
    run = server.runs[name]
    for file, chunk in body.get("files", {}).items():
        lines = run.lines.setdefault(file, {})
        lines |= {chunk["offset"] + position: line for position, line in enumerate(chunk["content"])}
    if body.get("complete"):
        run.exit_code = int(body.get("exitcode") or 0)
    return {"limits": {}}
