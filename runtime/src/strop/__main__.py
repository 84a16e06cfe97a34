"""`python -m strop` runs the same command as `strop`."""

import sys

from strop.cli import main

sys.exit(main())
