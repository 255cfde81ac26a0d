"""For the site's reference: the examples of docstrings become blocks of code."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^Examples?:\n", re.MULTILINE)
DOCTEST = re.compile(r"^ *>>> (?:.*\S.*\n?)+", re.MULTILINE)


class Doctests(Extension):
    """Fences the doctests of every docstring, which Markdown takes for quotations."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Replace the text of an object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """Return a docstring whose examples, up to the next empty line each, are fenced and not indented."""
    return DOCTEST.sub(
        lambda example: f"```pycon\n{textwrap.dedent(example[0]).rstrip()}\n```\n", EXAMPLE.sub("", docstring)
    )
