"""What is done with resources: assigning personas, verifying links."""
