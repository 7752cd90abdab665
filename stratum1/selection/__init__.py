"""Which sources agree (RFC 5905, section 11.2). Not there yet: the reference clock is the only source that steers."""
