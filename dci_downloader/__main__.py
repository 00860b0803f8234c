"""``python -m dci_downloader``."""

import sys

from dci_downloader.cli.main import main

sys.exit(main())
