"""Policies of adaptation: when which persona is put on, by what is measured. Pure."""
