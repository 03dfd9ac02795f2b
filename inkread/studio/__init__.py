"""The web application `inkread studio` and the HTTP API of `inkread serve`. Needs the extra `studio`."""
