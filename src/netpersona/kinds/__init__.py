"""Kinds of documents that a person writes, and what they share: units, formats, problems.

Pure: no kernel, no network.
"""
