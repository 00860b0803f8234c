"""The status page: what a mirror holds, as one file of HTML."""
