"""One host: workloads, the reconcile loop, the journal and verification. Runs as root.

Everything that touches the kernel is asked of `netpersona.datapath`; everything that is wanted
comes from the manager over HTTP.
"""
