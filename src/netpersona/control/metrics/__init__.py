"""What Prometheus may read."""
