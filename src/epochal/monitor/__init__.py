"""The live monitor: a small server that keeps what `RemoteMonitor` posts, and the page that shows it.

protocol.py   connections: how many there may be, and how long each may take
security.py   who may ask: Host, Origin and token, before anything else runs
app.py        the addresses, all of them together
api.py        what the page asks for, and what people say of runs
assets.py     the page's files: compressed once, at addresses that change with them
event.py      one posted event, checked
publish.py    a post, from its body to the answer
limits.py     how much is taken from anybody
commits.py    many posts, one commit; a post is acknowledged when it is committed
database.py   the SQLite file: opened, locked, written as a whole or not at all
schema.py     its tables, and how an earlier version's file gets them
store.py      the runs in it: events added, runs edited and deleted
runs.py       a run in the file, and its summary
changes.py    what changes a summary: events, what the client says, and people
standing.py   how a run is getting on: speed, time left, best values
retention.py  old runs deleted
backup.py     a copy of the file, made while it is written
transfer.py   runs as text, for another monitor
health.py     how the monitor itself is
reading.py    charts and tables from the file
series.py     the points of a metric, as the page takes them
smoothing.py  the smoothed curve of a series
thinning.py   fewer points, the same picture
stream.py     what changed, to everybody who looks
server.py     all of it on one address
static/       the page
"""
