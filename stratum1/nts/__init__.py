"""Network Time Security (RFC 8915): key establishment, cookies and AEADs. Not there yet: `[nts-ke]` is read, nothing listens."""
