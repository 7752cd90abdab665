"""Where the list of leap seconds comes from: files of the system, the copy that comes with us, and a fetched one. Shell of `leaps`."""

from ._fetch import FetchError, LeapFetcher
from ._files import LeapLists, packaged_list, read_list
from ._watch import LeapWatch, system_paths

__all__ = ["FetchError", "LeapFetcher", "LeapLists", "LeapWatch", "packaged_list", "read_list", "system_paths"]
