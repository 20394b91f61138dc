"""The REST API: from bytes of a socket to a call of the service, and back."""
