//! The responder for Python: settings, and one responder with tables of its own, which tests compare with the Python one.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::access::{Action, Address, Sender};
use crate::cookie::MasterContext;
use crate::digest::MacKey;
use crate::limit::RateLimit;
use crate::nts::Ring;
use crate::reasons::{Protection, Reason, Response};
use crate::reply::{Arrival, Responder};
use crate::service::{Entropy, Listener, REFERENCE_IDS, Service, Tables};
use crate::state::{State, WORDS};
use crate::wire::MAX_REQUEST;

type AccessRule = (Vec<u8>, u32, String);
type Limit = (i64, i64, u16, u16, usize);
type Key = (u32, String, Vec<u8>);
type MasterKey = (u32, Vec<u8>);
type KeyRing = (MasterKey, Vec<MasterKey>, Vec<u32>);

fn sender_of(octets: &[u8], port: u16) -> PyResult<Sender> {
    let address = Address::from_octets(octets);
    let address = address.ok_or_else(|| PyValueError::new_err(format!("address: {} octets, not 4 or 16", octets.len())))?;
    Ok(Sender { address, port })
}

fn slots(name: &str, count: usize) -> PyResult<usize> {
    let right = count.is_power_of_two() && (1 << 8..=1 << 22).contains(&count);
    right.then_some(count).ok_or_else(|| PyValueError::new_err(format!("{name}: {count} is no power of two from 2^8 to 2^22")))
}

/// What all listeners share, see `ServiceSettings`. Raises ValueError for what can't be.
#[pyclass(frozen, name = "Service")]
pub struct PyService {
    /// For the packet path.
    pub inner: Arc<Service>,
}

#[pymethods]
impl PyService {
    #[new]
    #[pyo3(signature = (*, keys, rate_limit, interleaved_slots, ntpv5, nts, hash_seed, reference_ids))]
    fn new(
        keys: Vec<Key>,
        rate_limit: Option<Limit>,
        interleaved_slots: usize,
        ntpv5: bool,
        nts: Option<KeyRing>,
        hash_seed: u64,
        reference_ids: Vec<u8>,
    ) -> PyResult<Self> {
        let count = reference_ids.len();
        let unfit = |_| PyValueError::new_err(format!("reference_ids: {count} octets, not {REFERENCE_IDS}"));
        let reference_ids = reference_ids.try_into().map_err(unfit)?;
        let rate_limit = rate_limit.map(limit).transpose()?;
        if interleaved_slots != 0 {
            slots("interleaved_slots", interleaved_slots)?;
        }
        let mut service = Service { rate_limit, interleaved_slots, ntpv5, hash_seed, reference_ids, ..Service::default() };
        for (key_id, kind, secret) in keys {
            let key = MacKey::new(&kind, &secret).map_err(|error| PyValueError::new_err(format!("key {key_id}: {error}")))?;
            service.keys.add(key_id, key);
        }
        service.nts = nts.map(ring).transpose()?;
        Ok(Self { inner: Arc::new(service) })
    }
}

fn ring((current, accepted, expired): KeyRing) -> PyResult<Ring> {
    let accepted = accepted.iter().map(master).collect::<PyResult<_>>()?;
    Ok(Ring::new(master(&current)?, accepted, expired))
}

fn master((key_id, secret): &MasterKey) -> PyResult<MasterContext> {
    MasterContext::new(*key_id, secret)
        .map_err(|_| PyValueError::new_err("nts: a master key has an id of 24 bits and a secret of 32 octets"))
}

fn limit((interval_ns, burst, leak, kiss, count): Limit) -> PyResult<RateLimit> {
    if !(1 << 20..=1 << 36).contains(&interval_ns) {
        return Err(PyValueError::new_err(format!("rate limit: an interval of {interval_ns} ns is not within 2^20 to 2^36")));
    }
    if !(1..=255).contains(&burst) {
        return Err(PyValueError::new_err(format!("rate limit: a burst of {burst} is not within 1 to 255")));
    }
    if leak.checked_add(kiss).is_none_or(|sum| sum > 256) {
        return Err(PyValueError::new_err(format!("rate limit: leak {leak} and kiss {kiss} are more than 256 together")));
    }
    Ok(RateLimit { interval_ns, burst, leak, kiss, slots: slots("rate limit", count)? })
}

/// What is one listener's own, see `ListenerSettings`; own: addresses (4 or 16 octets) and ports that the server listens at.
#[pyclass(frozen, name = "Listener")]
pub struct PyListener {
    /// For the packet path.
    pub inner: Arc<Listener>,
}

#[pymethods]
impl PyListener {
    #[new]
    #[pyo3(signature = (*, access, require_nts, nts_only_silence, own))]
    fn new(access: Vec<AccessRule>, require_nts: bool, nts_only_silence: bool, own: Vec<(Vec<u8>, u16)>) -> PyResult<Self> {
        let mut listener = Listener { require_nts, nts_only_silence, ..Listener::default() };
        for (network, length, action) in access {
            add_rule(&mut listener, &network, length, &action)?;
        }
        listener.own = own.iter().map(|(octets, port)| sender_of(octets, *port)).collect::<PyResult<_>>()?;
        Ok(Self { inner: Arc::new(listener) })
    }
}

fn add_rule(listener: &mut Listener, network: &[u8], length: u32, action: &str) -> PyResult<()> {
    let address = sender_of(network, 0)?.address;
    if length as usize > 8 * network.len() {
        return Err(PyValueError::new_err(format!("access: a prefix of {length} bits is longer than its address")));
    }
    let action = match action {
        "allow" => Action::Allow,
        "deny" => Action::Deny,
        "ignore" => Action::Ignore,
        "require-nts" => Action::RequireNts,
        _ => return Err(PyValueError::new_err(format!("access: {action:?} is no action"))),
    };
    listener.access.add(address, length, action);
    Ok(())
}

/// Octets that a test chose, and zeros after them; counts what was drawn.
struct Chosen<'a> {
    octets: &'a [u8],
    drawn: usize,
}

impl Entropy for Chosen<'_> {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            *octet = self.octets.get(self.drawn).copied().unwrap_or(0);
            self.drawn += 1;
        }
    }
}

/// Places of reason, response and protection in their enumerations after the version, then the reply, the saved key, and how many
/// random octets were drawn.
type Told<'py> = (u8, u8, u8, u8, Option<Bound<'py, PyBytes>>, Option<u64>, usize);

/// The native responder with tables of its own.
#[pyclass(frozen)]
pub struct PureResponder {
    service: Arc<Service>,
    listener: Arc<Listener>,
    tables: Tables,
    state: std::sync::Mutex<State>,
}

#[pymethods]
impl PureResponder {
    #[new]
    fn new(service: &PyService, listener: &PyListener, state: Vec<u64>) -> PyResult<Self> {
        Ok(Self {
            tables: Tables::new(&service.inner),
            service: Arc::clone(&service.inner),
            listener: Arc::clone(&listener.inner),
            state: std::sync::Mutex::new(parse(&state)?),
        })
    }

    /// Takes another state, as words of `state_words`.
    fn publish(&self, state: Vec<u64>) -> PyResult<()> {
        *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = parse(&state)?;
        Ok(())
    }

    /// Answers one datagram.
    fn reply<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        sender: (&[u8], u16),
        receive_ns: i64,
        transmit_ns: i64,
        entropy: &[u8],
    ) -> PyResult<Told<'py>> {
        let state = *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let responder = Responder { service: &self.service, listener: &self.listener, tables: &self.tables, state: &state };
        let arrival = Arrival { sender: sender_of(sender.0, sender.1)?, receive_ns, transmit_ns };
        let mut chosen = Chosen { octets: entropy, drawn: 0 };
        let mut out = [0; MAX_REQUEST];
        let outcome = responder.reply(request, &arrival, &mut chosen, &mut out);
        let record = outcome.record;
        let octets = (outcome.len > 0).then(|| PyBytes::new(py, out.get(..outcome.len).unwrap_or_default()));
        let places = (record.reason as u8, record.response as u8, record.protection as u8);
        Ok((record.version, places.0, places.1, places.2, octets, outcome.saved, chosen.drawn))
    }

    /// Served time from a stamp of CLOCK_REALTIME, or of CLOCK_MONOTONIC; None where the state has no mapping of that clock.
    fn served(&self, stamp_ns: i64, monotonic: bool) -> Option<i64> {
        let state = *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mapping = if monotonic { state.monotonic } else { state.realtime };
        mapping.map(|mapping| mapping.served(stamp_ns))
    }

    /// Tells the interleaved table when a reply left, served ns.
    fn sent(&self, key: u64, tx_ns: i64) {
        self.tables.interleaved.sent(key, tx_ns);
    }

    /// Forgets all stamps of interleaved mode.
    fn clear(&self) {
        self.tables.interleaved.clear();
    }
}

fn parse(words: &[u64]) -> PyResult<State> {
    let words: &[u64; WORDS] = words.try_into().map_err(|_| PyValueError::new_err(format!("state: {} words, not {WORDS}", words.len())))?;
    Ok(State::from_words(words))
}

/// Adds what Python sees of this module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyService>()?;
    module.add_class::<PyListener>()?;
    module.add_class::<PureResponder>()?;
    module.add("STATE_WORDS", WORDS)?;
    module.add("REASONS", Reason::ALL.iter().map(|reason| reason.name()).collect::<Vec<_>>())?;
    module.add("RESPONSES", Response::ALL.iter().map(|response| response.name()).collect::<Vec<_>>())?;
    module.add("PROTECTIONS", Protection::ALL.iter().map(|protection| protection.name()).collect::<Vec<_>>())?;
    Ok(())
}
