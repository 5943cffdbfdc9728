"""One file a migration, `r` and its revision first; a released one never changes."""
