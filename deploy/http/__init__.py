"""The HTTP app: what everybody who asks goes through, and the routes of all packages."""
