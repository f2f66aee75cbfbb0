"""Build hook: the wheel and the sdist carry the pinned browser packages and the themes.

It checks, it never downloads: a build that reaches for the network breaks offline and in
distributions, and a package of unknown content is worse than a failed build.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckVendored(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # reads runtime/vendor/ and themes/ in place, and fetches on the first build
        root = Path(self.root)
        sys.path.insert(0, str(root))
        from sitegen import vendor
        from sitegen.errors import VendorError

        try:
            vendor.check(root / "sitegen" / "runtime" / "vendor")
        except VendorError as error:
            raise SystemExit(f"sitegen cannot be packaged: {error}") from None
        if self.target_name == "wheel":
            # Here and not in pyproject.toml, because an editable install must not receive a copy
            # of themes/ that goes stale.
            build_data["force_include"][str(root / "themes")] = "sitegen/themes"
