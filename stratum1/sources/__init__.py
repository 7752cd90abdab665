"""Other servers as sources of time. So far: one question to one server; with NTS by `stratum1.sources.nts`, which takes longer to load."""

from ._query import Answer, QueryError, query

__all__ = ["Answer", "QueryError", "query"]
