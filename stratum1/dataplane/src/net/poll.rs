//! Waiting for sockets: poll(2), since a worker has few.
//!
//! Not epoll: it hangs at each socket all the time, so that every datagram that comes in and every transmit stamp calls it. That costs
//! 0.1 us between a reply's transmit stamp and its departure, and the same again for each request that waits behind another.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

/// What happened at a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it was added as.
    pub token: usize,
    /// Something can be read.
    pub readable: bool,
    /// Its error queue holds something (a transmit stamp), or the socket has an error.
    pub error: bool,
}

/// Descriptors and what happened there; each is removed before it is closed.
#[derive(Default)]
pub struct Poller {
    watched: Vec<libc::pollfd>,
    tokens: Vec<usize>,
}

impl Poller {
    /// Watch a descriptor for input and errors.
    pub fn add(&mut self, watched: BorrowedFd<'_>, token: usize) {
        self.watched.push(libc::pollfd { fd: watched.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        self.tokens.push(token);
    }

    /// Watch it no longer.
    pub fn remove(&mut self, token: usize) {
        if let Some(place) = self.tokens.iter().position(|held| *held == token) {
            self.watched.swap_remove(place);
            self.tokens.swap_remove(place);
        }
    }

    /// Wait for something, for ever. A signal counts as nothing.
    pub fn wait(&mut self) -> io::Result<()> {
        let count = self.watched.len() as libc::nfds_t;
        // SAFETY: `watched` holds `count` entries and outlives the call; a descriptor that is not open any more is only reported.
        let result = unsafe { libc::poll(self.watched.as_mut_ptr(), count, -1) };
        match checked(result) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            Err(_) => {
                self.watched.iter_mut().for_each(|watched| watched.revents = 0);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// How many descriptors are watched.
    pub fn len(&self) -> usize {
        self.watched.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// What the last wait found at the descriptor in a place; None if nothing.
    pub fn event(&self, place: usize) -> Option<Event> {
        let revents = self.watched.get(place)?.revents;
        let (readable, error) = (revents & libc::POLLIN != 0, revents & (libc::POLLERR | libc::POLLNVAL) != 0);
        (readable || error).then(|| Event { token: self.tokens[place], readable, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn it_tells_where_something_waits() {
        let sockets: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let mut poller = Poller::default();
        for (token, socket) in sockets.iter().enumerate() {
            poller.add(socket.as_fd(), token);
        }
        poller.remove(0);
        sockets[0].send_to(&[0], sockets[1].local_addr().unwrap()).unwrap();
        sockets[0].send_to(&[0], sockets[0].local_addr().unwrap()).unwrap();
        poller.wait().unwrap();
        let events: Vec<_> = (0..poller.len()).filter_map(|place| poller.event(place)).collect();
        assert_eq!(events, [Event { token: 1, readable: true, error: false }]);
    }
}
