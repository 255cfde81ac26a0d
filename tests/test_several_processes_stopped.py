"""Somebody at a monitor's page stops a fit of two processes."""

from posting import Server, answer
from processes import run


class Monitor(Server):
    """Asks whoever posts to stop."""

    @property
    def reply(self):
        ours = {"X_Epochal_Monitor": "2", "X_Epochal_Events": "500"}
        return answer("200 OK", **ours, X_Epochal_Stop=self.requests[-1][2]["x-epochal-run"])

    @reply.setter
    def reply(self, _):
        pass


def test_all_processes_stop_after_the_same_epoch():
    with Monitor() as monitor:
        ended = run("stopped_by_monitor.py", monitor.root, limit=60)
        states = [headers.get("x-epochal-state") for _, _, headers, _ in monitor.requests]
        runs = {headers["x-epochal-run"] for _, _, headers, _ in monitor.requests}
    for outcome in ended:
        assert outcome.code == 0, outcome.output
        assert "epochs: [0, 1] True" in outcome.output
    assert (states[-1], len(runs)) == ("stopped", 1)
