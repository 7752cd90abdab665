"""Looks over the host and the configuration, says what is wrong and what to do; changes nothing.

Checks are functions of the configuration and of a `Host`, which tests replace by a tree of files.
"""

from ._examine import examine, exit_status
from ._finding import Finding, Level
from ._host import Host, Space, Who

__all__ = ["Finding", "Host", "Level", "Space", "Who", "examine", "exit_status"]
