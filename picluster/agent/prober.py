"""Trials of what a run will do on a node: compute with torch, quickly enough, and reach the other nodes over TCP.

A temporary listener greets whoever connects, sends a few small messages back, then swallows what comes and says how
much it was. It ends with this process.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

TORCH_SECONDS = 75
"""A slow SD card and a cold cache: importing torch takes a Pi 3 more than half of it."""
CONNECT_SECONDS = 3.0
EXCHANGE_SECONDS = 6.0
"""Longest silence of a peer."""
SENDING_SECONDS = 1.0
"""Longest time of sending data to measure a rate."""
SENT_BYTES = 8 << 20
"""Most data that are sent."""
ROUND_TRIPS = 21
MEASURES = (
    *("cores", "product_gflops", "all_cores_gflops", "gather_fp32_rows", "gather_fp16_rows"),
    *("read_mb_per_second", "random_reads", "in_memory"),
)
"""Names of what a bench tells."""
_CHUNK = bytes(1 << 16)
_BUFFER_BYTES = 1 << 18  # what waits in it on a slow link delays the end of the measurement
_LONGEST_GREETING = 200
_LONGEST_ERROR = 300

Answer = dict[str, Any]


def torch(*, python: str, trial: str) -> Answer:
    """Outcome of a trial: its last step, its end, and the versions and numerics that it told."""
    return _tried(python, trial, {"versions": {}, "numerics": None})


def bench(*, python: str, trial: str) -> Answer:
    """Outcome of a bench: its last step, its end, and the measures that it told."""
    return _tried(python, trial, dict.fromkeys(MEASURES))


def _tried(python: str, trial: str, nothing: Answer) -> Answer:
    """Run a program that names its steps, and tells its results as JSON in the end; without an end: `nothing`."""
    program = str(Path(python).expanduser())
    told: Answer = {"step": "", "signal": None, "error": "", **nothing}
    try:
        ended = subprocess.run(
            [program, "-P", "-c", trial],
            cwd="/",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TORCH_SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        return {**told, "step": _lines(late.stdout)[-1], "error": f"not done within {TORCH_SECONDS} s"}
    except OSError as error:
        return {**told, "error": f"{program}: {error.strerror}"}
    steps = _lines(ended.stdout)
    if ended.returncode == 0:
        return {**told, "step": "done", **json.loads(steps[-1])}
    if ended.returncode < 0:
        return {**told, "step": steps[-1], "signal": signal.Signals(-ended.returncode).name}
    words = _lines(ended.stderr)[-1] or f"exit code {ended.returncode}"
    return {**told, "step": steps[-1], "error": words[:_LONGEST_ERROR]}


def listen(*, address: str, greeting: str) -> Answer:
    """Let peers measure their way to this node; tells the port."""
    try:
        listener = socket.create_server((address, 0))
    except OSError as error:
        return {"port": None, "error": error.strerror or str(error)}
    threading.Thread(target=_serve, args=(listener, greeting.encode()), daemon=True).start()
    return {"port": listener.getsockname()[1], "error": ""}


def measure(*, address: str, port: int, greeting: str) -> Answer:
    """Round trip and rate from here to a listener."""
    told: Answer = {"error": "", "round_trip_ms": None, "mbit_per_second": None}
    try:
        with socket.create_connection((address, port), CONNECT_SECONDS) as peer:
            peer.settimeout(EXCHANGE_SECONDS)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            if peer.makefile("rb").readline(_LONGEST_GREETING).rstrip(b"\n") != greeting.encode():
                return {**told, "error": "another machine answers there"}
            return {**told, "round_trip_ms": _round_trip_ms(peer), "mbit_per_second": _mbit_per_second(peer)}
    except TimeoutError:
        return {**told, "error": "no answer"}
    except OSError as error:
        return {**told, "error": (error.strerror or str(error)).lower()}


def _round_trip_ms(peer: socket.socket) -> float:
    times = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        peer.sendall(b"x")
        if not peer.recv(1):
            raise ConnectionError("hung up")
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _mbit_per_second(peer: socket.socket) -> float:
    began, sent = time.perf_counter(), 0
    while sent < SENT_BYTES and time.perf_counter() - began < SENDING_SECONDS:
        peer.sendall(_CHUNK)
        sent += len(_CHUNK)
    peer.shutdown(socket.SHUT_WR)
    arrived = int(peer.makefile("rb").readline(_LONGEST_GREETING) or 0)
    return arrived * 8 / 1e6 / (time.perf_counter() - began)


def _serve(listener: socket.socket, greeting: bytes) -> None:
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=_answer, args=(peer, greeting), daemon=True).start()


def _answer(peer: socket.socket, greeting: bytes) -> None:
    with suppress(OSError), peer:
        peer.settimeout(EXCHANGE_SECONDS)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(greeting + b"\n")
        for _ in range(ROUND_TRIPS):
            peer.sendall(peer.recv(1))
        arrived, room = 0, bytearray(len(_CHUNK))
        while size := peer.recv_into(room):
            arrived += size
        peer.sendall(b"%d\n" % arrived)


def _lines(text: bytes | None) -> list[str]:
    """At least one, which may be empty."""
    return (text or b"").decode(errors="replace").strip().splitlines() or [""]


ANSWERS: dict[str, Callable[..., Answer]] = {each.__name__: each for each in (torch, bench, listen, measure)}
