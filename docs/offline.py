"""For the site: the one script that the theme fetches from elsewhere, which lets a folder be searched, is ours."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.utils import get_relative_url

ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
HERE = "vendor/iframe-worker/shim.js"  # version 1.0.4

FETCHED = re.compile(r"""<(?:script|img|iframe|link rel="stylesheet")[^>]+(?:src|href)="(https?://[^"]+)""")


def on_post_page(output: str, page: Any, **kwargs: Any) -> str:
    """Return a page that fetches nothing from other hosts, or raise a PluginError."""
    return _here(output, get_relative_url(HERE, page.url))


def on_post_template(output: str, **kwargs: Any) -> str:
    """Return a page that isn't made of Markdown, such as the one for pages that aren't there."""
    return _here(output, f"/{HERE}")


def _here(output: str, script: str) -> str:
    output = output.replace(ELSEWHERE, script)
    if fetched := FETCHED.search(output):
        raise PluginError(f"a page of the site would fetch {fetched[1]}")
    return output
