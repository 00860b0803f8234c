"""Which release of the program this is; nothing else, so that every wing may know it."""

VERSION = "4.0.0"
USER_AGENT = f"dci-downloader/{VERSION}"
