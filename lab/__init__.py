"""The laboratory: real namespaces and real traffic for the demo, the benchmark and the tests.

Not part of the product, and not installed with it.
"""
