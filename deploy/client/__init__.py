"""A Watchword server, asked over HTTP: what `watchword query|camera|alerts|...` stand on."""
