"""The real apt-cacher-ng, started as `picluster provision` starts it."""

from __future__ import annotations

import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.controller.provision.apt_cache import _free_port, apt_cache, program
from picluster.errors import MissingError


class Archive(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012  the class is made anew for each server

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.send_header("Last-Modified", "Sat, 11 Jul 2026 10:16:37 GMT")
        self.end_headers()
        self.wfile.write(b"signed")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def archive() -> Iterator[tuple[str, list[str]]]:
    """Address of an archive on loopback, and what was asked of it."""
    asked: list[str] = []

    class OneArchive(Archive):
        pass

    OneArchive.asked = asked
    # apt-cacher-ng cannot reach higher ports.
    with http.server.ThreadingHTTPServer(("127.0.0.1", _free_port()), OneArchive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.skipif(program() is None, reason="apt-cacher-ng is not installed")
def test_a_package_is_asked_of_the_archive_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: tuple[str, list[str]]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address, asked = archive
    for _ in range(2):
        with apt_cache() as port:
            way = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{port}"}))
            for _ in range(2):
                with way.open(f"{address}/pool/main/r/rsync/rsync_3.2.7_arm64.deb", timeout=10) as answer:
                    assert answer.read() == b"signed"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
    assert len(asked) == 1


def test_where_it_is_missing_the_fix_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert program() is None
    with pytest.raises(MissingError, match="apt install apt-cacher-ng"), apt_cache():
        pass
