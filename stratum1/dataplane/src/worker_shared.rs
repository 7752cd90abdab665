//! What the workers of a plane share with each other and with Python: settings, states, sockets, counters.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counters::Counters;
use crate::net::Endpoint;
use crate::seqlock::SeqLock;
use crate::service::{Listener, Service, Tables};
use crate::stamps_card::Card;
use crate::state::{State, WORDS};

/// What is served and by which rules; replaced whole.
#[derive(Clone)]
pub struct Settings {
    /// What all listeners share.
    pub service: Arc<Service>,
    /// What each listener has of its own.
    pub listeners: Vec<Arc<Listener>>,
    /// What is remembered of senders.
    pub tables: Arc<Tables>,
    /// Network cards whose stamps can be converted.
    pub cards: Arc<Vec<Card>>,
}

/// A socket of one worker, and the listener it belongs to.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub endpoint: Endpoint,
    /// Which listener.
    pub listener: usize,
    /// Names it for Python.
    pub id: u64,
}

/// Counts of one listener that belong to no worker.
#[derive(Default)]
struct Retired {
    drops: AtomicU64,
}

/// Says something to a worker that waits for packets.
struct Waker {
    worker: UnixStream,
    others: UnixStream,
}

impl Waker {
    fn new() -> std::io::Result<Self> {
        let (worker, others) = UnixStream::pair()?;
        worker.set_nonblocking(true)?;
        others.set_nonblocking(true)?;
        Ok(Self { worker, others })
    }

    fn wake(&self) {
        let _ = (&self.others).write(&[0]); // full: it will wake anyway
    }

    fn silence(&self) {
        let mut octets = [0; 64];
        while matches!((&self.worker).read(&mut octets), Ok(read) if read > 0) {}
    }
}

/// One worker, as the others see it.
pub struct Post {
    waker: Waker,
    sockets: Mutex<Vec<Arc<Socket>>>,
    /// By listener.
    pub counters: Vec<Counters>,
    /// The delay of a plain reply by which transmit times are advanced, ns; negative: not measured.
    pub send_delay_ns: AtomicI64,
    /// How often it panicked and was started again.
    pub panics: AtomicU64,
    told: Mutex<String>,
    panic_wanted: AtomicBool,
}

impl Post {
    fn new(listeners: usize) -> std::io::Result<Self> {
        Ok(Self {
            waker: Waker::new()?,
            sockets: Mutex::default(),
            counters: (0..listeners).map(|_| Counters::default()).collect(),
            send_delay_ns: AtomicI64::new(-1),
            panics: AtomicU64::new(0),
            told: Mutex::default(),
            panic_wanted: AtomicBool::new(false),
        })
    }

    /// What a poller watches to hear of changes.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.waker.worker.as_fd()
    }

    /// The bell was heard.
    pub fn silence(&self) {
        self.waker.silence();
    }

    /// Its sockets as they should be.
    pub fn sockets(&self) -> Vec<Arc<Socket>> {
        locked(&self.sockets).clone()
    }

    /// The last panic's message; empty if there was none.
    pub fn told(&self) -> String {
        locked(&self.told).clone()
    }

    /// Note a panic.
    pub fn panicked(&self, message: &str) {
        *locked(&self.told) = message.to_owned();
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Panic once, if a test asked for it.
    pub fn panic_if_wanted(&self) {
        if self.panic_wanted.swap(false, Ordering::Relaxed) {
            panic!("a test asked for it");
        }
    }
}

/// A plane's workers and what they work with.
pub struct Shared {
    settings: Mutex<Settings>,
    generation: AtomicU64,
    states: Vec<SeqLock<WORDS>>,
    posts: Vec<Post>,
    retired: Vec<Retired>,
    epoch: Mutex<Option<u64>>,
    next_id: AtomicU64,
    stopping: AtomicBool,
}

impl Shared {
    /// For so many workers; `states`: the first words of each listener.
    pub fn new(workers: usize, settings: Settings, states: &[[u64; WORDS]]) -> std::io::Result<Self> {
        let listeners = states.len();
        Ok(Self {
            settings: Mutex::new(settings),
            generation: AtomicU64::new(0),
            states: states.iter().map(SeqLock::new).collect(),
            posts: (0..workers).map(|_| Post::new(listeners)).collect::<Result<_, _>>()?,
            retired: (0..listeners).map(|_| Retired::default()).collect(),
            epoch: Mutex::new(states.first().and_then(epoch)),
            next_id: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    /// All workers.
    pub fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.states.len()
    }

    /// Counts replacements of the settings.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The settings and their generation.
    pub fn settings(&self) -> (u64, Settings) {
        let settings = locked(&self.settings);
        (self.generation(), settings.clone())
    }

    /// Serve by other settings from the next batch on.
    pub fn configure(&self, change: impl FnOnce(&Settings) -> Settings) {
        let mut settings = locked(&self.settings);
        *settings = change(&settings);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// One listener's published words.
    #[inline]
    pub fn state(&self, listener: usize) -> &SeqLock<WORDS> {
        &self.states[listener]
    }

    /// Serve these states from the next batch on; one for each listener. A step empties the interleaved table.
    ///
    /// The table is emptied here and by each worker when it sees the step: what a worker saves meanwhile from the state before it is
    /// gone before that worker serves the state after it, and the bell makes sure that this is soon.
    pub fn publish(&self, states: &[[u64; WORDS]]) {
        for (place, words) in self.states.iter().zip(states) {
            place.publish(words);
        }
        let now = states.first().and_then(epoch);
        let mut last = locked(&self.epoch);
        if now.is_some() && *last != now {
            *last = now;
            self.settings().1.tables.interleaved.clear();
            self.ring();
        }
    }

    /// Give a worker a socket; its name for `remove`.
    pub fn add(&self, worker: usize, listener: usize, endpoint: Endpoint) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        locked(&self.posts[worker].sockets).push(Arc::new(Socket { endpoint, listener, id }));
        self.posts[worker].waker.wake();
        id
    }

    /// Close a socket after what waits in it was answered.
    pub fn remove(&self, id: u64) {
        for post in &self.posts {
            locked(&post.sockets).retain(|socket| socket.id != id);
            post.waker.wake();
        }
    }

    /// A socket is closed: its count of drops stays.
    pub fn retire(&self, socket: &Socket) {
        let drops = socket.endpoint.drops().unwrap_or(0);
        self.retired[socket.listener].drops.fetch_add(drops.into(), Ordering::Relaxed);
    }

    /// Datagrams that the kernel dropped before one of a listener's sockets.
    pub fn drops(&self, listener: usize) -> u64 {
        let sockets = self.posts.iter().flat_map(Post::sockets).filter(|socket| socket.listener == listener);
        let live: u64 = sockets.map(|socket| u64::from(socket.endpoint.drops().unwrap_or(0))).sum();
        live + self.retired[listener].drops.load(Ordering::Relaxed)
    }

    /// Whether the workers are to end.
    #[inline]
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// End all workers, at once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.ring();
    }

    /// Close every socket; the workers have ended.
    pub fn close(&self) {
        for post in &self.posts {
            for socket in std::mem::take(&mut *locked(&post.sockets)) {
                self.retire(&socket);
            }
        }
    }

    /// Have one worker panic, to see what becomes of it (tests).
    pub fn provoke(&self, worker: usize) {
        self.posts[worker].panic_wanted.store(true, Ordering::Relaxed);
        self.posts[worker].waker.wake();
    }

    fn ring(&self) {
        for post in &self.posts {
            post.waker.wake();
        }
    }
}

/// The epoch of the mapping from CLOCK_REALTIME; None while it is void.
fn epoch(words: &[u64; WORDS]) -> Option<u64> {
    State::from_words(words).realtime.map(|mapping| mapping.epoch)
}

/// A mutex's content, also after a panic elsewhere: each is replaced whole, so that none is ever half written.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
