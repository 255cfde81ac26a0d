"""Files that survive kills and full disks, the background writer, a run's file; no framework."""
