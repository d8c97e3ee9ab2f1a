//! A connection to FreeSWITCH's inbound event socket.
//!
//! Facts that shaped it (transcripts `in-01-auth-ok` … `in-12-custom-sendevent`, `in-40-overrun`):
//!
//! * It says `auth/request`, or that its access list refuses us. `auth` takes the socket's password, `userauth` a user of
//!   the directory, whose rights then limit what may be asked.
//! * Everything behind `CUSTOM` is a subclass, so `CUSTOM` comes last.
//! * The state is asked for by `api`: its answer is the JSON itself, and comes in one piece with no event in it. Events wait
//!   meanwhile, which is the price (a few milliseconds, once in five minutes). `bgapi` would hold nothing up, but its answer
//!   is an event, JSON in JSON, and whoever subscribes to those is sent the results of every other client's jobs too.
//! * It looks for events to send every 20 ms, and at once when it is sent an empty line.
//! * It says `HEARTBEAT` every 20 s: where nothing at all comes for three of these, it is dead.
//! * A listener that lost 500 events is ended by a notice in the middle of a frame.

use super::link::{Ending, Protocol, Turn};
use super::repair::Repair;
use super::{Pace, SourceConfig};
use crate::cti::{SourcePhase, SourceStats};
use crate::event::Item;
use crate::stats::Gauge;
use crate::wire::esl::command::{self, ApiName, EventName, KEEP_ALIVE, Subclass};
use crate::wire::esl::{Frame, FrameDecoder, FrameError, FrameKind};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// Events that something here is made of.
const NEEDED: &[&str] = &[
    "CHANNEL_CREATE",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_HOLD",
    "CHANNEL_UNHOLD",
    "CHANNEL_UUID",
    "CALL_UPDATE",
    "CHANNEL_HANGUP_COMPLETE",
];

/// The sign of life; nothing is made of it.
const HEARTBEAT: &str = "HEARTBEAT";

/// The same among custom events.
const NEEDED_CUSTOM: &[&str] = &["conference::maintenance", "sofia::register", "sofia::unregister", "sofia::expire"];

/// Those that say that one contact of an account is gone; whether there are others they don't say.
const CONTACT_GONE: &[&str] = &["sofia::unregister", "sofia::expire"];

/// What the state is asked for by, one after the other.
const LISTS: [(&str, &str); 2] = [("channels", "channels as json"), REGISTRATIONS];
const REGISTRATIONS: (&str, &str) = ("registrations", "registrations as json");
/// Of the pause before registrations are asked for, the part in which one that is gone may stand in the list still: 5 s of 30.
const WRITTEN_DOWN_PART: u32 = 6;

const SHOW: ApiName = ApiName::from_static("show");
const GLOBAL_GETVAR: ApiName = ApiName::from_static("global_getvar");
/// FreeSWITCH's own id, another one after each start.
const CORE_UUID: &str = "core_uuid";
const UUID_BYTES: usize = 36;

/// How an event's JSON says which it is. In a value the quotes would have backslashes.
const NAME_KEY: &[u8] = b"\"Event-Name\":\"";
const SUBCLASS_KEY: &[u8] = b"\"Event-Subclass\":\"";

/// What a reply answers; they come in the order of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Login,
    Identity,
    Subscription,
    /// Which of [`LISTS`].
    List(usize),
    /// [`REGISTRATIONS`] alone.
    Registrations,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Banner,
    LoggingIn,
    Up(Instant),
}

struct Snapshot {
    whole: bool,
    /// What the ring had dropped when it began.
    lost: u64,
}

pub(super) struct Session {
    name: String,
    user: Option<String>,
    secret: String,
    names: Vec<EventName>,
    subclasses: Vec<Subclass>,
    pace: Pace,
    stats: Arc<SourceStats>,
    raw_wanted: Arc<Gauge>,
    phase: Phase,
    phase_began: Instant,
    asked: VecDeque<Asked>,
    snapshot: Option<Snapshot>,
    repair: Repair,
    /// When contacts were gone since registrations were last asked for: the first and the last.
    contacts_gone: Option<(Instant, Instant)>,
    heard: Instant,
    /// Until when events are expected soon.
    busy_until: Instant,
}

impl Session {
    pub(super) fn new(config: &SourceConfig, secret: String, raw_wanted: Arc<Gauge>) -> Session {
        let now = Instant::now();
        let mut names: Vec<_> = NEEDED.iter().chain([&HEARTBEAT]).map(|name| EventName::from_static(name)).collect();
        let mut subclasses: Vec<_> = NEEDED_CUSTOM.iter().map(|name| Subclass::from_static(name)).collect();
        for word in &config.events {
            match word.strip_prefix("CUSTOM ") {
                Some(subclass) => subclasses.extend(Subclass::new(subclass).ok().filter(|name| !subclasses.contains(name))),
                None => names.extend(EventName::new(word).ok().filter(|name| !names.contains(name))),
            }
        }
        Session {
            name: config.name.clone(),
            user: config.user.clone(),
            secret,
            names,
            subclasses,
            pace: config.pace,
            stats: config.stats.clone(),
            raw_wanted,
            phase: Phase::Banner,
            phase_began: now,
            asked: VecDeque::new(),
            snapshot: None,
            repair: Repair::new(&config.pace),
            contacts_gone: None,
            heard: now,
            busy_until: now,
        }
    }

    fn log_in(&mut self, turn: &mut Turn<'_>) -> Result<(), Ending> {
        let written = match self.user.as_deref().and_then(|user| user.split_once('@')) {
            Some((user, domain)) => command::userauth(user, domain, &self.secret, turn.out),
            None => command::auth(&self.secret, turn.out),
        };
        written.map_err(|error| Ending::refused(format!("the login can't be written: {error}")))?;
        self.asked.push_back(Asked::Login);
        (self.phase, self.phase_began) = (Phase::LoggingIn, turn.now);
        Ok(())
    }

    fn refused(&self) -> Ending {
        let what = match &self.user {
            None => "freeswitch refuses the password: compare it with `password` in event_socket.conf.xml".to_owned(),
            Some(user) => format!("freeswitch refuses the user {user:?}: compare the secret with `esl-password` of that user"),
        };
        Ending::refused(format!("{what}; it is tried again every {} s", self.pace.refused.as_secs()))
    }

    fn replied(&mut self, frame: &Frame, turn: &mut Turn<'_>) -> Result<(), Ending> {
        let is_error = frame.kind() == FrameKind::CommandReply && !frame.is_ok();
        match self.asked.pop_front() {
            Some(Asked::Login) if is_error => return Err(self.refused()),
            Some(Asked::Login) => {
                command::api(&GLOBAL_GETVAR, CORE_UUID, turn.out).expect("a variable's name is one line");
                self.asked.push_back(Asked::Identity);
            }
            Some(Asked::Identity) => self.come_up(frame.body.trim_ascii(), turn),
            Some(Asked::Subscription) if is_error => {
                return Err(Ending::refused(
                    "freeswitch refuses the subscription; give the user `esl-allowed-events` of all that is used (or all)",
                ));
            }
            Some(Asked::List(list)) => self.listed(list, frame, is_error, turn),
            Some(Asked::Registrations) => _ = pass_on(REGISTRATIONS.0, frame, is_error, turn),
            Some(Asked::Subscription) | None => {}
        }
        Ok(())
    }

    fn come_up(&mut self, core_uuid: &[u8], turn: &mut Turn<'_>) {
        let is_uuid = core_uuid.len() == UUID_BYTES && core_uuid.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
        let identity = if is_uuid { format!("freeswitch/{}", String::from_utf8_lossy(core_uuid)) } else { String::new() };
        turn.ring.say(Item::Up { identity });
        self.stats.phase.store(Arc::new(SourcePhase::Up));
        tracing::info!(switch = self.name, "the events of a switch are read");
        (self.phase, self.phase_began) = (Phase::Up(turn.now), turn.now);
        command::events_json(&self.names, &self.subclasses, turn.out).expect("there are names");
        self.asked.push_back(Asked::Subscription);
        self.begin_snapshot(turn);
    }

    fn begin_snapshot(&mut self, turn: &mut Turn<'_>) {
        turn.ring.say(Item::SnapshotBegin);
        self.repair.begin(turn.now);
        self.snapshot = Some(Snapshot { whole: true, lost: turn.ring.lost() });
        self.ask_list(0, turn);
    }

    fn ask_list(&mut self, list: usize, turn: &mut Turn<'_>) {
        command::api(&SHOW, LISTS[list].1, turn.out).expect("what is shown is one line");
        self.asked.push_back(Asked::List(list));
    }

    fn listed(&mut self, list: usize, frame: &Frame, is_error: bool, turn: &mut Turn<'_>) {
        if !pass_on(LISTS[list].0, frame, is_error, turn) && list == 0 {
            if let Some(snapshot) = &mut self.snapshot {
                snapshot.whole = false;
            }
            tracing::warn!(
                switch = self.name,
                "freeswitch refuses to list its channels; what was missed stays missed: give the user esl-allowed-api = show"
            );
        }
        if list + 1 < LISTS.len() {
            self.ask_list(list + 1, turn);
        } else {
            self.end_snapshot(turn);
        }
    }

    fn end_snapshot(&mut self, turn: &mut Turn<'_>) {
        let Some(snapshot) = self.snapshot.take() else { return };
        let whole = snapshot.whole && snapshot.lost == turn.ring.lost();
        self.repair.end(whole, &self.pace);
        turn.ring.say(Item::SnapshotEnd { whole });
    }

    fn event(&mut self, frame: &Frame, turn: &mut Turn<'_>) -> Result<(), Ending> {
        if frame.body.last() != Some(&b'}') {
            // half an event, filled up by the notice that was written into it
            return Err(overrun());
        }
        self.stats.events_in.add_one();
        let name = value_of(&frame.body, NAME_KEY).unwrap_or_default();
        let subclass = if name == b"CUSTOM" { value_of(&frame.body, SUBCLASS_KEY) } else { None };
        let is_needed = subclass.map_or_else(|| has(NEEDED, name), |subclass| has(NEEDED_CUSTOM, subclass));
        if subclass.is_some_and(|subclass| has(CONTACT_GONE, subclass)) {
            self.contacts_gone.get_or_insert((turn.now, turn.now)).1 = turn.now;
        }
        if is_needed {
            self.busy_until = turn.now + self.pace.keep_alive_for;
        }
        let is_raw = self.raw_wanted.get() > 0;
        if !is_needed && !is_raw {
            self.stats.events_ignored.add_one();
            return Ok(());
        }
        let bytes = frame.headers.as_bytes().len() + frame.body.len();
        if turn.ring.has_room(bytes) {
            turn.ring.event(Item::Frame(frame.detached()), bytes);
        }
        Ok(())
    }
}

impl Protocol for Session {
    type Decoder = FrameDecoder;

    fn received(&mut self, frame: Frame, turn: &mut Turn<'_>) -> Result<(), Ending> {
        self.heard = turn.now;
        match frame.kind() {
            FrameKind::AuthRequest if self.phase == Phase::Banner => self.log_in(turn)?,
            FrameKind::CommandReply | FrameKind::ApiResponse => self.replied(&frame, turn)?,
            FrameKind::EventJson if matches!(self.phase, Phase::Up(_)) => self.event(&frame, turn)?,
            FrameKind::RudeRejection => {
                return Err(Ending::refused(
                    "freeswitch's access list refuses this machine; let it in by apply-inbound-acl in event_socket.conf.xml",
                ));
            }
            FrameKind::DisconnectNotice => {
                let is_overrun = frame.body.starts_with(b"killed listener");
                return Err(if is_overrun {
                    overrun()
                } else {
                    Ending::new("closed", "freeswitch ended the connection; it is made again")
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), Ending> {
        turn.ring.settle();
        let Phase::Up(_) = self.phase else {
            if turn.now - self.phase_began >= self.pace.answer_max {
                let seconds = self.pace.answer_max.as_secs();
                let what = if self.phase == Phase::Banner { "said nothing" } else { "didn't answer the login" };
                return Err(Ending::new(
                    "silent",
                    format!("who listens there {what} for {seconds} s; is it freeswitch's event socket, and not stuck?"),
                ));
            }
            return Ok(());
        };
        let silence = turn.now - self.heard;
        if silence >= self.pace.esl_silence_max {
            let seconds = silence.as_secs();
            return Err(Ending::new("silent", format!("freeswitch said nothing for {seconds} s, no HEARTBEAT either; is it stuck?")));
        }
        if turn.ring.wants_repair() {
            self.repair.want();
        }
        if self.snapshot.is_none() && !turn.ring.is_behind() && self.repair.is_due(turn.now, &self.pace) {
            self.begin_snapshot(turn);
        }
        let due = self.contacts_gone.filter(|(first, _)| turn.now - *first >= self.pace.registrations_after);
        if let Some((_, last)) = due.filter(|_| self.snapshot.is_none() && !turn.ring.is_behind()) {
            // one that went just now may be in the list still, and is asked for once more
            let is_new = turn.now - last < self.pace.registrations_after / WRITTEN_DOWN_PART;
            self.contacts_gone = is_new.then_some((last, last));
            command::api(&SHOW, REGISTRATIONS.1, turn.out).expect("what is shown is one line");
            self.asked.push_back(Asked::Registrations);
        }
        if turn.now < self.busy_until && turn.out.is_empty() {
            turn.out.extend_from_slice(KEEP_ALIVE);
        }
        Ok(())
    }

    fn next_tick(&self) -> Duration {
        if matches!(self.phase, Phase::Up(_)) && Instant::now() < self.busy_until { self.pace.keep_alive } else { self.pace.tick }
    }

    fn broken(&self, error: FrameError) -> Ending {
        let why = if error == FrameError::Cut { "cut" } else { "malformed" };
        Ending::new(why, format!("{error}; the connection is made again"))
    }

    fn closed(&self) -> Ending {
        Ending::new("closed", "freeswitch closed the connection; it is made again")
    }

    fn up(&self) -> Option<Instant> {
        match self.phase {
            Phase::Up(since) => Some(since),
            _ => None,
        }
    }
}

/// A list for the ring; `false` if the answer is none.
fn pass_on(what: &'static str, frame: &Frame, is_error: bool, turn: &mut Turn<'_>) -> bool {
    let is_json = !is_error && frame.body.first() == Some(&b'{');
    let bytes = frame.body.len();
    if is_json && turn.ring.has_room(bytes) {
        turn.ring.event(Item::Listing { what, json: frame.detached().body }, bytes);
    }
    is_json
}

fn overrun() -> Ending {
    Ending::new("overrun", "freeswitch gave this listener up because it wasn't read fast enough; is this machine overloaded?")
}

/// The text behind a key of an event's JSON, as far as a name goes: none has a character that JSON escapes.
fn value_of<'a>(json: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = &json[memchr::memmem::find(json, key)? + key.len()..];
    Some(&rest[..memchr::memchr(b'"', rest)?])
}

fn has(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}
