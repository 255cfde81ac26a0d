"""The page's files: small, at addresses that change with them, kept by browsers, and of known origin."""

import gzip
import hashlib
import http.client
import re
import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from monitoring import serving

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")

STATIC = Path(__file__).parent.parent / "src/epochal/monitor/static"


class Answer(NamedTuple):
    code: int
    headers: dict[str, str]
    content: bytes


@pytest.fixture(scope="module")
def get(tmp_path_factory):
    """Return what asks a monitor for an address."""
    with serving(tmp_path_factory.mktemp("monitor") / "runs.db") as monitor:

        def ask(address, headers=MappingProxyType({})):
            connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=10)
            connection.request("GET", address, headers={"Accept-Encoding": "identity", **headers})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

        yield ask


def addresses(get):
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', get("/").content.decode())


def test_the_page_refers_to_files_at_addresses_that_hold_their_hash(get):
    found = addresses(get)
    assert any(address.endswith("/app.js") for address in found)
    assert len({address.split("/")[2] for address in found}) == 1
    assert all(re.fullmatch(r"/static/[0-9a-f]{16}/.+", address) for address in found)
    assert all(get(address).code == 200 for address in found)


def test_browsers_keep_the_files_and_ask_for_the_page_only(get):
    assert get("/").headers["cache-control"] == "no-cache"
    assert {get(address).headers["cache-control"] for address in addresses(get)} == {"max-age=31536000, immutable"}
    for address in ("/", addresses(get)[0]):
        tag = get(address).headers["etag"]
        again = get(address, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert get(address, headers={"If-None-Match": '"other"'}).code == 200


def test_any_change_of_a_file_changes_the_addresses():
    from epochal.monitor.assets import Assets

    files = {"index.html": b'<script src="/static/app.js">', "app.js": b"1", "data.js": b"2"}
    versions = {Assets(files).version}
    for changed in ({"app.js": b"3"}, {"data.js": b"3"}, {"new.js": b""}, {"index.html": b""}):
        versions.add(Assets({**files, **changed}).version)
    assert len(versions) == 5
    assert Assets(dict(reversed(files.items()))).version in versions


@pytest.mark.parametrize(
    "address", ["/static/0123456789abcdef/app.js", "/static/{}/", "/static/{}/none.js", "/static/{}/../app.py"]
)
def test_other_addresses_are_not_there(get, address):
    version = addresses(get)[0].split("/")[2]
    assert get(address.format(version)).code == 404


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0, *", False),
        ("gzip;q=x", False),
    ],
)
def test_files_come_compressed_to_whoever_takes_that(get, accepted, zipped):
    address = next(address for address in addresses(get) if address.endswith("app.js"))
    answer = get(address, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == ("gzip" if zipped else None)
    assert answer.headers["vary"] == "accept-encoding"
    content = gzip.decompress(answer.content) if zipped else answer.content
    assert content == (STATIC / "app.js").read_bytes()


def test_each_file_has_its_type(get):
    types = {Path(address).suffix: get(address).headers["content-type"] for address in addresses(get)}
    assert types == {
        ".svg": "image/svg+xml",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
    }


def test_the_first_view_is_small():
    files = [path for path in STATIC.rglob("*") if path.suffix in (".html", ".js", ".css", ".svg")]
    assert sum(path.stat().st_size for path in files) < 250_000
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 100_000


def test_the_vendored_library_is_what_its_readme_says():
    folder = STATIC / "vendor/uplot"
    readme = (folder / "README.md").read_text()
    hashes = dict(re.findall(r"\| `(.+)` \| `([0-9a-f]{64})` \|", readme))
    assert hashes.keys() == {path.name for path in folder.iterdir()} - {"README.md"}
    for name, expected in hashes.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected, name
    assert f"(v{re.search(r'uPlot ([0-9.]+)', readme)[1]})" in (folder / "uPlot.iife.min.js").read_text()[:100]
    assert "MIT" in (folder / "LICENSE").read_text()


def test_the_package_declares_both_licences():
    project = tomllib.loads((STATIC.parents[3] / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0 AND MIT"
    root = STATIC.parents[3]
    found = {path.relative_to(root).as_posix() for pattern in project["license-files"] for path in root.glob(pattern)}
    assert found == {"LICENSE", "src/epochal/monitor/static/vendor/uplot/LICENSE"}
