//! FreeSWITCH's half of the outbound socket and of its questions over HTTP: what it says of a call, how it reads a
//! command, what that does to the channel, what it answers.
//!
//! Tests hold the server's encoder against this, and `strowger call` and `strowger bench` play a switch with it. So it is
//! written after recorded sessions of FreeSWITCH 1.10.12, and where those are silent after its own code, oddities
//! included; it shares nothing with the server's half.
//!
//! * [`connect_reply`]: a call told as the reply to `connect` (one block of 167 headers) or as the form that
//!   mod_xml_curl posts.
//! * [`command`]: what a server sends, one command at a time.
//! * [`channel`]: what an application does with the channel's variables, after all the expanding and splitting.

pub mod channel;
pub mod command;
pub mod connect_reply;

pub use channel::{Channel, Finding, pieces};
pub use command::{Command, CommandError, next_command};
pub use connect_reply::{ConnectReply, SocketMode, url_encode};

/// The reply to a command that was taken; it says nothing about success.
pub const OK: &[u8] = b"Content-Type: command/reply\nReply-Text: +OK\n\n";

/// The reply to `exit`.
pub const OK_BYE: &[u8] = b"Content-Type: command/reply\nReply-Text: +OK bye\n\n";

/// The reply to a command that this kind of socket doesn't know, and to `getvar` of what isn't set.
pub const NOT_FOUND: &[u8] = b"Content-Type: command/reply\nReply-Text: -ERR command not found\n\n";

/// Appends the reply to `getvar`: the value as it is.
pub fn encode_value(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Type: command/reply\nReply-Text: ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\n\n");
}

/// Appends the last frame of a session: FreeSWITCH closes behind it.
pub fn encode_disconnect_notice(uuid: &[u8], out: &mut Vec<u8>) {
    const TEXT: &[u8] = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";
    out.extend_from_slice(b"Content-Type: text/disconnect-notice\nControlled-Session-UUID: ");
    out.extend_from_slice(uuid);
    out.extend_from_slice(format!("\nContent-Disposition: disconnect\nContent-Length: {}\n\n", TEXT.len()).as_bytes());
    out.extend_from_slice(TEXT);
}
