"""Where events are posted to, looked at before anything is posted."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from .connection import origin


def check_target(root: str, path: str, headers: Mapping[str, str]) -> None:
    """Raise a ValueError unless posts can be sent there.

    Args:
        root: Address of the server.
        path: Where on it; it must not lead to another server.
        headers: HTTP headers to send along, as names and values of Latin-1 text.
    """
    import requests

    if not _is_address(root):
        raise ValueError(f"root must be an address such as 'http://localhost:9000'; got {root!r}.")
    if not _is_address(root + path) or origin(root + path) != origin(root):
        raise ValueError(f"path must stay on {origin(root)}; {path!r} leads elsewhere.")
    try:
        requests.Request("POST", root + path, headers=headers).prepare()
        "".join(value for value in headers.values() if not isinstance(value, bytes)).encode("latin-1")
    except (requests.RequestException, UnicodeEncodeError) as error:
        raise ValueError(f"headers must be HTTP headers, as names and values of text: {error}") from None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or no host
        return False
