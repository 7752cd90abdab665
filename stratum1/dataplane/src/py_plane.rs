//! The workers for Python: `stratum1/server/_native_plane.py` opens the sockets and says what is served, this runs the threads.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::counters::{Count, Counters};
use crate::net::{self, Endpoint, Stamping};
use crate::py_responder::{PyListener, PyService};
use crate::reasons::Record;
use crate::service::{Service, Tables};
use crate::stamps_card::Card;
use crate::state::WORDS;
use crate::worker;
use crate::worker_shared::{Post, Settings, Shared};

type Words = Vec<u64>;
/// Version, places of reason, response and protection, and how often.
type Row = (u8, u8, u8, u8, u64);

/// Threads that answer at sockets which they own.
#[pyclass(frozen)]
pub struct Workers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[pymethods]
impl Workers {
    /// For `count` workers, not yet started. states: words for each listener. Raises ValueError for numbers that do not fit.
    #[new]
    fn new(count: usize, service: &PyService, listeners: Vec<Bound<'_, PyListener>>, states: Vec<Words>) -> PyResult<Self> {
        let states = all_words(&states, listeners.len())?;
        if !(1..=256).contains(&count) || states.is_empty() {
            return Err(PyValueError::new_err(format!("{count} workers at {} listeners: 1 to 256 and at least 1", states.len())));
        }
        let settings = Settings {
            tables: Arc::new(Tables::new(&service.inner)),
            service: Arc::clone(&service.inner),
            listeners: listeners.iter().map(|listener| Arc::clone(&listener.get().inner)).collect(),
            cards: Arc::default(),
        };
        Ok(Self { shared: Arc::new(Shared::new(count, settings, &states)?), threads: Mutex::default() })
    }

    /// Begin to answer, once. Raises OSError if no thread can be had.
    fn start(&self) -> PyResult<()> {
        let mut threads = self.threads();
        for index in 0..self.shared.posts().len() {
            threads.push(worker::start(Arc::clone(&self.shared), index)?);
        }
        Ok(())
    }

    /// Convert the stamps of network cards from now on: the index of each card's interface and the path of its clock. Raises OSError
    /// where a clock can't be read. Once, before `start`.
    fn use_cards(&self, cards: Vec<(u32, String)>) -> PyResult<()> {
        let opened = cards.iter().map(|(interface, path)| Card::open(*interface, path)).collect::<std::io::Result<Vec<_>>>()?;
        self.shared.configure(|old| Settings { cards: Arc::new(opened), ..old.clone() });
        self.threads().push(worker::track_cards(Arc::clone(&self.shared))?);
        Ok(())
    }

    /// Stop answering at once, wait for the threads' end, close the sockets; counters stay readable.
    fn stop(&self, py: Python<'_>) {
        self.shared.stop();
        py.detach(|| {
            for thread in self.threads().drain(..) {
                thread.thread().unpark(); // the one that reads the cards' clocks sleeps
                let _ = thread.join(); // its panics were caught and told
            }
            self.shared.close();
        });
    }

    /// Whether every worker runs.
    #[getter]
    fn alive(&self) -> bool {
        let threads = self.threads();
        !threads.is_empty() && threads.iter().all(|thread| !thread.is_finished())
    }

    /// Give a worker a bound socket, by a descriptor that nobody else will close; returns its name for `remove`. hardware: whether
    /// stamps of network cards are wanted. Raises OSError if it can't stamp.
    fn add(&self, worker: usize, listener: usize, descriptor: i32, hardware: bool) -> PyResult<u64> {
        let stamping = if hardware { Stamping::Hardware } else { Stamping::Software };
        let endpoint = Endpoint::take(descriptor, stamping)?;
        if worker >= self.shared.posts().len() || listener >= self.shared.listeners() {
            return Err(PyValueError::new_err(format!("there is no worker {worker}, or no listener {listener}")));
        }
        Ok(self.shared.add(worker, listener, endpoint))
    }

    /// Close a socket after what waits in it was answered.
    fn remove(&self, socket: u64) {
        self.shared.remove(socket);
    }

    /// Serve these states: words for each listener. Raises ValueError if their numbers do not fit.
    fn publish(&self, states: Vec<Words>) -> PyResult<()> {
        let states = all_words(&states, self.shared.listeners())?;
        self.shared.publish(&states);
        Ok(())
    }

    /// Serve by other settings; tables stay while their sizes and the seed do.
    fn configure(&self, service: &PyService, listeners: Vec<Bound<'_, PyListener>>) -> PyResult<()> {
        if listeners.len() != self.shared.listeners() {
            return Err(PyValueError::new_err(format!("{} listeners, not {}", listeners.len(), self.shared.listeners())));
        }
        let listeners = listeners.iter().map(|listener| Arc::clone(&listener.get().inner)).collect();
        let service = Arc::clone(&service.inner);
        self.shared.configure(|old| Settings { tables: tables(old, &service), service, listeners, cards: Arc::clone(&old.cards) });
        Ok(())
    }

    /// What was counted at a listener: the rows of its records that are not 0, the other counts in the order of OTHER_COUNTS, and the
    /// datagrams that the kernel dropped. Raises ValueError if there is no such listener.
    fn counters(&self, listener: usize) -> PyResult<(Vec<Row>, Vec<u64>, u64)> {
        if listener >= self.shared.listeners() {
            return Err(PyValueError::new_err(format!("there is no listener {listener}")));
        }
        let counters = || self.shared.posts().iter().filter_map(|post| post.counters.get(listener));
        let mut sums = vec![0; Record::COUNT];
        counters().for_each(|each: &Counters| each.add_records_to(&mut sums));
        let rows = sums.iter().enumerate().filter(|(_, count)| **count > 0).filter_map(|(index, count)| row(index, *count));
        let others = (0..Count::COUNT).map(|what| counters().map(|each| each.get(what)).sum());
        Ok((rows.collect(), others.collect(), self.shared.drops(listener)))
    }

    /// About how many entries of the rate limit's table (full buckets are none) and of the interleaved table are used, at a served time.
    fn tables_used(&self, served_ns: i64) -> (usize, usize) {
        let tables = self.shared.settings().1.tables;
        (tables.rate.used(served_ns), tables.interleaved.used())
    }

    /// How often workers were started again after a panic, and what the last one said; by worker.
    fn panics(&self) -> Vec<(u64, String)> {
        self.shared.posts().iter().map(|post| (post.panics.load(Ordering::Relaxed), post.told())).collect()
    }

    /// The delay of a plain reply by which transmit times are advanced, ns, the largest of all workers; None: not measured.
    fn send_delay_ns(&self) -> Option<i64> {
        let of = |post: &Post| post.send_delay_ns.load(Ordering::Relaxed);
        self.shared.posts().iter().map(of).filter(|delay| *delay >= 0).max()
    }

    /// Have one worker panic, to see what becomes of it (tests).
    fn provoke_panic(&self, worker: usize) -> PyResult<()> {
        if worker >= self.shared.posts().len() {
            return Err(PyRuntimeError::new_err(format!("there is no worker {worker}")));
        }
        self.shared.provoke(worker);
        Ok(())
    }
}

impl Workers {
    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.stop(); // the threads end by themselves
    }
}

fn all_words(states: &[Words], listeners: usize) -> PyResult<Vec<[u64; WORDS]>> {
    if states.len() != listeners {
        return Err(PyValueError::new_err(format!("states: {} for {listeners} listeners", states.len())));
    }
    let fixed = states.iter().map(|words| words.as_slice().try_into().ok()).collect::<Option<_>>();
    fixed.ok_or_else(|| PyValueError::new_err(format!("states: each has {WORDS} words")))
}

fn tables(old: &Settings, service: &Service) -> Arc<Tables> {
    let sizes = |service: &Service| {
        let rate = service.rate_limit.map_or(0, |limit| limit.slots);
        (rate, service.interleaved_slots, service.hash_seed)
    };
    if sizes(&old.service) == sizes(service) { Arc::clone(&old.tables) } else { Arc::new(Tables::new(service)) }
}

fn row(index: usize, count: u64) -> Option<Row> {
    let Record { version, reason, response, protection } = Record::at(index)?;
    Some((version, reason as u8, response as u8, protection as u8, count))
}

/// The number of a card's clock (/dev/ptpN) or None, whether it could stamp, and whether it is set to stamp all that it receives and
/// what asks for it on sending. interface: its name. Raises OSError where there is no such interface, or it knows no stamps.
#[pyfunction]
fn card_stamps(interface: &str) -> PyResult<(Option<u32>, bool, bool, bool)> {
    let any = UdpSocket::bind("127.0.0.1:0")?;
    let stamps = net::card_stamps(any.as_fd(), interface)?;
    Ok((stamps.clock, stamps.able, stamps.receives, stamps.sends))
}

/// What Python sees of this module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("OTHER_COUNTS", Count::NAMES)?;
    module.add_function(wrap_pyfunction!(card_stamps, module)?)?;
    module.add_class::<Workers>()
}
