"""Being here, it lets pytest import `testkit` from this directory (rootdir-relative "prepend" import mode)."""
