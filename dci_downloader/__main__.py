"""``python -m dci_downloader``."""

import sys

from dci_downloader.cli import main

sys.exit(main())
