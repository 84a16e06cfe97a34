"""Many devices: bundles in a registry, signed channels, and the agent that follows one."""
