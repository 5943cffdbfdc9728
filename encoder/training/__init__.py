"""Training of the default bundle's video and text towers."""
