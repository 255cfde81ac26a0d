"""Events delivered to a server in the background for `RemoteMonitor`."""
