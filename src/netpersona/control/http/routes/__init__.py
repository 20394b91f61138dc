"""The routers of the API, one noun each."""
