//! The packet hot path of stratum1, built as the Python module `stratum1._dataplane`.
//!
//! The Python responder (`stratum1/server/reply.py`) is the specification: for the same request, settings, state, times and random
//! octets this crate gives the same octets and the same record, and a differential test says so. Nothing here takes the GIL while a
//! packet is answered. Each module that Python sees has a `register` function.

use pyo3::prelude::*;

pub mod access;
pub mod aead;
pub mod calibrate;
pub mod cmac;
pub mod cookie;
pub mod counters;
pub mod digest;
pub mod fields;
pub mod gcm_siv;
pub mod header;
pub mod interleave;
pub mod judge;
pub mod limit;
pub mod load;
pub mod load_clients;
pub mod load_error;
pub mod load_histogram;
pub mod load_ke;
pub mod mac;
pub mod net;
pub mod net_load;
pub mod nts;
mod py_crypto;
pub mod py_load;
pub mod py_plane;
pub mod py_responder;
mod py_tls;
pub mod reasons;
pub mod reply;
pub mod rest;
pub mod seqlock;
pub mod service;
pub mod siv;
pub mod smear;
pub mod stamps;
pub mod stamps_card;
pub mod state;
pub mod tls;
mod tls_pem;
pub mod v5;
pub mod v5_fields;
#[cfg(test)]
mod vectors;
pub mod wire;
pub mod worker;
pub mod worker_batch;
pub mod worker_shared;

/// The native part of the data plane. Import it by `stratum1.dataplane`, which says why where it is missing.
#[pymodule]
fn _dataplane(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    py_crypto::register(module)?;
    py_plane::register(module)?;
    py_load::register(module)?;
    py_responder::register(module)?;
    py_tls::register(module)?;
    Ok(())
}
