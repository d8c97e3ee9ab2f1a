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
    /// Where all of them listen, and who has them too, also those that were taken.
    others: Vec<(SocketAddr, Holder)>,
    /// The doors whose sockets were taken and are a service manager's, too.
    kept: Vec<String>,
    is_of_predecessor: bool,
}

/// Who has a socket beside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// The service manager, which keeps it whatever this process does.
    ServiceManager,
    /// The process that is taken over from, and nobody else.
    Predecessor,
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
        Inherited::new(tcp, |_| Holder::ServiceManager)
    }

    /// The sockets of a process that is taken over from, by the names of their doors; those of some doors are a service
    /// manager's, too.
    pub(super) fn of_predecessor(tcp: Vec<(String, TcpListener)>, kept: &[String]) -> Inherited {
        let tcp = tcp.into_iter().map(|(name, listener)| (Some(name), listener)).collect();
        let is_kept = |name: Option<&str>| name.is_some_and(|name| kept.iter().any(|kept| kept == name));
        let inherited = Inherited::new(tcp, |name| if is_kept(name) { Holder::ServiceManager } else { Holder::Predecessor });
        Inherited { is_of_predecessor: true, ..inherited }
    }

    fn new(tcp: Vec<(Option<String>, TcpListener)>, holder: impl Fn(Option<&str>) -> Holder) -> Inherited {
        let place = |(name, listener): &(Option<String>, TcpListener)| Some((listener.local_addr().ok()?, holder(name.as_deref())));
        Inherited { others: tcp.iter().filter_map(place).collect(), tcp, ..Inherited::default() }
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
        let taken = self.tcp.swap_remove(at).1;
        if taken.local_addr().is_ok_and(|at| self.others.contains(&(at, Holder::ServiceManager))) {
            self.kept.push(door.to_owned());
        }
        Some(taken)
    }

    /// Whether a process that runs yet has them, too.
    pub(super) fn is_of_predecessor(&self) -> bool {
        self.is_of_predecessor
    }

    /// Who has a socket that stands in the way of another one at this address, and where that one listens.
    pub(super) fn in_the_way(&self, address: SocketAddr) -> Option<(SocketAddr, Holder)> {
        let is_any = |address: &SocketAddr| address.ip().is_unspecified();
        let meets = |other: &SocketAddr| other.ip() == address.ip() || is_any(other) || is_any(&address);
        self.others.iter().copied().find(|(other, _)| other.port() == address.port() && meets(other))
    }

    /// The doors whose sockets a service manager keeps, of those that were taken.
    pub(super) fn kept(&self) -> &[String] {
        &self.kept
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
        let mut inherited = Inherited::new(tcp, |_| Holder::ServiceManager);
        let taken = inherited.take("agi", addresses[1]).expect("passed");
        assert_eq!(taken.local_addr().expect("bound"), addresses[1]);
        assert!(inherited.take("agi", addresses[1]).is_none());
        assert!(inherited.take("agi", "127.0.0.1:1".parse().expect("an address")).is_none());
        assert!(inherited.take("agi", "127.0.0.1:0".parse().expect("an address")).is_none(), "any port is a new one");
        let left = inherited.left();
        assert!(left.len() == 2 && left.contains(&addresses[0]) && left.contains(&addresses[2]));
        assert_eq!(inherited.kept(), ["agi"]);
    }

    #[test]
    fn a_socket_of_a_predecessor_is_its_doors_where_the_configuration_still_says_so() {
        let ((agi, agi_at), (esl, esl_at)) = (bound(), bound());
        let mut inherited = Inherited::of_predecessor(vec![("agi".to_owned(), agi), ("esl".to_owned(), esl)], &["esl".to_owned()]);
        assert!(inherited.take("agi", esl_at).is_none(), "that is another door's");
        assert!(inherited.take("agi", "127.0.0.2:0".parse().expect("an address")).is_none());
        assert_eq!(inherited.take("esl", esl_at).expect("passed").local_addr().expect("bound"), esl_at);
        let any_port = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(inherited.take("agi", any_port).expect("passed").local_addr().expect("bound"), agi_at);
        assert_eq!(inherited.kept(), ["esl"], "nobody keeps the other one");
    }

    #[test]
    fn who_is_in_the_way_of_a_wider_socket_is_known_whether_his_own_was_taken_or_not() {
        let ((agi, agi_at), (esl, esl_at)) = (bound(), bound());
        let mut inherited = Inherited::of_predecessor(vec![("agi".to_owned(), agi), ("esl".to_owned(), esl)], &["agi".to_owned()]);
        assert!(inherited.take("esl", esl_at).is_some());
        for any in ["0.0.0.0", "::"] {
            let wider = |at: SocketAddr| SocketAddr::new(any.parse().expect("an address"), at.port());
            assert_eq!(inherited.in_the_way(wider(agi_at)), Some((agi_at, Holder::ServiceManager)));
            assert_eq!(inherited.in_the_way(wider(esl_at)), Some((esl_at, Holder::Predecessor)));
        }
        assert_eq!(inherited.in_the_way("0.0.0.0:1".parse().expect("an address")), None);
        let elsewhere = SocketAddr::new("192.0.2.1".parse().expect("an address"), agi_at.port());
        assert_eq!(inherited.in_the_way(elsewhere), None, "another address of the same port is free");
    }
}
