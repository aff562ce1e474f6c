"""A Hub on 127.0.0.1: the endpoints that reading needs, over real repositories, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

COMMIT = "c0ffee" + "0" * 34
STORED = (".safetensors", ".bin", ".gguf", ".pt", ".onnx")
PAGE = 5


@dataclass
class Asked:
    """One request that came in."""

    path: str
    span: tuple[int, int] | None
    token: str | None
    connection: tuple[str, int]
    at: float = field(default_factory=time.monotonic)


Fault = Callable[["Handler", Path, Asked], bool]
"""Answers a request for a file in its own way, and returns whether it did."""


@dataclass
class LocalHub:
    """Repositories by name, each a folder; `revisions` are their branches and tags."""

    repositories: dict[str, Path]
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    renamed: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    tags: dict[str, set[str]] = field(default_factory=dict)
    models_a_page: int = 1000
    siblings: bool = True
    pointers: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    api_faults: list[Fault] = field(default_factory=list)
    cdn: str | None = None
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    digests: dict[Path, str] = field(default_factory=dict)

    def digest(self, path: Path) -> str:
        if path not in self.digests:
            with path.open("rb") as file:
                self.digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self.digests[path]

    @property
    def ranges(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.span is not None]

    def overlapping(self) -> list[tuple[str, int]]:
        """Bytes that were asked for twice."""
        twice: list[tuple[str, int]] = []
        furthest: dict[str, int] = {}
        for asked in sorted(self.ranges, key=lambda asked: (asked.path, asked.span or (0, 0))):
            start, stop = asked.span or (0, 0)
            if start < furthest.get(asked.path, 0):
                twice.append((asked.path, start))
            furthest[asked.path] = max(stop, furthest.get(asked.path, 0))
        return twice


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def log_message(self, *args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        spelled = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        asked = Asked(
            path=path,
            span=(int(spelled[1]), int(spelled[2]) + 1) if spelled else None,
            token=self.headers.get("Authorization"),
            connection=self.client_address,
        )
        with self.hub.lock:
            self.hub.asked.append(asked)
        if path == "/api/models":
            self._list(parse_qs(url.query), asked)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            blobs = self.hub.siblings and parse_qs(url.query).get("blobs") == ["true"]
            self._info(match[1], match[2] or "main", asked, blobs=blobs)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            self._tree(match[1], match[2], int(parse_qs(url.query).get("cursor", ["0"])[0]), asked)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(match[1], match[2], match[3], asked)
        else:
            self.fail(404, "EntryNotFound")

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status: int, code: str = "") -> None:
        self.answer(status, b"", X_Error_Code=code)

    def _known(self, name: str, revision: str) -> bool:
        if name not in self.hub.repositories:
            self.fail(401, "RepoNotFound")
        elif revision not in self.hub.revisions and revision not in self.hub.revisions.values():
            self.fail(404, "RevisionNotFound")
        else:
            return True
        return False

    def _info(self, name: str, revision: str, asked: Asked, *, blobs: bool) -> None:
        if any(fault(self, Path(), asked) for fault in self.hub.api_faults):
            return
        if name in self.hub.renamed:
            query = "?blobs=true" if blobs else ""
            self.answer(307, b"", Location=f"/api/models/{self.hub.renamed[name]}{query}")
        elif self._known(name, revision):
            commit = self.hub.revisions.get(revision, revision)
            said: dict[str, object] = {"id": name, "sha": commit, "private": False}
            if blobs:
                root = self.hub.repositories[name]
                said["siblings"] = [self._sibling(root, path) for path in sorted(root.rglob("*")) if path.is_file()]
            self.answer(200, json.dumps(said).encode())

    def _sibling(self, root: Path, path: Path) -> dict[str, object]:
        """A file as it is listed with the commit."""
        size = path.stat().st_size
        found: dict[str, object] = {"rfilename": path.relative_to(root).as_posix(), "blobId": "0" * 40, "size": size}
        if path.suffix in STORED:
            found["lfs"] = {"sha256": self.hub.digest(path), "size": size, "pointerSize": 134}
        return found

    def _list(self, query: dict[str, list[str]], asked: Asked) -> None:
        """Models that fit all of a query, by name, and a link to what comes after this page."""
        if any(fault(self, Path(), asked) for fault in self.hub.api_faults):
            return
        word, author = query.get("search", [""])[0].lower(), query.get("author", [None])[0]
        fitting = [
            name
            for name in sorted(self.hub.repositories)
            if word in name.lower()
            and author in (None, name.partition("/")[0])
            and set(query.get("filter", [])) <= self.hub.tags.get(name, set())
        ]
        count = min(int(query.get("limit", ["1000"])[0]), self.hub.models_a_page)
        first = int(query.get("cursor", ["0"])[0])
        headers = {}
        if len(fitting) > first + count:
            following = urlencode({**query, "limit": count, "cursor": first + count}, doseq=True)
            headers["Link"] = f'<{self.hub.url}/api/models?{following}>; rel="next"'
        found = [
            {"id": name, "modelId": name, "private": False, "tags": sorted(self.hub.tags.get(name, set()))}
            for name in fitting[first : first + count]
        ]
        self.answer(200, json.dumps(found).encode(), **headers)

    def _tree(self, name: str, revision: str, cursor: int, asked: Asked) -> None:
        if any(fault(self, Path(), asked) for fault in self.hub.api_faults):
            return
        if not self._known(name, revision):
            return
        root = self.hub.repositories[name]
        entries: list[dict[str, object]] = []
        for path in sorted(root.rglob("*")):
            entry: dict[str, object] = {"path": path.relative_to(root).as_posix(), "oid": "0" * 40}
            if path.is_dir():
                entry |= {"type": "directory", "size": 0}
            else:
                size = path.stat().st_size
                entry |= {"type": "file", "size": size}
                if path.suffix in STORED:
                    entry["lfs"] = {"oid": self.hub.digest(path), "size": size, "pointerSize": 134}
            entries.append(entry)
        headers = {}
        if len(entries) > cursor + PAGE:
            where = f"{self.hub.url}/api/models/{name}/tree/{revision}?recursive=true&cursor={cursor + PAGE}"
            headers["Link"] = f'<{where}>; rel="next"'
        self.answer(200, json.dumps(entries[cursor : cursor + PAGE]).encode(), **headers)

    def _file(self, name: str, revision: str, inner: str, asked: Asked) -> None:
        if not self._known(name, revision):
            return
        if name in self.hub.gated and asked.token != "Bearer hf_granted":
            self.fail(403, "GatedRepo")
            return
        path = self.hub.repositories[name] / inner
        if not path.is_file():
            self.fail(404, "EntryNotFound")
        elif self.hub.cdn is not None and path.suffix in STORED:
            self.answer(302, b"", Location=f"{self.hub.cdn}{self.path}", X_Linked_Etag=f'"{self.hub.digest(path)}"')
        elif not any(fault(self, path, asked) for fault in list(self.hub.faults)):
            self.send_part(path, asked)

    def send_part(self, path: Path, asked: Asked, *, tag: str | None = None) -> None:
        """The stretch that was asked for, as a Hub sends it."""
        size = path.stat().st_size
        if asked.path.rsplit("/", 1)[-1] in self.hub.pointers:
            self.answer(200, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ETag='"pointer"')
            return
        start, stop = asked.span or (0, size)
        if start >= size:
            self.fail(416)
            return
        stop = min(stop, size)
        self.send_response(206 if asked.span else 200)
        self.send_header("ETag", tag or f'"{self.hub.digests.get(path, path.name)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if asked.span:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        with path.open("rb") as file:
            file.seek(start)
            while start < stop:
                chunk = file.read(min(1 << 20, stop - start))
                self.wfile.write(chunk)
                start += len(chunk)


@contextmanager
def serving(hub: LocalHub) -> Iterator[LocalHub]:
    """Serve until the block ends."""
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def times(count: int, act: Callable[[Handler, Path, Asked], None]) -> Fault:
    """A fault that happens to the first `count` requests for stored files."""
    left = [count]
    lock = threading.Lock()

    def fault(handler: Handler, path: Path, asked: Asked) -> bool:
        with lock:
            if left[0] <= 0 or (path.name and path.suffix not in STORED):
                return False
            left[0] -= 1
        act(handler, path, asked)
        return True

    return fault


def refuse(status: int, **headers: str) -> Callable[[Handler, Path, Asked], None]:
    return lambda handler, path, asked: handler.answer(status, b"", **headers)


def reset(handler: Handler, path: Path, asked: Asked) -> None:
    """Half of the body, and the connection closed."""
    start, stop = asked.span or (0, path.stat().st_size)
    handler.send_response(206)
    handler.send_header("ETag", f'"{handler.hub.digests.get(path, path.name)}"')
    handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{path.stat().st_size}")
    handler.send_header("Content-Length", str(stop - start))
    handler.end_headers()
    with path.open("rb") as file:
        file.seek(start)
        handler.wfile.write(file.read((stop - start) // 2))
    handler.wfile.flush()
    handler.close_connection = True


def short(handler: Handler, path: Path, asked: Asked) -> None:
    """A body shorter than its range, and a length that says so."""
    start, stop = asked.span or (0, path.stat().st_size)
    handler.answer(
        206,
        path.read_bytes()[start : (start + stop) // 2],
        ETag=f'"{handler.hub.digests.get(path, path.name)}"',
        Content_Range=f"bytes {start}-{stop - 1}/{path.stat().st_size}",
    )


def other_total(handler: Handler, path: Path, asked: Asked) -> None:
    """A range of a file of another size."""
    start, stop = asked.span or (0, 0)
    handler.answer(206, bytes(stop - start), ETag='"x"', Content_Range=f"bytes {start}-{stop - 1}/{1 << 40}")


def changed(handler: Handler, path: Path, asked: Asked) -> None:
    """Another version of the file."""
    handler.send_part(path, asked, tag='"another"')


def drip(handler: Handler, path: Path, asked: Asked) -> None:
    """A byte now and then."""
    start, stop = asked.span or (0, path.stat().st_size)
    handler.send_response(206)
    handler.send_header("ETag", f'"{handler.hub.digests.get(path, path.name)}"')
    handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{path.stat().st_size}")
    handler.send_header("Content-Length", str(stop - start))
    handler.end_headers()
    handler.close_connection = True
    try:
        for value in path.read_bytes()[start : start + 200]:
            handler.wfile.write(bytes([value]))
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        return
