"""What benchmarks reckon with, without a cluster."""
