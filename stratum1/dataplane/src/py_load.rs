//! The load generator for Python (`stratum1 bench`). Every function runs to its end without the GIL; a `LoadWatch` looks on meanwhile.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rustls::pki_types::ServerName;

use crate::load::{Course, Pace, Route, Watch, run};
use crate::load_clients::{Asking, Clients, Counts};
use crate::load_histogram::Histogram;
use crate::net_load::Port;
use crate::{load_error, load_ke};

/// Looks at a run from another thread, and ends it early.
#[pyclass(frozen)]
#[derive(Default)]
pub struct LoadWatch {
    inner: Watch,
}

#[pymethods]
impl LoadWatch {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Requests sent and answers received so far.
    fn seen(&self) -> (u64, u64) {
        (self.inner.sent.load(Ordering::Relaxed), self.inner.answered.load(Ordering::Relaxed))
    }

    /// End the run soon.
    fn stop(&self) {
        self.inner.stop.store(true, Ordering::Relaxed);
    }
}

type Given<'py> = (u16, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>);

/// What `load_requests` is to do.
#[derive(FromPyObject)]
struct Requests {
    #[pyo3(item)]
    mode: String,
    #[pyo3(item)]
    ready: Vec<Vec<u8>>,
    #[pyo3(item)]
    open: usize,
    #[pyo3(item)]
    sample: usize,
    #[pyo3(item)]
    rate: f64,
    #[pyo3(item)]
    seconds: f64,
    #[pyo3(item)]
    drain: f64,
    #[pyo3(item)]
    burst: u64,
    #[pyo3(item)]
    sources: Option<(u32, u32)>,
    #[pyo3(item)]
    frames: Option<(u32, [u8; 12])>,
}

/// Send requests in an open loop; what became of them. Raises ValueError for what can't be, OSError where the network refuses.
#[pyfunction]
fn load_requests<'py>(py: Python<'py>, watch: &LoadWatch, host: IpAddr, port: u16, plan: Requests) -> PyResult<Bound<'py, PyDict>> {
    let mut pace = pace(plan.rate, plan.seconds, plan.drain)?;
    pace.burst = plan.burst.clamp(1, 1024);
    let asking = match plan.mode.as_str() {
        "plain" => Asking::Plain,
        "interleaved" => Asking::Interleaved,
        "ready" => Asking::Ready(plan.ready),
        other => return Err(PyValueError::new_err(format!("mode: {other:?} is none of plain, interleaved, ready"))),
    };
    let mut clients = Clients::new(asking, plan.open, plan.sample).map_err(PyValueError::new_err)?;
    let (route, socket) = way(host, port, plan.sources.map(|(first, count)| (Ipv4Addr::from_bits(first), count)), plan.frames)?;
    let (clients, course) = py.detach(|| run(&mut clients, &socket, &route, &pace, &watch.inner).map(|course| (clients, course)))?;
    let dict = told(py, &clients.counts, &course)?;
    dict.set_item("interleaved_clients", clients.interleaved())?;
    let kept = clients.counts.kept.iter().map(|(number, reply)| (*number, PyBytes::new(py, reply)));
    dict.set_item("kept", kept.collect::<Vec<_>>())?;
    Ok(dict)
}

fn pace(rate: f64, seconds: f64, drain: f64) -> PyResult<Pace> {
    let right = rate > 0.0 && rate <= 1e8 && (0.0..=86_400.0).contains(&seconds) && (0.0..=60.0).contains(&drain);
    right.then_some(Pace { rate, seconds, drain, burst: 1 }).ok_or_else(|| {
        PyValueError::new_err(format!("rate {rate}, seconds {seconds}, drain {drain}: up to 1e8 a second, 86400 s and 60 s are possible"))
    })
}

fn way(host: IpAddr, port: u16, sources: Option<(Ipv4Addr, u32)>, frames: Option<(u32, [u8; 12])>) -> PyResult<(Route, Port)> {
    Ok(match (host, sources, frames) {
        (IpAddr::V4(host), Some((first, count)), Some((interface, ethernet))) => {
            (Route::Frames { ethernet, first, count, target: (host, port) }, Port::frames(interface)?)
        }
        (IpAddr::V4(host), sources @ Some(_), None) => (Route::Datagrams { sources }, Port::unconnected(host, port)?),
        (_, None, None) => (Route::Datagrams { sources: None }, Port::connected(SocketAddr::new(host, port))?),
        _ => return Err(PyValueError::new_err("many client addresses and frames are for IPv4, and frames need client addresses")),
    })
}

fn told<'py>(py: Python<'py>, counts: &Counts, course: &Course) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in [
        ("sent", counts.sent),
        ("expected", counts.expected),
        ("answered", counts.answered),
        ("time", counts.time),
        ("unsynchronised", counts.unsynchronised),
        ("interleaved", counts.interleaved),
        ("strays", counts.strays),
        ("skipped", course.skipped),
        ("refused", course.refused),
    ] {
        dict.set_item(name, value)?;
    }
    let kisses = PyDict::new(py);
    for (code, count) in &counts.kisses {
        kisses.set_item(String::from_utf8_lossy(code), count)?;
    }
    dict.set_item("kisses", kisses)?;
    dict.set_item("seconds", course.seconds)?;
    dict.set_item("latest", course.latest as f64 / 1e9)?;
    dict.set_item("latency", percentiles(py, &counts.latency)?)?;
    Ok(dict)
}

/// Seconds; None where nothing was counted.
fn percentiles<'py>(py: Python<'py>, histogram: &Histogram) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
        dict.set_item(name, histogram.quantile(part).map(|ns| ns as f64 / 1e9))?;
    }
    Ok(dict)
}

/// Error of the time that a server on this machine's clock serves: lists of ns, one entry an exchange (see `load_error`).
#[pyfunction]
#[pyo3(signature = (watch, host, port, *, rate, count, interleaved))]
fn load_served_time<'py>(
    py: Python<'py>,
    watch: &LoadWatch,
    host: IpAddr,
    port: u16,
    rate: f64,
    count: usize,
    interleaved: bool,
) -> PyResult<Bound<'py, PyDict>> {
    pace(rate, 0.0, 0.0)?;
    let found = py.detach(|| load_error::measure(SocketAddr::new(host, port), rate, count.min(1 << 20), interleaved, &watch.inner))?;
    let dict = PyDict::new(py);
    dict.set_item("offsets", found.offsets)?;
    dict.set_item("delays", found.delays)?;
    dict.set_item("turnarounds", found.turnarounds)?;
    dict.set_item("lost", found.lost)?;
    Ok(dict)
}

/// NTS key establishments at a rate (infinity: as fast as they go), `threads` at a time.
#[pyfunction]
#[pyo3(signature = (watch, host, port, *, name, aead, rate, seconds, threads))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
fn load_handshakes<'py>(
    py: Python<'py>,
    watch: &LoadWatch,
    host: IpAddr,
    port: u16,
    name: String,
    aead: u16,
    rate: f64,
    seconds: f64,
    threads: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let mut pace = pace(if rate.is_infinite() { 1.0 } else { rate }, seconds, 0.0)?;
    pace.rate = rate;
    if !(1..=256).contains(&threads) {
        return Err(PyValueError::new_err(format!("threads: {threads} is not within 1 to 256")));
    }
    let name = ServerName::try_from(name).map_err(|error| PyValueError::new_err(format!("name: {error}")))?;
    let plan = load_ke::Plan { target: SocketAddr::new(host, port), name, threads, aead };
    let found = py.detach(|| load_ke::run(&plan, &pace, &watch.inner)).map_err(|error| PyOSError::new_err(error.to_string()))?;
    let dict = PyDict::new(py);
    dict.set_item("done", found.done)?;
    dict.set_item("failed", found.failed)?;
    dict.set_item("cookies", found.cookies)?;
    dict.set_item("seconds", found.seconds)?;
    dict.set_item("latency", percentiles(py, &found.latency)?)?;
    Ok(dict)
}

/// One NTS key establishment: the AEAD, the key from client to server, that from server to client, the cookies. Raises OSError.
#[pyfunction]
fn establish_keys(py: Python<'_>, host: IpAddr, port: u16, name: String, aead: u16) -> PyResult<Given<'_>> {
    let name = ServerName::try_from(name).map_err(|error| PyValueError::new_err(format!("name: {error}")))?;
    let plan = load_ke::Plan { target: SocketAddr::new(host, port), name, threads: 1, aead };
    let found = py.detach(|| load_ke::config().map_err(|error| error.to_string()).and_then(|config| load_ke::establish(&plan, &config)));
    let found = found.map_err(PyOSError::new_err)?;
    let octets = |value: &Vec<u8>| PyBytes::new(py, value);
    Ok((found.aead, octets(&found.keys[0]), octets(&found.keys[1]), found.cookies.iter().map(octets).collect()))
}

/// Into the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LoadWatch>()?;
    module.add_function(wrap_pyfunction!(establish_keys, module)?)?;
    module.add_function(wrap_pyfunction!(load_requests, module)?)?;
    module.add_function(wrap_pyfunction!(load_served_time, module)?)?;
    module.add_function(wrap_pyfunction!(load_handshakes, module)?)
}
