//! What Python sees of TLS: the interface of `stratum1/nts/tls.py`. The GIL is free while certificates and handshakes are worked on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::tls::{Client, Fault, Server, Session};

create_exception!(
    stratum1._dataplane,
    TlsError,
    PyException,
    "The peer does not speak TLS 1.3 as we need it, or a certificate or key can't be used; the message says why."
);

/// Adds the classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("TlsError", module.py().get_type::<TlsError>())?;
    module.add_class::<TlsServer>()?;
    module.add_class::<TlsClient>()?;
    module.add_class::<TlsSession>()
}

fn raised(fault: Fault) -> PyErr {
    TlsError::new_err(fault)
}

/// A server's certificate chain and key, ready for any number of sessions.
#[pyclass(frozen, module = "stratum1._dataplane")]
struct TlsServer(Server);

#[pymethods]
impl TlsServer {
    #[new]
    #[pyo3(signature = (chain, key, client_authority = None))]
    fn new(py: Python<'_>, chain: &[u8], key: &[u8], client_authority: Option<&[u8]>) -> PyResult<Self> {
        py.detach(|| Server::new(chain, key, client_authority)).map(Self).map_err(raised)
    }

    /// A new connection.
    fn session(&self) -> PyResult<TlsSession> {
        self.0.session().map(TlsSession::new).map_err(raised)
    }
}

/// The authorities that a client believes, ready for any number of sessions.
#[pyclass(frozen, module = "stratum1._dataplane")]
struct TlsClient(Client);

#[pymethods]
impl TlsClient {
    #[new]
    #[pyo3(signature = (authorities, chain = None, key = None))]
    fn new(py: Python<'_>, authorities: &[u8], chain: Option<&[u8]>, key: Option<&[u8]>) -> PyResult<Self> {
        let own = match (chain, key) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            (Some(_), None) => return Err(raised("key: it is missing, there is a certificate".to_owned())),
            (None, Some(_)) => return Err(raised("certificate: it is missing, there is a key".to_owned())),
        };
        py.detach(|| Client::new(authorities, own)).map(Self).map_err(raised)
    }

    /// A new connection to a server that has to prove this name (or address).
    fn session(&self, py: Python<'_>, server_name: &str) -> PyResult<TlsSession> {
        py.detach(|| self.0.session(server_name)).map(TlsSession::new).map_err(raised)
    }
}

/// One connection's TLS.
#[pyclass(frozen, module = "stratum1._dataplane")]
struct TlsSession(Mutex<Session>);

impl TlsSession {
    fn new(session: Session) -> Self {
        Self(Mutex::new(session))
    }

    /// Only one thread at a time is in a session; after a panic in there the session is as it is, and its peer may hear nonsense.
    fn lock(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl TlsSession {
    /// Whether the handshake is still under way: no key can be exported yet.
    #[getter]
    fn handshaking(&self) -> bool {
        self.lock().handshaking()
    }

    /// The protocol agreed upon, None without one.
    #[getter]
    fn alpn<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.lock().alpn().map(|name| PyBytes::new(py, name))
    }

    /// The peer's leaf (DER), verified; None without one.
    #[getter]
    fn peer_certificate<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.lock().peer_certificate().map(|certificate| PyBytes::new(py, certificate))
    }

    /// Whether the peer has said that it sends no more.
    #[getter]
    fn closed(&self) -> bool {
        self.lock().closed()
    }

    /// Take what came from the peer. Raises TlsError; `outgoing` may have an alert then.
    fn receive(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        py.detach(|| self.lock().receive(data)).map_err(raised)
    }

    /// What the peer has said since the last call.
    fn plaintext<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lock().plaintext())
    }

    /// Say something, once the handshake is over. Raises TlsError where more than 64 KiB wait to be sent.
    fn send(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        py.detach(|| self.lock().send(data)).map_err(raised)
    }

    /// What has to be sent to the peer now.
    fn outgoing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.lock().outgoing().map_err(raised)?))
    }

    /// Queue close_notify.
    fn close(&self) {
        self.lock().close();
    }

    /// Key material (RFC 8446, section 7.5).
    fn export<'py>(&self, py: Python<'py>, label: &[u8], context: &[u8], length: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.lock().export(label, context, length).map_err(raised)?))
    }
}
