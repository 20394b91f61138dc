"""``python -m netpersona.control.write_openapi FILE``: the OpenAPI document as it is committed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from netpersona.control import FakeStore, NoAuth, Service, create_app


def main() -> None:
    document = create_app(Service(FakeStore()), NoAuth()).openapi()
    Path(sys.argv[1]).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
