"""Hardware settings of interfaces, by ethtool's interfaces of the kernel."""
