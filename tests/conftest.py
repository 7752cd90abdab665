"""Being here, it lets pytest import `testkit` from this directory (rootdir-relative "prepend" import mode)."""

import os

from hypothesis import settings

# A run of CI judges the change at hand, so it tries the same examples each time; what a random search finds becomes an @example.
# HYPOTHESIS_SEARCH=random make test-first ARGS=tests/gnss: other examples each time.
settings.register_profile("same", derandomize=True)
settings.register_profile("random")
settings.load_profile("random" if os.environ.get("HYPOTHESIS_SEARCH") == "random" else "same")
