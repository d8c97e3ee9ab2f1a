//! The line between the two processes: a socket pair that keeps messages apart and passes descriptors on.

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;
use thiserror::Error;

/// The longest message, in bytes: each is a few words, or the reason why something failed.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Descriptors that come with one message, at most.
const PASSED_MAX: usize = 8;

/// Why nothing was heard.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    /// The other process is gone.
    #[error("it ended")]
    Ended,
    /// It is there and says nothing.
    #[error("it said nothing in {0:?}")]
    Silent(Duration),
    /// It says something else.
    #[error("what it said can't be understood ({0})")]
    Strange(String),
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One end.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

impl Link {
    /// Both ends; the other one is for a process to be started.
    pub(super) fn pair() -> io::Result<(Link, OwnedFd)> {
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Link(one), other))
    }

    /// The end that this process was started with.
    pub(super) fn of(end: OwnedFd) -> io::Result<Link> {
        match sockopt::socket_type(&end) {
            Ok(SocketType::SEQPACKET) => Ok(Link(end)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "standard input is no line to a server")),
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Link> {
        self.0.try_clone().map(Link)
    }

    /// Says something, and passes descriptors on with it.
    pub(super) fn say(&self, message: &impl Serialize, passed: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !passed.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(passed)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many sockets to pass on"));
        }
        sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// What is said next, and the descriptors that come with it.
    pub(super) fn hear<M: DeserializeOwned>(&self, wait: Duration) -> Result<(M, Vec<OwnedFd>), LinkError> {
        sockopt::set_socket_timeout(&self.0, sockopt::Timeout::Recv, Some(wait)).map_err(io::Error::from)?;
        let mut bytes = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let heard = loop {
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(LinkError::Silent(wait)),
                // whoever closes with something unread resets
                Err(rustix::io::Errno::CONNRESET) => return Err(LinkError::Ended),
                heard => break heard.map_err(io::Error::from)?.bytes,
            }
        };
        if heard == 0 {
            return Err(LinkError::Ended);
        }
        let passed = ancillary
            .drain()
            .flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(passed) => passed.collect(),
                _ => Vec::new(),
            })
            .collect();
        let message = serde_json::from_slice(&bytes[..heard]).map_err(|e| LinkError::Strange(e.to_string()))?;
        Ok((message, passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    const WAIT: Duration = Duration::from_secs(5);

    #[test]
    fn messages_stay_apart_and_sockets_pass_with_theirs() {
        let (one, other) = Link::pair().unwrap();
        let other = Link::of(other).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        one.say(&"first", &[]).unwrap();
        one.say(&"second", &[listener.as_fd()]).unwrap();
        drop((listener, one));
        assert_eq!(other.hear::<String>(WAIT).unwrap().0, "first");
        let (said, mut passed) = other.hear::<String>(WAIT).unwrap();
        let listener = TcpListener::from(passed.pop().unwrap());
        assert!(said == "second" && passed.is_empty());
        let mut caller = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(caller.read(&mut [0]).unwrap(), 0);
        assert!(matches!(other.hear::<String>(WAIT), Err(LinkError::Ended)));
    }

    #[test]
    fn silence_noise_and_what_is_no_line_are_told_apart() {
        let (one, other) = Link::pair().unwrap();
        assert!(matches!(one.hear::<String>(Duration::from_millis(10)), Err(LinkError::Silent(_))));
        Link::of(other).unwrap().say(&7, &[]).unwrap();
        assert!(matches!(one.hear::<String>(WAIT), Err(LinkError::Strange(_))));
        assert!(Link::of(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }
}
