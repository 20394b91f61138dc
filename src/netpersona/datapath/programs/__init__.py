"""The kernel programs of bpf/ as a driver, with a fake of it beside it."""
