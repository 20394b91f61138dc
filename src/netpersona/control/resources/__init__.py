"""Resources: what all kinds share, and what some have of their own."""
