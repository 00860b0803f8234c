"""How bytes come in: ranges and policy without I/O, and the engine on libcurl."""
