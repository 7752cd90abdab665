"""Network Time Security (RFC 8915): both sides of key establishment as state machines, AEADs, cookies and the master keys. Pure."""
