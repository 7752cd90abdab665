"""What tests of several rooms share: devices for machines that have none, seen by unmodified programs through their real system calls,
and the states that servers are given.
"""
