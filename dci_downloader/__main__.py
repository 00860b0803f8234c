"""``python -m dci_downloader``."""

import sys

from dci_downloader.cli.start import main

sys.exit(main())
