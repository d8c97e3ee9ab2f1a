//! Sockets that somebody else has bound: the service manager, which keeps them over a restart, so that a call that comes in
//! between waits instead of being refused, or the process that this one takes over from.
//!
//! Those of the service manager come without a meaning; what each is for is told by its address, which the configuration has
//! too. The others come with the names of their doors, because a configured port may be 0.

use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};

/// Listening sockets that were passed to this process and that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<(Option<String>, TcpListener)>,
    given: usize,
    /// Whether a service manager has them too, and keeps them.
    is_kept: bool,
    is_of_predecessor: bool,
}

impl Inherited {
    /// Takes what the service manager passed (`LISTEN_FDS`), once.
    pub fn from_service_manager() -> Inherited {
        let mut passed = ListenFd::from_env();
        let mut tcp = Vec::new();
        for at in 0..passed.len() {
            match passed.take_tcp_listener(at) {
                Ok(listener) => tcp.extend(listener.map(|listener| {
                    // a program that is to take over gets them another way
                    let _ = rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC);
                    (None, listener)
                })),
                Err(error) => {
                    tracing::warn!(socket = at, %error, "a socket that the service manager passed listens for no TCP; it is not used")
                }
            }
        }
        Inherited { tcp, given: 0, is_kept: true, is_of_predecessor: false }
    }

    /// The sockets of a process that is taken over from, by the names of their doors.
    pub(super) fn of_predecessor(tcp: Vec<(String, TcpListener)>, is_kept: bool) -> Inherited {
        let tcp = tcp.into_iter().map(|(name, listener)| (Some(name), listener)).collect();
        Inherited { tcp, given: 0, is_kept, is_of_predecessor: true }
    }

    /// The socket of a door that is to listen there, if one was passed.
    pub(super) fn take(&mut self, door: &str, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |(name, listener): &(Option<String>, TcpListener)| {
            let Ok(local) = listener.local_addr() else { return false };
            match name {
                None => local == address,
                Some(name) => name == door && (local == address || (address.port() == 0 && local.ip() == address.ip())),
            }
        };
        let at = self.tcp.iter().position(is_it)?;
        self.given += 1;
        Some(self.tcp.swap_remove(at).1)
    }

    /// Whether a process that runs yet has them, too.
    pub(super) fn is_of_predecessor(&self) -> bool {
        self.is_of_predecessor
    }

    /// Whether so many were taken, and a service manager keeps them.
    pub(super) fn is_kept(&self, count: usize) -> bool {
        self.is_kept && self.given == count
    }

    /// Where the others listen, that nobody asked for.
    pub(super) fn left(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|(_, listener)| listener.local_addr().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    #[test]
    fn a_socket_of_a_service_manager_is_known_by_its_address_and_given_once() {
        let (tcp, addresses): (Vec<_>, Vec<_>) = (0..3).map(|_| bound()).map(|(listener, at)| ((None, listener), at)).unzip();
        let mut inherited = Inherited { tcp, given: 0, is_kept: true, is_of_predecessor: false };
        let taken = inherited.take("agi", addresses[1]).expect("passed");
        assert_eq!(taken.local_addr().expect("bound"), addresses[1]);
        assert!(inherited.take("agi", addresses[1]).is_none());
        assert!(inherited.take("agi", "127.0.0.1:1".parse().expect("an address")).is_none());
        assert!(inherited.take("agi", "127.0.0.1:0".parse().expect("an address")).is_none(), "any port is a new one");
        let left = inherited.left();
        assert!(left.len() == 2 && left.contains(&addresses[0]) && left.contains(&addresses[2]));
        assert!(inherited.is_kept(1) && !inherited.is_kept(3));
    }

    #[test]
    fn a_socket_of_a_predecessor_is_its_doors_where_the_configuration_still_says_so() {
        let ((agi, agi_at), (esl, esl_at)) = (bound(), bound());
        let mut inherited = Inherited::of_predecessor(vec![("agi".to_owned(), agi), ("esl".to_owned(), esl)], false);
        assert!(inherited.take("agi", esl_at).is_none(), "that is another door's");
        assert!(inherited.take("agi", "127.0.0.2:0".parse().expect("an address")).is_none());
        assert_eq!(inherited.take("esl", esl_at).expect("passed").local_addr().expect("bound"), esl_at);
        let any_port = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(inherited.take("agi", any_port).expect("passed").local_addr().expect("bound"), agi_at);
        assert!(!inherited.is_kept(2), "nobody keeps them");
    }
}
