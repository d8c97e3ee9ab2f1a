//! A finished call as bytes: one version byte, then postcard. A version that was ever released is read for ever.
//!
//! The structs here are the journal's own: what the feed says may grow, and what lies on disks must stay readable.

use crate::cti::{Answered, CallState, CallView, Decided, Disposition, LegState, LegView, Party};
use crate::store::StoreError;
use serde::{Deserialize, Serialize};

/// The version that this program writes.
const VERSION: u8 = 2;
/// Its decisions don't say what was asked.
const VERSION_1: u8 = 1;
/// The largest record, in bytes; a call of usual size has some 500. sled puts larger pages into files of their own.
pub(super) const RECORD_BYTES_MAX: usize = 32 * 1024;
/// What is left of a call that is larger than that: so many of its legs and decisions, the last ones.
const LAST_KEPT: usize = 32;

const CALL_STATES: &[CallState] = &[CallState::Ringing, CallState::Answered, CallState::Bridged, CallState::Held, CallState::Ended];
const LEG_STATES: &[LegState] = &[LegState::Dialing, LegState::Ringing, LegState::Up, LegState::Held, LegState::Ended];

/// A call, with decisions as a version has them.
#[derive(Serialize, Deserialize)]
struct Call<D> {
    id: String,
    switch: String,
    tenant: String,
    state: u8,
    from: Caller,
    to: String,
    route: Option<String>,
    legs: Vec<Leg>,
    answered_by: Option<(String, String, Option<String>)>,
    transferred_to: Option<String>,
    started_us: u64,
    answered_us: Option<u64>,
    ended_us: Option<u64>,
    duration_ms: Option<u64>,
    talk_ms: Option<u64>,
    disposition: Option<u8>,
    cause: Option<String>,
    decided: Vec<D>,
    incomplete: bool,
}

#[derive(Serialize, Deserialize)]
struct Caller {
    number: String,
    name: Option<String>,
    contact: Option<String>,
    withheld: bool,
}

#[derive(Serialize, Deserialize)]
struct Leg {
    id: String,
    channel: String,
    member: Option<String>,
    number: String,
    state: u8,
    started_us: u64,
    answered_us: Option<u64>,
    ended_us: Option<u64>,
    cause: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Decision {
    request: String,
    answer: Answer,
}

/// All of a decision, in version 1.
#[derive(Serialize, Deserialize)]
struct Answer {
    at_us: u64,
    status: String,
    action: String,
    reason: String,
    route: Option<String>,
    revision: u64,
    trace: Vec<String>,
}

/// A value's place in its list; a value that a list has forgotten would be its last.
fn code<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|v| v == value).unwrap_or(all.len() - 1) as u8
}

fn decoded<T: Copy>(all: &[T], code: u8) -> Result<T, StoreError> {
    all.get(usize::from(code)).copied().ok_or_else(|| corrupt(format!("a record has a state {code}")))
}

fn corrupt(what: String) -> StoreError {
    StoreError::Corrupt { path: "(a record of the journal)".into(), what }
}

/// A call's bytes. One that is too large loses its traces, then all but its last legs and decisions, and is marked as
/// incomplete.
pub(super) fn encode(call: &CallView) -> Result<Vec<u8>, StoreError> {
    let mut record = Call::of(call);
    let mut bytes = written(&record)?;
    if bytes.len() > RECORD_BYTES_MAX {
        record.incomplete = true;
        record.decided.iter_mut().for_each(|d| d.answer.trace.clear());
        bytes = written(&record)?;
    }
    if bytes.len() > RECORD_BYTES_MAX {
        record.decided.drain(..record.decided.len().saturating_sub(LAST_KEPT));
        record.legs.drain(..record.legs.len().saturating_sub(LAST_KEPT));
        bytes = written(&record)?;
    }
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(StoreError::TooLarge(format!("the call takes {} bytes in the journal, more than {RECORD_BYTES_MAX}", bytes.len())));
    }
    Ok(bytes)
}

fn written(record: &Call<Decision>) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(record, vec![VERSION]).map_err(|e| StoreError::TooLarge(format!("the call can't be written ({e})")))
}

/// A call back from its bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<CallView, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => read::<Call<Decision>>(body)?.view(Decision::view),
        Some((&VERSION_1, body)) => read::<Call<Answer>>(body)?.view(|answer| answer.view(String::new())),
        Some((version, _)) => Err(corrupt(format!("it has version {version}, which this program doesn't know"))),
        None => Err(corrupt("it is empty".into())),
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, StoreError> {
    postcard::from_bytes(body).map_err(|e| corrupt(format!("it can't be read: {e}")))
}

impl Call<Decision> {
    fn of(call: &CallView) -> Call<Decision> {
        Call {
            id: call.id.clone(),
            switch: call.switch.clone(),
            tenant: call.tenant.clone(),
            state: code(CALL_STATES, &call.state),
            from: Caller {
                number: call.from.number.clone(),
                name: call.from.name.clone(),
                contact: call.from.contact.clone(),
                withheld: call.from.withheld,
            },
            to: call.to.clone(),
            route: call.route.clone(),
            legs: call.legs.iter().map(Leg::of).collect(),
            answered_by: call.answered_by.as_ref().map(|a| (a.leg.clone(), a.member.clone(), a.name.clone())),
            transferred_to: call.transferred_to.clone(),
            started_us: call.started_us,
            answered_us: call.answered_us,
            ended_us: call.ended_us,
            duration_ms: call.duration_ms,
            talk_ms: call.talk_ms,
            disposition: call.disposition.as_ref().map(|d| code(Disposition::ALL, d)),
            cause: call.cause.clone(),
            decided: call.decided.iter().map(Decision::of).collect(),
            incomplete: call.incomplete,
        }
    }
}

impl<D> Call<D> {
    fn view(self, decided: impl Fn(D) -> Decided) -> Result<CallView, StoreError> {
        let legs: Result<Vec<LegView>, StoreError> = self.legs.into_iter().map(Leg::view).collect();
        Ok(CallView {
            id: self.id,
            switch: self.switch,
            tenant: self.tenant,
            state: decoded(CALL_STATES, self.state)?,
            from: Party { number: self.from.number, name: self.from.name, contact: self.from.contact, withheld: self.from.withheld },
            to: self.to,
            route: self.route,
            legs: legs?,
            answered_by: self.answered_by.map(|(leg, member, name)| Answered { leg, member, name }),
            transferred_to: self.transferred_to,
            started_us: self.started_us,
            answered_us: self.answered_us,
            ended_us: self.ended_us,
            duration_ms: self.duration_ms,
            talk_ms: self.talk_ms,
            disposition: self.disposition.map(|d| decoded(Disposition::ALL, d)).transpose()?,
            cause: self.cause,
            decided: self.decided.into_iter().map(decided).collect(),
            incomplete: self.incomplete,
        })
    }
}

impl Leg {
    fn of(leg: &LegView) -> Leg {
        Leg {
            id: leg.id.clone(),
            channel: leg.channel.clone(),
            member: leg.member.clone(),
            number: leg.number.clone(),
            state: code(LEG_STATES, &leg.state),
            started_us: leg.started_us,
            answered_us: leg.answered_us,
            ended_us: leg.ended_us,
            cause: leg.cause.clone(),
        }
    }

    fn view(self) -> Result<LegView, StoreError> {
        Ok(LegView {
            id: self.id,
            channel: self.channel,
            member: self.member,
            number: self.number,
            state: decoded(LEG_STATES, self.state)?,
            started_us: self.started_us,
            answered_us: self.answered_us,
            ended_us: self.ended_us,
            cause: self.cause,
        })
    }
}

impl Decision {
    fn of(decided: &Decided) -> Decision {
        let answer = Answer {
            at_us: decided.at_us,
            status: decided.status.clone(),
            action: decided.action.clone(),
            reason: decided.reason.clone(),
            route: decided.route.clone(),
            revision: decided.revision,
            trace: decided.trace.clone(),
        };
        Decision { request: decided.request.clone(), answer }
    }

    fn view(self) -> Decided {
        self.answer.view(self.request)
    }
}

impl Answer {
    fn view(self, request: String) -> Decided {
        Decided {
            request,
            at_us: self.at_us,
            status: self.status,
            action: self.action,
            reason: self.reason,
            route: self.route,
            revision: self.revision,
            trace: self.trace,
        }
    }
}
