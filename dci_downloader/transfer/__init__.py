"""How bytes come in: ranges and policy without I/O, and the engine: a pipeline on libcurl, or two in two processes."""
