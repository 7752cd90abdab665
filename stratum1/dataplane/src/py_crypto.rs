//! What Python sees of the cryptography: cookies for key establishment, and every function against its vectors.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::aead::{self, Algorithm, TAG};
use crate::cookie::{self, ClientKeys, MasterContext};
use crate::digest::{MAX_LENGTH, MacKey};

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(seal_cookie, module)?)?;
    module.add_function(wrap_pyfunction!(open_cookie, module)?)?;
    module.add_function(wrap_pyfunction!(aead_seal, module)?)?;
    module.add_function(wrap_pyfunction!(aead_open, module)?)?;
    module.add_function(wrap_pyfunction!(digest_mac, module)?)
}

fn wrong(field: &str, right: impl std::fmt::Display, given: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{field}: {right} expected, not {given}"))
}

fn algorithm(id: u16) -> PyResult<Algorithm> {
    Algorithm::from_id(id).ok_or_else(|| wrong("aead", "15, 16, 17 or 30 is", id))
}

fn of_length(field: &str, octets: &[u8], right: usize) -> PyResult<()> {
    if octets.len() == right {
        return Ok(());
    }
    Err(wrong(field, format_args!("{right} octets are"), octets.len()))
}

fn master_context(key_id: u32, secret: &[u8]) -> PyResult<MasterContext> {
    of_length("master", secret, cookie::SECRET)?;
    MasterContext::new(key_id, secret).map_err(|_| wrong("key_id", "a number below 2^24 is", key_id))
}

/// A cookie with a client's keys, sealed under the master key `key_id`. version5: the keys are those of NTPv5.
#[pyfunction]
#[pyo3(signature = (master, key_id, aead, c2s, s2c, nonce, version5 = false))]
#[allow(clippy::too_many_arguments, reason = "they are what a cookie is made of")]
fn seal_cookie<'py>(
    py: Python<'py>,
    master: &[u8],
    key_id: u32,
    aead: u16,
    c2s: &[u8],
    s2c: &[u8],
    nonce: &[u8],
    version5: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let algorithm = algorithm(aead)?;
    of_length("c2s", c2s, algorithm.key_length())?;
    of_length("s2c", s2c, algorithm.key_length())?;
    let nonce: &[u8; cookie::NONCE] = nonce.try_into().map_err(|_| wrong("nonce", "16 octets are", nonce.len()))?;
    let context = master_context(key_id, master)?;
    let refused = |_| PyValueError::new_err("the cookie can't be sealed");
    let keys = ClientKeys::of(algorithm, version5, c2s, s2c).map_err(refused)?;
    let mut out = [0; cookie::MAX_LENGTH];
    let out = &mut out[..cookie::length(algorithm)];
    context.seal(&keys, nonce, out).map_err(refused)?;
    Ok(PyBytes::new(py, out))
}

/// AEAD, C2S key, S2C key, whether they are those of NTPv5.
type Opened<'py> = (u16, Bound<'py, PyBytes>, Bound<'py, PyBytes>, bool);

/// AEAD, C2S and S2C key and `version5` out of a cookie; None where it is not one of this master key.
#[pyfunction]
fn open_cookie<'py>(py: Python<'py>, master: &[u8], key_id: u32, cookie: &[u8]) -> PyResult<Option<Opened<'py>>> {
    let mut keys = ClientKeys::new();
    if master_context(key_id, master)?.open(cookie, &mut keys).is_err() {
        return Ok(None);
    }
    Ok(Some((keys.algorithm().id(), PyBytes::new(py, keys.c2s()), PyBytes::new(py, keys.s2c()), keys.version5())))
}

fn checked(aead: u16, key: &[u8], nonce: &[u8]) -> PyResult<Algorithm> {
    let algorithm = algorithm(aead)?;
    of_length("key", key, algorithm.key_length())?;
    if !algorithm.takes_nonce(nonce.len()) {
        let right = if algorithm == Algorithm::GcmSiv { "12 octets are" } else { "at least one octet is" };
        return Err(wrong("nonce", right, nonce.len()));
    }
    Ok(algorithm)
}

/// The sealed text: for SIV synthetic IV and ciphertext, for GCM-SIV ciphertext and tag.
#[pyfunction]
fn aead_seal<'py>(py: Python<'py>, aead: u16, key: &[u8], nonce: &[u8], associated: &[u8], text: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let algorithm = checked(aead, key, nonce)?;
    let mut out = vec![0; text.len() + TAG];
    out[algorithm.offset()..][..text.len()].copy_from_slice(text);
    aead::seal(algorithm, key, associated, nonce, &mut out).map_err(|_| PyValueError::new_err("the text can't be sealed"))?;
    Ok(PyBytes::new(py, &out))
}

/// The text; None where it is not what was sealed.
#[pyfunction]
fn aead_open<'py>(
    py: Python<'py>,
    aead: u16,
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
    sealed: &[u8],
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let algorithm = checked(aead, key, nonce)?;
    let mut text = sealed.to_vec();
    Ok(aead::open(algorithm, key, associated, nonce, &mut text).ok().map(|plain| PyBytes::new(py, plain)))
}

/// The MAC of a packet without its key id: 16 octets for md5, aes128 and aes256, else 20.
#[pyfunction]
fn digest_mac<'py>(py: Python<'py>, kind: &str, secret: &[u8], data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = MacKey::new(kind, secret).map_err(PyValueError::new_err)?;
    let mut out = [0; MAX_LENGTH];
    let length = key.write(data, &mut out);
    Ok(PyBytes::new(py, &out[..length]))
}
