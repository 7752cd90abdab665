"""The packet hot path in native code: the place of the Rust crate. It is not built yet; the Python plane (`stratum1.server`) answers."""
