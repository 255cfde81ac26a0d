"""Where the tests' files lie."""

from pathlib import Path

TESTS = Path(__file__).parent
DATA = TESTS / "data"
SCRIPTS = TESTS / "scripts"
SCREENSHOTS = TESTS.parent / "screenshots"
