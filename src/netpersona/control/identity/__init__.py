"""Who asks, under which name of ours, and what every call carries of it."""
