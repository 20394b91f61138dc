"""A virtual machine with Debian's stock kernel and the files of this one; docs/virtual-machine.md."""
