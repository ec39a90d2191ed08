"""Several nodes on one machine: joining, draining, losing one of three under load, restoring. Long; marked full."""
