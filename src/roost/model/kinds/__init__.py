"""One module per core kind of `roost.dev/v1alpha1`. `roost.kernel.discovery` finds them all."""
