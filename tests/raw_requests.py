"""Requests to a monitor's socket, byte by byte, and what a viewer of its events reads."""

import json

TOKEN = "a-token-of-some-length"
POST = "/publish/epoch/end/"


def raw(address, text):
    """Send bytes as they are, and return all that comes back until the server closes."""
    with address.connect() as sock:
        sock.sendall(text)
        return read_all(sock)


def read_all(sock):
    found = b""
    try:
        while chunk := sock.recv(1 << 16):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def status(answer):
    return int(answer.split()[1]) if answer else None


class Events:
    """A viewer: reads server-sent events from a socket."""

    def __init__(self, address, last_id=None):
        self.sock = address.connect()
        extra = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        self.sock.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode())
        self.text = b""

    def next(self, kind):
        """Return the id and the data of the next event of this kind."""
        while True:
            while b"\n\n" not in self.text:
                chunk = self.sock.recv(1 << 16)
                assert chunk, "the stream has ended"
                self.text += chunk
            event, _, self.text = self.text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line)
            if fields.get("event") == kind:
                return fields["id"], json.loads(fields["data"])

    def close(self):
        self.sock.close()
