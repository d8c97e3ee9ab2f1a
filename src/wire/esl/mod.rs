//! FreeSWITCH's event socket.
//!
//! [`switch_side`] is FreeSWITCH's half of the outbound socket, for tests, `strowger call` and `strowger bench`.

pub mod switch_side;
