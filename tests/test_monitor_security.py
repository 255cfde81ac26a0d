"""Who may read a monitor and post to it."""

import pytest
from monitoring import serving
from raw_requests import POST, TOKEN

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9000", "localhost.evil.example", "192.168.1.7", "", "[::1", "a@localhost@b"]
)
def test_other_names_of_this_machine_are_refused(monitor, host):
    assert monitor.ask("GET", "/api/runs", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9000", "127.8.8.8", "[::1]:9000"])
def test_loopback_names_are_taken(monitor, host):
    assert monitor.ask("GET", "/api/runs", Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_pages_of_other_sites_can_neither_read_nor_post(monitor, headers):
    assert monitor.ask("POST", POST, '{"epoch": 0, "loss": 1}', **headers)[0] == 403
    assert monitor.ask("GET", "/api/runs", **headers)[0] == 403
    assert monitor.ask("GET", "/api/events", **headers)[0] == 403
    assert monitor.ask("DELETE", "/api/runs/r", **headers)[0] == 403
    assert monitor.get("/api/runs")["runs"] == []


def test_the_page_may_do_what_other_pages_may_not(monitor):
    own = {"Origin": monitor.root, "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
    assert monitor.post({"epoch": 0, "loss": 1}, X_Epochal_Run="r") == 200
    assert monitor.ask("DELETE", "/api/runs/r", **own)[0] == 204
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert monitor.ask("GET", "/", **link)[0] == 200


def test_the_page_allows_no_script_but_its_own(monitor):
    from epochal.monitor.assets import page_assets

    for path in ("/", f"/static/{page_assets().version}/app.js", "/api/runs", "/nothing"):
        headers = monitor.ask("GET", path)[1]
        policy = headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_a_token_is_asked_for_everywhere(tmp_path):
    with serving(tmp_path / "runs.db", token=TOKEN) as monitor:
        for path in ("/", "/api/runs", "/api/events", "/static/0/app.js", "/?token=wrong"):
            assert monitor.ask("GET", path)[0] == 401, path
        assert monitor.post({"epoch": 0}) == 401
        assert monitor.post({"epoch": 0}, Authorization="Bearer " + TOKEN[:-1]) == 401
        assert monitor.post({"epoch": 0}, Authorization=f"Bearer {TOKEN}é") == 401
        assert monitor.post({"epoch": 0, "loss": 1}, Authorization=f"Bearer {TOKEN}") == 200
        code, headers, _ = monitor.ask("GET", f"/?token={TOKEN}")
        assert (code, headers["refresh"]) == (200, "0; url=/")
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert monitor.ask("GET", "/api/runs", Cookie=cookie.split(";")[0])[0] == 200
        assert monitor.ask("GET", "/api/runs", Cookie=cookie.split(";")[0][:-1])[0] == 401
        for other in ('prefs={"a":1}', "a[b]=1", "x=a b", "=", "alone"):
            assert monitor.ask("GET", "/api/runs", Cookie=f"{other}; {cookie.split(';')[0]}")[0] == 200, other
        by_number = {"Host": "192.168.1.7:9000", "Authorization": f"Bearer {TOKEN}"}
        assert monitor.ask("GET", "/api/runs", **by_number)[0] == 200
