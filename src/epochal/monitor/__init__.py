"""The live monitor: a small server that keeps what `RemoteMonitor` posts, and the page that shows it.

protocol.py   connections: how many there may be, and how long each may take
security.py   who may ask: Host, Origin and token, before anything else runs
app.py        the addresses: what is posted, what the page asks for
event.py      one posted event, checked
writer.py     many posts, one commit; a post is acknowledged when it is committed
store.py      the SQLite file
thinning.py   fewer points, the same picture
stream.py     what changed, to everybody who looks
server.py     all of it on one address
static/       the page
"""
