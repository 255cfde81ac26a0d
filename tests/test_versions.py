"""One version number: of the package, of what is installed, and at the changelog's head."""

import re
import tomllib
from importlib.metadata import version

from documents import ROOT

import epochal


def test_package_and_changelog_have_one_version():
    assert re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == epochal.__version__
    assert version("epochal") == epochal.__version__


def test_every_extra_that_an_error_may_name_is_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        extra
        for file in (ROOT / "src").rglob("*.py")
        for found in re.findall(r"epochal\[([\w,]+)\]", file.read_text())
        for extra in found.split(",")
    }
    assert named
    assert named <= set(extras)
