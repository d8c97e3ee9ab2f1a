//! A connection to Asterisk's manager interface.
//!
//! Facts that shaped it (transcripts `ami-login`, `ami-permissions`, `ami-filter-*`, `ami-inject*`; tried in Asterisk 22):
//!
//! * It logs in with all events off and switches them on when it knows who is there: no event comes before [`Item::Up`].
//! * A user of `read = system,call` and `write = reporting` sees everything that is used here. `write = system` too lets us
//!   set filters, so that Asterisk sends less, and list registrations; without it both are refused, and passed over.
//! * Filters add up, and an event that none lets through doesn't come, whatever its class. So with classes of whose events
//!   we have no names, no filter is set. Answers and lists aren't filtered.
//! * An unknown action (its module isn't loaded) is an `Error`. A list of nothing may be one too.
//! * A caller can write packets: ids of actions can't be guessed, and what is suspect is counted, said, and repaired by a
//!   snapshot, but not passed on.

use super::backoff::chance;
use super::link::{Ending, Protocol, Turn};
use super::repair::Repair;
use super::{Pace, SourceConfig};
use crate::cti::{SourcePhase, SourceStats};
use crate::event::Item;
use crate::stats::Gauge;
use crate::wire::ami::{
    ActionId, ActionName, EventClass, EventMask, EventName, Fields, Filter, ListMark, Packet, PacketDecoder, PacketError, command,
};
use bytes::BytesMut;
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// The classes that are always read.
const CLASSES: [EventClass; 2] = [EventClass::System, EventClass::Call];

/// Events that something here is made of. All others are passed over unless somebody wants raw ones.
const NEEDED: &[&str] = &[
    "Newchannel",
    "Newstate",
    "NewCallerid",
    "NewConnectedLine",
    "Rename",
    "DialBegin",
    "DialState",
    "DialEnd",
    "BridgeEnter",
    "BridgeLeave",
    "BridgeDestroy",
    "BridgeMerge",
    "Hold",
    "Unhold",
    "BlindTransfer",
    "AttendedTransfer",
    "LocalBridge",
    "LocalOptimizationEnd",
    "Hangup",
    "DeviceStateChange",
    "PeerStatus",
    "ContactStatus",
    "Registry",
    "ConfbridgeJoin",
    "ConfbridgeLeave",
    "FullyBooted",
    "Shutdown",
];

/// What the state is asked for by, one after the other. Only the first is indispensable.
static LISTS: [ActionName; 4] = [
    ActionName::from_static("CoreShowChannels"),
    ActionName::from_static("DeviceStateList"),
    ActionName::from_static("PJSIPShowContacts"),
    ActionName::from_static("PJSIPShowRegistrationsOutbound"),
];

/// What is to be done where the user may not ask how things stand.
const NO_LISTS: &str =
    "asterisk refuses to list its channels; what was missed stays missed: give the user write = system,reporting in manager.conf";
/// How the name of a list's last event ends.
const LIST_END: &[u8] = b"Complete";

const CORE_SETTINGS: ActionName = ActionName::from_static("CoreSettings");
const CORE_STATUS: ActionName = ActionName::from_static("CoreStatus");

/// What is asked after the login, before events are switched on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Filter,
    Settings,
    Status,
}

enum Phase {
    Banner,
    Challenge(ActionId),
    Login(ActionId),
    Questions(Vec<(ActionId, Question)>),
    Up(Instant),
}

struct Snapshot {
    /// Which of [`LISTS`].
    list: usize,
    id: ActionId,
    whole: bool,
    /// What the ring had dropped when it began.
    lost: u64,
}

pub(super) struct Session {
    name: String,
    user: String,
    secret: String,
    classes: Vec<EventClass>,
    pace: Pace,
    stats: Arc<SourceStats>,
    raw_wanted: Arc<Gauge>,
    phase: Phase,
    phase_began: Instant,
    /// The beginning of this connection's action ids, and how many there were.
    id_beginning: String,
    ids: u64,
    /// Asterisk's own name, and when it started.
    identity: [String; 3],
    snapshot: Option<Snapshot>,
    repair: Repair,
    heard: Instant,
    pinged: bool,
    suspects_unsaid: u64,
    suspects_said: Option<Instant>,
}

impl Session {
    pub(super) fn new(config: &SourceConfig, secret: String, raw_wanted: Arc<Gauge>) -> Session {
        let now = Instant::now();
        let mut classes = CLASSES.to_vec();
        for class in config.events.iter().filter_map(|word| EventClass::from_word(word)) {
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        Session {
            name: config.name.clone(),
            user: config.user.clone().unwrap_or_default(),
            secret,
            classes,
            pace: config.pace,
            stats: config.stats.clone(),
            raw_wanted,
            phase: Phase::Banner,
            phase_began: now,
            id_beginning: format!("{:016x}{:016x}", chance(), chance()),
            ids: 0,
            // two that have no name of their own are one switch only at one address
            identity: [format!("@{}", config.address), String::new(), String::new()],
            snapshot: None,
            repair: Repair::new(&config.pace),
            heard: now,
            pinged: false,
            suspects_unsaid: 0,
            suspects_said: None,
        }
    }

    fn id(&mut self) -> ActionId {
        self.ids += 1;
        ActionId::numbered(&self.id_beginning, self.ids).expect("32 hexadecimal digits and a number are an id")
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.phase_began = now;
    }

    fn ask(&mut self, name: &ActionName, out: &mut BytesMut) -> ActionId {
        let id = self.id();
        command::action(&id, name, &[], out).expect("an action without headers fits");
        id
    }

    /// A response, or the banner, in front of the events.
    fn logging_in(&mut self, packet: &Packet, turn: &mut Turn<'_>) -> Result<(), Ending> {
        let is_mine = |id: &ActionId| matches!(packet, Packet::Response(_)) && id.is(packet.action_id());
        match &mut self.phase {
            Phase::Banner => {
                let id = self.id();
                command::challenge(&id, turn.out).expect("a challenge fits");
                self.enter(Phase::Challenge(id), turn.now);
            }
            Phase::Challenge(id) if is_mine(id) => {
                let Some(challenge) = packet.get("Challenge").filter(|_| packet.is_success()) else {
                    return Err(Ending::refused("asterisk gives no challenge for a login by MD5; strowger logs in no other way"));
                };
                let id = self.id();
                command::login_md5(&id, &self.user, &self.secret, challenge, EventMask::Off, turn.out)
                    .map_err(|error| Ending::refused(format!("the login can't be written: {error}")))?;
                self.enter(Phase::Login(id), turn.now);
            }
            Phase::Login(id) if is_mine(id) => {
                if !packet.is_success() {
                    let user = &self.user;
                    return Err(Ending::refused(format!(
                        "asterisk refuses the user {user:?}: compare its secret with section [{user}] of manager.conf, where \
                         permit has to let this machine in; it is tried again every {} s",
                        self.pace.refused.as_secs()
                    )));
                }
                let mut waiting = Vec::new();
                if let Some(names) = self.filter_names() {
                    let id = self.id();
                    if command::filter(&id, Filter::Only(&names), turn.out).is_ok() {
                        waiting.push((id, Question::Filter));
                    }
                }
                waiting.push((self.ask(&CORE_SETTINGS, turn.out), Question::Settings));
                waiting.push((self.ask(&CORE_STATUS, turn.out), Question::Status));
                self.enter(Phase::Questions(waiting), turn.now);
            }
            Phase::Questions(waiting) => {
                let Some(at) = waiting.iter().position(|(id, _)| is_mine(id)) else { return Ok(()) };
                let (_, question) = waiting.swap_remove(at);
                let is_last = waiting.is_empty();
                self.answered(question, packet);
                if is_last {
                    self.come_up(turn);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The names that a filter lets through; none where that would hold back what was asked for.
    fn filter_names(&self) -> Option<Vec<EventName>> {
        let others = &self.classes[CLASSES.len()..];
        let is_user = |class: &EventClass| *class == EventClass::User;
        others.iter().all(is_user).then(|| {
            let more = if others.is_empty() { &[][..] } else { &["UserEvent"][..] };
            NEEDED.iter().chain(more).map(|name| EventName::from_static(name)).collect()
        })
    }

    fn answered(&mut self, question: Question, packet: &Packet) {
        let text = |name: &str| packet.text(name).map(|text| text.into_owned()).unwrap_or_default();
        match question {
            Question::Filter if !packet.is_success() => tracing::info!(
                switch = self.name,
                "asterisk takes no filter from this user; it sends more than is used (write = system in manager.conf lets it)"
            ),
            Question::Settings => {
                let name = text("SystemName");
                if !name.is_empty() {
                    self.identity[0] = name;
                }
            }
            Question::Status => {
                self.identity[1] = text("CoreStartupDate");
                self.identity[2] = text("CoreStartupTime");
            }
            Question::Filter => {}
        }
    }

    fn come_up(&mut self, turn: &mut Turn<'_>) {
        let known = !self.identity[1].is_empty();
        let identity = if known { format!("asterisk/{}", self.identity.join("/")) } else { String::new() };
        turn.ring.say(Item::Up { identity });
        self.stats.phase.store(Arc::new(SourcePhase::Up));
        self.stats.advice.store(None);
        tracing::info!(switch = self.name, "the events of a switch are read");
        self.enter(Phase::Up(turn.now), turn.now);
        // the state first, then what changes it; what happens in between comes with the events, which are on by then
        self.begin_snapshot(turn, true);
    }

    fn begin_snapshot(&mut self, turn: &mut Turn<'_>, switch_on: bool) {
        turn.ring.say(Item::SnapshotBegin);
        if switch_on {
            let id = self.id();
            command::events(&id, EventMask::Classes(&self.classes), turn.out).expect("ten classes fit in a line");
        }
        self.repair.begin(turn.now);
        let id = self.ask(&LISTS[0], turn.out);
        self.snapshot = Some(Snapshot { list: 0, id, whole: true, lost: turn.ring.lost() });
    }

    fn end_snapshot(&mut self, turn: &mut Turn<'_>) {
        let Some(snapshot) = self.snapshot.take() else { return };
        let whole = snapshot.whole && snapshot.lost == turn.ring.lost();
        self.repair.end(whole, &self.pace);
        turn.ring.say(Item::SnapshotEnd { whole });
    }

    /// Goes on to the next list, or ends the snapshot.
    fn next_list(&mut self, turn: &mut Turn<'_>) {
        let Some(list) = self.snapshot.as_ref().map(|snapshot| snapshot.list + 1) else { return };
        let Some(name) = LISTS.get(list) else { return self.end_snapshot(turn) };
        let id = self.ask(name, turn.out);
        if let Some(snapshot) = &mut self.snapshot {
            (snapshot.list, snapshot.id) = (list, id);
        }
    }

    /// Counts what a caller may have written. An item of a list may be among it: then the list isn't whole, and its end, or
    /// the next answer, may be in doubt too. Their ids nobody could know.
    fn suspect(&mut self, fields: &Fields, turn: &mut Turn<'_>) {
        self.stats.suspects.add_one();
        self.suspects_unsaid += 1;
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.whole = false;
        let is_end = match fields.iter().next() {
            Some((b"Event", name)) => name.ends_with(LIST_END),
            Some((b"Response", _)) => fields.get("EventList") != Some(b"start"),
            _ => false,
        };
        if is_end && snapshot.id.is(fields.action_id()) {
            self.next_list(turn);
        }
    }

    /// Looks whether a packet is of the list that was asked for; `true` when that is all there is to it.
    fn listed(&mut self, packet: &Packet, turn: &mut Turn<'_>) -> bool {
        let Some(snapshot) = self.snapshot.as_mut().filter(|snapshot| snapshot.id.is(packet.action_id())) else { return false };
        match (packet, packet.list()) {
            // a caller can add `EventList: Complete` to an item; the name in the first line is Asterisk's
            (Packet::Event(_), _) if !packet.name().is_some_and(|name| name.ends_with(LIST_END)) => return false,
            (_, Some(ListMark::Start)) => return true,
            (_, Some(ListMark::Cancelled)) => snapshot.whole = false,
            (Packet::Response(_), _) if !packet.is_success() && snapshot.list == 0 => {
                snapshot.whole = false;
                tracing::warn!(switch = self.name, "{NO_LISTS}");
                self.stats.advice.store(Some(Arc::new(NO_LISTS.to_owned())));
            }
            _ => {}
        }
        self.next_list(turn);
        true
    }

    fn takes(&mut self, packet: Packet, turn: &mut Turn<'_>) -> Result<(), Ending> {
        if let Packet::Suspect(_, fields) = &packet {
            self.suspect(fields, turn);
            return Ok(());
        }
        let is_event = matches!(packet, Packet::Event(_));
        if is_event {
            self.stats.events_in.add_one();
        }
        if packet.name() == Some(b"Goodbye") && !is_event {
            return Err(Ending::new("closed", "asterisk said goodbye; the connection is made again"));
        }
        if self.listed(&packet, turn) {
            if is_event {
                self.stats.events_ignored.add_one();
            }
            return Ok(());
        }
        if !is_event {
            return Ok(());
        }
        let is_raw = self.raw_wanted.get() > 0;
        let id = packet.action_id();
        let is_item = id.is_some() && self.snapshot.as_ref().is_some_and(|snapshot| snapshot.id.is(id));
        // an action id that isn't ours, and no privilege: an item of a list that was given up, which is no news. With one it
        // is news all the same: a caller who writes an action id into his number is not to be overlooked
        let is_news = id.is_none() || packet.iter().nth(1).is_some_and(|(name, _)| name == b"Privilege");
        let is_needed = is_item || (is_news && packet.name().is_some_and(is_needed));
        if packet.name() == Some(b"FullyBooted") {
            self.repair.want();
        }
        if !is_needed && !is_raw {
            self.stats.events_ignored.add_one();
            return Ok(());
        }
        let bytes = packet.fields().as_bytes().len();
        if turn.ring.has_room(bytes) {
            turn.ring.event(Item::Packet(packet.detached()), bytes);
        }
        Ok(())
    }

    fn say_suspects(&mut self, turn: &mut Turn<'_>) {
        let may = self.suspects_said.is_none_or(|said| turn.now - said >= self.pace.repair_min);
        if self.suspects_unsaid > 0 && may {
            self.suspects_said = Some(turn.now);
            let lost = std::mem::take(&mut self.suspects_unsaid);
            tracing::warn!(switch = self.name, packets = lost, "a caller may have written events of his own; they were passed over");
            turn.ring.say(Item::Gap { why: "suspect", lost });
            self.repair.want();
        }
    }

    fn tick_up(&mut self, turn: &mut Turn<'_>) -> Result<(), Ending> {
        let silence = turn.now - self.heard;
        if silence >= self.pace.ami_silence_max {
            let seconds = silence.as_secs();
            return Err(Ending::new("silent", format!("asterisk said nothing for {seconds} s, and didn't answer a ping; is it stuck?")));
        }
        if silence >= self.pace.ping_after && !self.pinged {
            self.pinged = true;
            let id = self.id();
            command::ping(&id, turn.out);
        }
        turn.ring.settle();
        if turn.ring.wants_repair() {
            self.repair.want();
        }
        self.say_suspects(turn);
        if self.snapshot.is_some() {
            if turn.now - self.repair_began() >= self.pace.repair_max {
                if let Some(snapshot) = &mut self.snapshot {
                    snapshot.whole = false;
                }
                self.end_snapshot(turn);
                self.repair.want();
            }
        } else if !turn.ring.is_behind() && self.repair.is_due(turn.now, &self.pace) {
            self.begin_snapshot(turn, false);
        }
        Ok(())
    }

    fn repair_began(&self) -> Instant {
        self.repair.began().unwrap_or(self.phase_began)
    }
}

impl Protocol for Session {
    type Decoder = PacketDecoder;

    fn received(&mut self, packet: Packet, turn: &mut Turn<'_>) -> Result<(), Ending> {
        self.heard = turn.now;
        self.pinged = false;
        match self.phase {
            Phase::Up(_) => self.takes(packet, turn),
            _ => self.logging_in(&packet, turn),
        }
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), Ending> {
        let waited = turn.now - self.phase_began >= self.pace.answer_max;
        let seconds = self.pace.answer_max.as_secs();
        match self.phase {
            Phase::Up(_) => return self.tick_up(turn),
            Phase::Banner if waited => {
                let text = format!("who listens there said nothing for {seconds} s; is it asterisk's manager interface, and not stuck?");
                return Err(Ending::new("silent", text));
            }
            Phase::Challenge(_) | Phase::Login(_) if waited => {
                return Err(Ending::new("silent", format!("asterisk didn't answer the login within {seconds} s; is it stuck?")));
            }
            // it isn't needed to know who it is
            Phase::Questions(_) if waited => self.come_up(turn),
            _ => {}
        }
        turn.ring.settle();
        Ok(())
    }

    fn next_tick(&self) -> Duration {
        self.pace.tick
    }

    fn broken(&self, error: PacketError) -> Ending {
        let why = match error {
            PacketError::NotAsterisk => "not-asterisk",
            PacketError::Cut => "cut",
            _ => "malformed",
        };
        Ending::new(why, format!("{error}; the connection is made again"))
    }

    fn closed(&self) -> Ending {
        let what = match self.phase {
            Phase::Up(_) => "asterisk closed the connection; it is made again",
            _ => "asterisk closed the connection during the login; it does so where it has too many of them (authlimit)",
        };
        Ending::new("closed", what)
    }

    fn up(&self) -> Option<Instant> {
        match self.phase {
            Phase::Up(since) => Some(since),
            _ => None,
        }
    }
}

/// Whether an event is one of [`NEEDED`].
fn is_needed(name: &[u8]) -> bool {
    NEEDED.iter().any(|needed| needed.as_bytes() == name)
}
