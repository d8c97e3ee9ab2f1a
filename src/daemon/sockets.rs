//! The listening sockets: those that were passed, or new ones; and what stands in the way of a new one.
//!
//! Under the packaged units the call plane's ports are systemd's, from the first moment to the last. A configuration that moves
//! one to another address of the same port can't have it until systemd listens there itself; neither a restart of the server nor
//! another try helps.

use super::StartError;
use super::inherited::{Holder, Inherited};
use crate::call::bind;
use crate::config::Config;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// The socket of a door: the one that was passed for it, or a new one.
pub(super) fn listen(
    inherited: &mut Inherited,
    config: &Config,
    what: &'static str,
    door: &str,
    address: SocketAddr,
) -> Result<TcpListener, StartError> {
    let bound = match inherited.take(door, address) {
        Some(passed) => passed.set_nonblocking(true).map(|()| passed),
        None => bind(address),
    };
    bound.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => in_use(inherited, config, door, address),
            io::ErrorKind::AddrNotAvailable => format!("this machine has no such address: set one of its own with --{door}"),
            io::ErrorKind::PermissionDenied => format!("ports below 1024 need a privilege: set another with --{door}"),
            _ => format!("set another address with --{door}"),
        };
        StartError::Listen { what, address, error, remedy }
    })
}

/// What to do about a port that somebody has.
fn in_use(inherited: &Inherited, config: &Config, door: &str, address: SocketAddr) -> String {
    match inherited.in_the_way(address) {
        Some((other, Holder::ServiceManager)) => format!(
            "systemd's strowger.socket listens on {other}, and neither a reload nor a restart of the server changes that: {}",
            remedy_of_manager(config)
        ),
        Some((other, Holder::Predecessor)) => {
            format!("the running server has it ({other}), and a socket can't be widened: restart instead of upgrading")
        }
        None if inherited.is_of_predecessor() => {
            format!("another program, or another door of the running server, has the port: stop it, or set another with --{door}")
        }
        None => format!("another program has the port: stop it, or set another with --{door} (port 0 picks a free one)"),
    }
}

/// Says of sockets that were passed for nothing what is to be done about them.
pub(super) fn warn_of_left(inherited: &Inherited, config: &Config) {
    for address in inherited.left() {
        match inherited.in_the_way(address) {
            Some((_, Holder::ServiceManager)) => {
                let remedy = remedy_of_manager(config);
                tracing::warn!(%address, remedy, "systemd passed a socket that no key names; who connects there waits in vain");
            }
            _ => tracing::warn!(%address, "a socket was passed that no key names; who connects there waits in vain"),
        }
    }
}

/// How systemd comes to listen where the configuration says.
fn remedy_of_manager(config: &Config) -> String {
    // systemd can't know a port that is picked at the start
    let addresses = [config.agi, config.esl, config.lookup_http].into_iter().filter(|address| address.port() != 0);
    let lines: Vec<String> = addresses.map(|address| format!("ListenStream={address}")).collect();
    format!(
        "systemctl edit strowger.socket, write [Socket] and below it, on a line each, ListenStream= (empty, which takes away what was \
         there), {}, then systemctl daemon-reload and systemctl restart strowger.socket strowger",
        lines.join(", ")
    )
}
