"""Speed, measured as ratios between contestants that alternate within one run."""
