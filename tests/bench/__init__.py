"""Programs that measure, and what they measure with; `make bench`, `make bench-cost`, `make bench-timing`, `make bench-kernel`."""
