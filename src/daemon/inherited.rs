//! Sockets that somebody else has bound: the service manager, which keeps them over a restart, so that a call that comes in
//! between waits instead of being refused.
//!
//! They come without a meaning; what each is for is told by its address, which the configuration has too.

use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};

/// Listening sockets that were passed to this process and that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<TcpListener>,
    given: usize,
}

impl Inherited {
    /// Takes what the service manager passed (`LISTEN_FDS`), once.
    pub fn from_service_manager() -> Inherited {
        let mut passed = ListenFd::from_env();
        let mut tcp = Vec::new();
        for at in 0..passed.len() {
            match passed.take_tcp_listener(at) {
                Ok(listener) => tcp.extend(listener),
                Err(error) => {
                    tracing::warn!(socket = at, %error, "a socket that the service manager passed listens for no TCP; it is not used")
                }
            }
        }
        Inherited { tcp, given: 0 }
    }

    /// Sockets by themselves.
    pub fn of(tcp: Vec<TcpListener>) -> Inherited {
        Inherited { tcp, given: 0 }
    }

    /// The socket that listens there, if one was passed.
    pub(super) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.tcp.iter().position(|listener| listener.local_addr().is_ok_and(|local| local == address))?;
        self.given += 1;
        Some(self.tcp.swap_remove(at))
    }

    /// Whether so many were taken.
    pub(super) fn has_given(&self, count: usize) -> bool {
        self.given == count
    }

    /// Where the others listen, that nobody asked for.
    pub(super) fn left(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_socket_is_known_by_its_address_and_given_once() {
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let addresses: Vec<SocketAddr> = listeners.iter().map(|l| l.local_addr().expect("bound")).collect();
        let mut inherited = Inherited::of(listeners);
        let taken = inherited.take(addresses[1]).expect("passed");
        assert_eq!(taken.local_addr().expect("bound"), addresses[1]);
        assert!(inherited.take(addresses[1]).is_none());
        assert!(inherited.take("127.0.0.1:1".parse().expect("an address")).is_none());
        let left = inherited.left();
        assert!(left.len() == 2 && left.contains(&addresses[0]) && left.contains(&addresses[2]));
    }
}
