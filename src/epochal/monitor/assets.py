"""The page's files, kept in memory: compressed once, under addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).with_name("static")

MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""By ending; any other file is plain text."""

FOR_EVER = "max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent.

    Attributes:
        content: Its bytes.
        zipped: The same, compressed by gzip.
        media_type: Its type, for the browser.
        tag: Its entity tag, which tells whether a browser has these bytes already.
    """

    content: bytes
    zipped: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Asset:
        """Return the asset of a file's bytes; its type goes by the ending of its name."""
        media_type = MEDIA_TYPES.get(Path(name).suffix, "text/plain")
        return cls(content, gzip.compress(content, mtime=0), media_type, f'W/"{_digest(content)}"')

    def answer(self, request: Request, cache_control: str) -> Response:
        """Return the file, compressed if the browser takes that; 304 without a body if it has the file."""
        headers = {"cache-control": cache_control, "etag": self.tag, "vary": "accept-encoding"}
        if self.tag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        if not _takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(self.content, headers=headers, media_type=self.media_type)
        return Response(self.zipped, headers={**headers, "content-encoding": "gzip"}, media_type=self.media_type)


class Assets:
    """The files of a folder, each at `/static/<version>/<name>`, and the page `index.html`, which refers to them.

    The version is a hash of all files. One for all lets modules and style sheets name each other relatively,
    as they lie in the folder; browsers keep them for ever, and ask only for the page, which is small.

    Args:
        files: The bytes of each file by its name, with `/` between folders. Addresses in `index.html` begin with
            `/static/`, to which the version is added.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.version = _digest(*(part for name in sorted(files) for part in (name.encode(), files[name])))
        self._assets = {name: Asset.of(name, content) for name, content in files.items() if name != "index.html"}
        self._page = Asset.of("index.html", self.dressed(files["index.html"].decode()).encode())

    def dressed(self, page: str) -> str:
        """Return a page with the version in the addresses of its files, `"/static/<name>"`."""
        return page.replace('"/static/', f'"/static/{self.version}/')

    async def page(self, request: Request) -> Response:
        """Send the page; browsers ask each time whether it is still this one."""
        return self._page.answer(request, ASK_AGAIN)

    async def file(self, request: Request) -> Response:
        """Send a file; 404 if there is none of this name in this version."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None or request.path_params["version"] != self.version:
            raise HTTPException(404)
        return asset.answer(request, FOR_EVER)


@cache
def page_assets() -> Assets:
    """Return the assets of the monitor's page, read once in the process."""
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    return Assets({path.relative_to(STATIC).as_posix(): path.read_bytes() for path in files})


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:16]


def _takes_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` allows gzip: by name, or by `*`, and not with `q=0`."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        name, _, value = weight.partition("=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0
