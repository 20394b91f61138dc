"""What watchers are told, and who of them."""
