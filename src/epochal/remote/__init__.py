"""Events delivered to a server in the background; what `RemoteMonitor` holds."""
