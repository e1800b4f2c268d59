"""A real S3 server (`rclone serve s3`) over TLS 1.3, and one that only writes down what it is asked."""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
from pydantic import SecretStr

from recording_storage.zone import Place

KEY_ID, KEY_SECRET = "zonekeyidentifier", "zonekeysecretzonekeysecret"


class Store:
    """One server with a folder of its own; each bucket is a folder in it, and so many of them are made here."""

    def __init__(self, home, identity, ca, fresh=100):
        self.home, self.ca = home, ca
        self.port = _free_port()
        self._identity = identity
        self._program = None
        self._fresh = [f"zone-{number}" for number in range(fresh)]
        for name in self._fresh:
            (home / name).mkdir(parents=True)

    def start(self):
        command = [
            str(Path(sys.executable).with_name("rclone")), "serve", "s3", str(self.home),
            "--addr", f"127.0.0.1:{self.port}",
            "--cert", str(self._identity), "--key", str(self._identity), "--min-tls-version", "tls1.3",
            # What is changed beside it is seen; with 0 a PUT takes seconds.
            "--vfs-cache-mode", "off", "--dir-cache-time", "10ms",
        ]  # fmt: skip
        own = {
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_AUTH_KEY": f'"{KEY_ID},{KEY_SECRET}"',
            "HOME": str(self.home.parent),
        }
        # In a run folder nothing is open to others.
        with open(self.home.with_suffix(".log"), "ab", opener=lambda *told: os.open(*told, mode=0o600)) as log:
            self._program = subprocess.Popen(command, env=own, stdout=log, stderr=log)
        self._await_it()

    def _await_it(self):
        context = ssl.create_default_context(cafile=str(self.ca))
        for _ in range(200):
            try:
                httpx2.get(f"https://localhost:{self.port}/", verify=context, trust_env=False)
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(self.home.with_suffix(".log").read_text())

    def send(self, signal):
        self._program.send_signal(signal)

    def stop(self):
        if self._program is not None:
            self._program.kill()
            self._program.wait(10)
            self._program = None

    def bucket(self):
        """A new one, empty."""
        return self.place(self._fresh.pop())

    def place(self, name, **changed):
        given = {"key_id": SecretStr(KEY_ID), "key_secret": SecretStr(KEY_SECRET), "ca": str(self.ca), **changed}
        return Place(f"https://localhost:{self.port}/{name}", **given)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def recorder(identity, newest):
    """A server up to TLS version `newest` that answers 404; its port, and the paths and headers that it was asked."""
    asked = []

    class Recorder(BaseHTTPRequestHandler):
        def _write_down(self):
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = do_CONNECT = _write_down  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(identity)
    server = _Quiet(("127.0.0.1", 0), Recorder)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a handshake that is refused is what is tested
