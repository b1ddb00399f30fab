"""What pyvirt does: plans of `virt` carried out through `io`."""
