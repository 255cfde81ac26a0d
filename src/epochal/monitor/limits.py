"""How much the monitor takes from anybody."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one server allows; times in seconds, sizes in bytes.

    Attributes:
        connections: How many may be open at once. One that asks for nothing makes room for a new one.
        head: From the first byte of a request, or from connecting, to the end of its headers.
        head_bytes: Request line and headers together.
        body: From the end of the headers to the end of the body.
        body_bytes: The body of a post.
        idle: A connection that is kept open between two requests.
        stalled: A reader that takes nothing of what is written to it.
        waiting: Posts that wait for their commit; more are answered with 429.
        viewers: Pages that look on at once.
    """

    connections: int = 1_000
    head: float = 10
    head_bytes: int = 32 << 10
    body: float = 30
    body_bytes: int = 1 << 20
    idle: float = 75
    stalled: float = 30
    waiting: int = 1_000
    viewers: int = 200
