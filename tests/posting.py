"""A server whose answers the test gives, and a callback driven through a fit."""

import json
import socket
import threading
from urllib.parse import parse_qs

from monitoring import wait_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answer(status, body="", **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n{body}".encode()


class Server:
    """A server whose answers the test gives: bytes, or a function that does with the socket what it likes."""

    def __init__(self, reply=OK, port=0):
        self.reply, self.requests, self.sockets = reply, [], []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock, sock.makefile("rb") as lines:
            while line := self.line(lines):
                method, path, _ = line.split()
                headers = {}
                while (line := self.line(lines).strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = lines.read(int(headers.get("content-length", 0))).decode()
                self.requests.append((method, path, headers, body))
                reply = self.reply.pop(0) if isinstance(self.reply, list) and self.reply else self.reply or OK
                try:
                    if callable(reply):
                        reply(sock)
                        return
                    sock.sendall(reply)
                except OSError:
                    return

    @staticmethod
    def line(lines):
        try:
            return lines.readline().decode()
        except OSError:
            return ""

    @property
    def events(self):
        """Return what was posted, each as a dict."""
        bodies = [(h["content-type"], body) for _, _, h, body in self.requests]
        return [json.loads(b if t == "application/json" else parse_qs(b)["data"][0]) for t, b in bodies]

    def close(self):
        self.listener.close()
        for sock in self.sockets:
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def train(callback, epochs, first=0, end=True):
    """Drive a callback through a fit that logs a loss."""
    if first == 0:
        callback.on_train_begin({})
    for epoch in range(first, epochs):
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {"loss": 1 / (epoch + 1)})
    if end:
        callback.on_train_end({})
        callback.close()


def tell(callback):
    """Wait until there is something to say, and have it said, as the next hook would."""
    wait_for(lambda: callback._outbox.notes)
    callback._tell()


def losses(epochs):
    return [{"epoch": epoch, "loss": 1 / (epoch + 1)} for epoch in epochs]


def losses_in(table):
    """Return the rows of a table, first to last, as epoch, batch and loss; other columns are left out."""
    columns = [table["columns"].index(name) for name in ("epoch", "batch", "loss") if name in table["columns"]]
    return [[row[at] for at in columns] for row in table["rows"][::-1]]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]
