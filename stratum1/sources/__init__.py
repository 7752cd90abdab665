"""Other servers as sources of time. So far: one question to one server."""

from ._query import Answer, QueryError, query

__all__ = ["Answer", "QueryError", "query"]
