//! The call plane: sockets on which a live call waits.
//!
//! Nothing here waits for anything but the switch and the answer's own deadline, writes the store, or knows that
//! there is an event plane. It has threads and a runtime of its own, so that nothing else in the process can be in
//! front of a call.

mod answer;
mod answer_times;
mod fastagi;
mod feature;
mod lookup;
mod numbers;
mod outbound;
mod plane;
mod request;
mod share;
mod stats;
mod trace;

pub use answer::{Answer, Answerer, Delay};
pub use answer_times::AnswerSeries;
pub use plane::{CallPlane, CallThread, Door, Heartbeat, Limits, ShutdownLevel, bind};
pub use request::{Ask, BadParameter, PARAMETERS};
pub use stats::{CallStats, Ending};
