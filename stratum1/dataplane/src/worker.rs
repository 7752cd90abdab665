//! A worker: one thread that answers at its sockets, in batches, until it is told to stop.
//!
//! Nothing is allocated between a request and its reply, no lock is taken, and Python's is not even known.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::calibrate::SendDelay;
use crate::counters::Count;
use crate::net::{self, BATCH, Batch, Event, Poller, StampReader, TransmitStamp};
use crate::reply::Responder;
use crate::service::Entropy;
use crate::stamps::{Awaited, Ring};
use crate::stamps_card::{self, system_ns};
use crate::state::State;
use crate::worker_batch::{Answering, Notes, served};
use crate::worker_shared::{Post, Settings, Shared, Socket};

/// The token of the bell; sockets have their place.
const BELL: usize = usize::MAX;
/// Batches that one socket may have before the others get their turn.
const TURNS: usize = 4;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// Random octets from the kernel, fetched in large pieces.
struct Random {
    octets: Box<[u8; 4096]>,
    used: usize,
}

impl Random {
    fn new() -> Self {
        Self { octets: Box::new([0; 4096]), used: 4096 }
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) {
        if self.octets.len() - self.used < out.len() {
            // without random octets nothing may be answered: the panic is caught and told, and the worker starts again
            getrandom::fill(self.octets.as_mut_slice()).expect("the kernel gives random octets");
            self.used = 0;
        }
        let end = self.used + out.len();
        out.copy_from_slice(&self.octets[self.used..end]);
        self.octets[self.used..end].fill(0);
        self.used = end;
    }
}

/// One of the worker's sockets and what it knows of it.
struct Line {
    socket: Arc<Socket>,
    ring: Ring,
    delay: SendDelay,
    /// A card stamps what leaves here: then its stamps alone say how long that takes.
    by_card: bool,
}

impl Line {
    /// The reply that a stamp is of. The kernel's comes first; where a card may stamp as well, the reply is kept for that.
    fn awaited(&mut self, stamp: &TransmitStamp) -> Option<Awaited> {
        let both = self.socket.endpoint.stamps_by_card();
        if both && stamp.software_ns != 0 { self.ring.look(stamp.number) } else { self.ring.take(stamp.number) }
    }
}

/// The state of one listener as this worker has read it.
struct Known {
    version: u64,
    state: State,
}

struct Worker<'a> {
    shared: &'a Shared,
    post: &'a Post,
    poller: Poller,
    lines: Vec<Option<Line>>,
    settings: Settings,
    generation: u64,
    known: Vec<Known>,
    epoch: Option<u64>,
    batch: Batch,
    notes: Notes,
    stamps: StampReader,
    random: Random,
}

/// Start worker `index` in a thread of its own.
pub fn start(shared: Arc<Shared>, index: usize) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(format!("ntp worker {index}")).spawn(move || supervise(&shared, &shared.posts()[index]))
}

/// Read the cards' clocks in a thread of their own, until the end.
pub fn track_cards(shared: Arc<Shared>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("ntp cards".to_owned()).spawn(move || {
        while !shared.stopping() {
            for card in shared.settings().1.cards.iter() {
                card.look();
            }
            thread::park_timeout(stamps_card::EVERY);
        }
    })
}

/// Run until the end; a panic or an error is told, and the worker starts again with fresh buffers.
fn supervise(shared: &Shared, post: &Post) {
    while !shared.stopping() {
        let outcome = catch_unwind(AssertUnwindSafe(|| Worker::new(shared, post)?.run()));
        match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => post.panicked(&error.to_string()),
            Err(panic) => post.panicked(message(panic.as_ref())),
        }
        thread::sleep(PAUSE_AFTER_ERROR);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, post: &'a Post) -> io::Result<Self> {
        let (generation, settings) = shared.settings();
        let known = (0..shared.listeners()).map(|listener| {
            let (version, words) = shared.state(listener).read();
            Known { version, state: State::from_words(&words) }
        });
        let mut worker = Self {
            shared,
            post,
            poller: Poller::default(),
            lines: Vec::new(),
            settings,
            generation,
            known: known.collect(),
            epoch: None,
            batch: Batch::new(),
            notes: Notes::default(),
            stamps: StampReader::new(),
            random: Random::new(),
        };
        worker.epoch = worker.known.first().and_then(|known| known.state.realtime).map(|mapping| mapping.epoch);
        worker.poller.add(post.bell(), BELL);
        worker.match_sockets()?;
        Ok(worker)
    }

    fn run(&mut self) -> io::Result<()> {
        // looked at after the bell was silenced and before the next wait: a bell that was rung for the end can't be missed
        while !self.shared.stopping() {
            self.poller.wait()?;
            let mut rung = false;
            for place in 0..self.poller.len() {
                if self.shared.stopping() {
                    return Ok(());
                }
                match self.poller.event(place) {
                    Some(Event { token: BELL, .. }) => rung = true,
                    Some(event) => self.serve(event),
                    None => {}
                }
            }
            if rung {
                self.hear()?; // only now, since it changes what is watched
            }
        }
        Ok(())
    }

    /// Something has changed that is not a packet.
    fn hear(&mut self) -> io::Result<()> {
        self.post.silence();
        self.post.panic_if_wanted();
        self.refresh();
        self.match_sockets()
    }

    /// Take new sockets in, and close those that are ours no longer after what waits in them.
    fn match_sockets(&mut self) -> io::Result<()> {
        let wanted = self.post.sockets();
        for place in 0..self.lines.len() {
            let Some(line) = &self.lines[place] else { continue };
            if !wanted.iter().any(|socket| Arc::ptr_eq(socket, &line.socket)) {
                self.close(place);
            }
        }
        for socket in wanted {
            if !self.lines.iter().flatten().any(|line| Arc::ptr_eq(&socket, &line.socket)) {
                self.open(socket)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, socket: Arc<Socket>) -> io::Result<()> {
        // after a panic nobody knows how many datagrams have taken a number
        socket.endpoint.restart_numbers()?;
        let place = self.lines.iter().position(Option::is_none).unwrap_or(self.lines.len());
        self.poller.add(socket.endpoint.as_fd(), place);
        let line = Some(Line { socket, ring: Ring::default(), delay: SendDelay::default(), by_card: false });
        if place == self.lines.len() {
            self.lines.push(line);
        } else {
            self.lines[place] = line;
        }
        Ok(())
    }

    fn close(&mut self, place: usize) {
        while self.answer_batch(place) == BATCH {}
        if let Some(line) = self.lines[place].take() {
            self.poller.remove(place);
            self.shared.retire(&line.socket);
        }
    }

    fn serve(&mut self, event: Event) {
        let place = event.token;
        if event.error {
            self.read_stamps(place);
            self.clear_error(place);
        }
        if event.readable {
            for _ in 0..TURNS {
                if self.answer_batch(place) < BATCH {
                    break;
                }
            }
        }
    }

    /// See whether Python has published anything since the last batch.
    #[inline]
    fn refresh(&mut self) {
        if self.shared.generation() != self.generation {
            (self.generation, self.settings) = self.shared.settings();
        }
        for listener in 0..self.known.len() {
            if self.shared.state(listener).version() != self.known[listener].version {
                self.read_state(listener);
            }
        }
    }

    fn read_state(&mut self, listener: usize) {
        let (version, words) = self.shared.state(listener).read();
        let state = State::from_words(&words);
        self.known[listener] = Known { version, state };
        let epoch = state.realtime.map(|mapping| mapping.epoch);
        if epoch.is_some() && epoch != self.epoch {
            // the served time was stepped: stamps from before it must not be shown after it
            self.epoch = epoch;
            self.settings.tables.interleaved.clear();
            self.lines.iter_mut().flatten().for_each(|line| line.ring.forget());
        }
    }

    /// Answer what waits in one socket, one batch of it; how many datagrams there were.
    fn answer_batch(&mut self, place: usize) -> usize {
        self.refresh();
        let Some(Some(line)) = self.lines.get_mut(place) else { return 0 };
        let counters = &self.post.counters[line.socket.listener];
        let total = match self.batch.receive(line.socket.endpoint.as_fd()) {
            Ok(total) => total,
            Err(_) => {
                counters.add(Count::ReceiveErrors, 1);
                return 0;
            }
        };
        if total > 0 {
            self.answer(place, total);
        }
        total
    }

    fn answer(&mut self, place: usize, total: usize) {
        let Some(Some(line)) = self.lines.get_mut(place) else { return };
        let Socket { endpoint, listener, .. } = &*line.socket;
        let Settings { service, listeners, tables, cards } = &self.settings;
        let counters = &self.post.counters[*listener];
        let state = &self.known[*listener].state;
        let mut answering = Answering {
            responder: Responder { service, listener: &listeners[*listener], tables, state },
            counters,
            transmit_flags: endpoint.transmit_flags(),
            cards,
            delay: &mut line.delay,
            random: &mut self.random,
        };
        answering.make(&mut self.batch, total, &mut self.notes);
        let (queued, asked) = (self.batch.queued(), self.notes.asked);
        if queued == 0 {
            return;
        }
        let called_ns = if asked == 0 { 0 } else { net::realtime_ns() };
        if asked != 0 {
            answering.called(total, &self.notes, called_ns);
        }
        let failed = self.batch.send(endpoint.as_fd()).failed;
        counters.add(Count::SendErrors, failed.count_ones().into());
        counters.add(Count::TransmitDaemon, queued as u64 - u64::from(failed.count_ones()));
        if failed & asked != 0 {
            line.ring.restart();
            let _ = endpoint.restart_numbers(); // fails only for a socket that is broken altogether
        } else if asked != 0 {
            self.notes.await_stamps(&mut line.ring, queued, called_ns, line.delay.class());
            self.read_stamps(place);
        }
    }

    /// Take the transmit stamps that have come.
    fn read_stamps(&mut self, place: usize) {
        let Some(Some(line)) = self.lines.get_mut(place) else { return };
        let counters = &self.post.counters[line.socket.listener];
        let mapping = self.known[line.socket.listener].state.realtime;
        let mut more = true;
        while more {
            more = self.stamps.read(line.socket.endpoint.as_fd()).unwrap_or(false);
            for stamp in self.stamps.stamps() {
                let Some(awaited) = line.awaited(&stamp) else { continue };
                let called_ns = awaited.departure.called_ns;
                let card = system_ns(&self.settings.cards, stamp.interface, stamp.hardware_ns, called_ns);
                let (stamp_ns, count) = match card {
                    Some(stamp_ns) => (stamp_ns, Count::TransmitHardware),
                    None if stamp.software_ns != 0 => (stamp.software_ns, Count::TransmitKernel),
                    None => continue,
                };
                line.by_card |= card.is_some();
                if line.by_card == card.is_some() {
                    line.delay.left(awaited.departure, stamp_ns);
                }
                if let Some(key) = awaited.key {
                    self.settings.tables.interleaved.sent(key, served(mapping, stamp_ns));
                    counters.add(count, 1);
                }
            }
        }
        if let Some(delay) = line.delay.typical() {
            self.post.send_delay_ns.store(delay as i64, Ordering::Relaxed);
        }
    }

    /// An error that hangs at the socket (an ICMP message) would wake us for ever.
    fn clear_error(&mut self, place: usize) {
        if let Some(Some(line)) = self.lines.get_mut(place)
            && line.socket.endpoint.take_error().unwrap_or(0) != 0
        {
            self.post.counters[line.socket.listener].add(Count::ReceiveErrors, 1);
        }
    }
}
