"""Quality metrics and the benchmark tables."""
