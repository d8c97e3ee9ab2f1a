//! FastAGI, from the server's side: Asterisk connects, writes its environment, and runs the commands we send.
//!
//! What of Asterisk shaped this module (seen on 22.10.1, and on 16.28 where it matters):
//!
//! * The environment's keys come in one fixed order. A SIP caller can put a line end into the values (PJSIP decodes
//!   `%0A` in the user part of a URI), so the order is checked and nothing else is accepted ([`environment`]).
//! * Any number of variables can be set by one `EXEC MSet`, at one round trip; its text goes through two layers of
//!   quoting ([`command`]). What it would expand if `AGIEXECFULL` were set is taken out before ([`value`]).
//! * A command line has 8,191 bytes at most. What is longer is cut, *executed*, and its remainder is a second command.
//! * `HANGUP` comes by itself, also after a good session, and in front of the reply that is pending ([`reply`]).
//!
//! [`switch_side`] is Asterisk's half of the same formats, for tests, `strowger call` and `strowger bench`.

pub mod command;
pub mod environment;
pub mod reply;
pub mod switch_side;
pub mod value;

pub use command::{CommandError, VariableName};
pub use environment::{Environment, EnvironmentDecoder, EnvironmentError};
pub use reply::{Message, Reply, ReplyDecoder, ReplyError};
pub use value::Value;
