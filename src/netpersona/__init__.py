"""Give any workload a network persona: switched live in microseconds, verified and explained."""
