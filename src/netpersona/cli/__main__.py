"""`python -m netpersona.cli`: the command where no script is installed."""

import sys

from netpersona.cli import main

sys.exit(main())
