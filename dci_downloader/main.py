"""``python -m dci_downloader.main``: how older units of agents start the program."""

import sys

from dci_downloader.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
