"""The one loop, the Capability contract, discovery, queue and leader election."""
