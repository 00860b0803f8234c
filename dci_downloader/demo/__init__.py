"""An embedded control server and object store with a sample compose."""
