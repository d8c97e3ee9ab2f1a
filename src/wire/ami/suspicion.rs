//! What in a packet Asterisk wouldn't have written: the traces of a caller who put line ends into his number or name.
//!
//! Facts that shaped it (transcripts `ami-inject`, `ami-inject-whole-16`, `ami-inject-whole-22`; all others, in which
//! nothing may be suspected):
//!
//! * A blank line in a caller's number cuts the event that holds it. What is left of it begins with any header; between the
//!   two stands what the caller wrote, which may be a whole and flawless event: `Event: Hangup`, `Privilege: call,all`,
//!   `Uniqueid:` of a stranger's call. Nothing in that packet gives it away; the cut before it does.
//! * Every channel in an event is told in one order: `Channel`, `ChannelState`, …, what callers write, …, `Uniqueid`,
//!   `Linkedid`, each name with the same beginning (`Dest`, `Transferer`, …). So an event that begins to tell of one and
//!   doesn't come to its `Uniqueid` by way of all the others is cut; to write all of them takes more than the 79
//!   characters that PJSIP lets through. `CEL` and `Cdr` have orders of their own.
//! * A line end without a blank line adds headers, in front of the genuine ones of the same name. Asterisk repeats none but
//!   variables, and a user event's own.
//! * An event that wasn't asked for says `Privilege` in its second line; one of a list has an `ActionID`.
//!
//! What isn't found: a cut behind `Linkedid`, where a dialplan's own texts stand (`AppData` in `Newexten`, `ChanVariable`,
//! a user event's headers), and added headers of names that the event doesn't have. So leave the class `dialplan` alone,
//! and clean numbers at the edge (`FILTER` in the dialplan, or PJSIP's own means).

use super::{Fields, fields::split};

/// How far behind a cut a packet may begin and still be what the caller wrote. PJSIP cuts a number at 79 characters and a
/// name too; what a dialplan set was seen with 200 each. After that the rest of the event that was cut has come.
pub const DOUBT_BYTES: usize = 512;

/// How many lines of an event are compared with each other. The longest event seen has some 60, those with two channels;
/// what a caller writes is far shorter than the rest.
const LINES_COMPARED_MAX: usize = 128;

/// What is said of every channel, in this order, in Asterisk 16 and 22. Others may come between.
const CHANNEL: &[&[u8]] = &[
    b"ChannelState",
    b"ChannelStateDesc",
    b"CallerIDNum",
    b"CallerIDName",
    b"ConnectedLineNum",
    b"ConnectedLineName",
    b"AccountCode",
    b"Context",
    b"Exten",
    b"Priority",
    b"Uniqueid",
];

/// The same for `CEL`.
const CEL: &[&[u8]] = &[
    b"AccountCode",
    b"CallerIDnum",
    b"CallerIDname",
    b"CallerIDani",
    b"CallerIDrdnis",
    b"CallerIDdnid",
    b"Exten",
    b"Context",
    b"Channel",
    b"Application",
    b"AppData",
    b"EventTime",
    b"UniqueID",
];

/// The same for `Cdr`.
const CDR: &[&[u8]] =
    &[b"AccountCode", b"Source", b"Destination", b"DestinationContext", b"CallerID", b"Channel", b"StartTime", b"UniqueID"];

/// Why a packet isn't believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Suspicion {
    /// It begins with neither `Event: …` nor `Response: …`: the rest of an event that was cut, or the caller's own.
    #[error("begins like none of asterisk's")]
    Beginning,
    /// An event that ends within what it says of a channel. What it says before that is Asterisk's.
    #[error("was cut within a channel's description")]
    Cut,
    /// Flawless, but so soon behind a cut that a caller may have written it.
    #[error("stands where a caller may have written it")]
    BehindCut,
    /// A header that comes twice; the first may be the caller's.
    #[error("says twice what asterisk says once")]
    Repeated,
    /// A header before its place in a channel's description.
    #[error("says things in an order that isn't asterisk's")]
    Disordered,
    /// An event without `Privilege` in its second line that answers nothing.
    #[error("has neither privilege nor action id")]
    Unprivileged,
}

/// What a packet says it is, and what speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    pub is_event: bool,
    pub suspicion: Option<Suspicion>,
    /// Whether a part of it is still to come.
    pub is_cut: bool,
}

/// Goes through a packet once.
pub(super) fn look(packet: &Fields) -> Looked {
    match packet.lines().next().and_then(split) {
        Some((b"Event", name)) if !name.is_empty() => look_at_event(packet, name),
        Some((b"Response", status)) if !status.is_empty() => {
            let again = packet.iter().skip(1).any(|(name, _)| is(name, b"Response") || is(name, b"Event"));
            let twice = again || packet.get_all("ActionID").nth(1).is_some();
            Looked { is_event: false, suspicion: twice.then_some(Suspicion::Repeated), is_cut: false }
        }
        // the rest of an event, which is whole if the channel's description ends in it
        _ => {
            let is_cut = packet.get("Uniqueid").is_none();
            Looked { is_event: false, suspicion: Some(Suspicion::Beginning), is_cut }
        }
    }
}

fn look_at_event<'a>(packet: &'a Fields, event: &[u8]) -> Looked {
    // a user event's headers are the dialplan's own; Asterisk's tests of itself repeat one
    let mut compares = event != b"TestEvent";
    let (mut seen, mut seen_count) = ([0_u64; LINES_COMPARED_MAX], 0);
    let (mut repeated, mut privileged, mut answers) = (false, false, false);
    let mut description: Option<Description<'a>> = Description::of_event(event);
    let (mut is_cut, mut disordered) = (false, false);
    for (at, (name, _)) in packet.iter().enumerate() {
        privileged |= at == 1 && name == b"Privilege";
        answers |= is(name, b"ActionID");
        if let Some(prefix) = name.strip_suffix(CHANNEL[0]) {
            is_cut |= description.replace(Description { prefix, order: CHANNEL, next: 1 }).is_some();
        } else if let Some(open) = &mut description {
            disordered |= !open.goes_on_with(name);
            if open.next == open.order.len() {
                description = None;
            }
        }
        compares &= !(name == b"UserEvent" && event == b"UserEvent");
        if compares && seen_count < LINES_COMPARED_MAX && !repeats_by_nature(name) {
            let fingerprint = fingerprint(name);
            repeated |= seen[..seen_count].contains(&fingerprint);
            seen[seen_count] = fingerprint;
            seen_count += 1;
        }
    }
    is_cut |= description.is_some();
    let suspicion = if is_cut {
        Some(Suspicion::Cut)
    } else if repeated {
        Some(Suspicion::Repeated)
    } else if disordered {
        Some(Suspicion::Disordered)
    } else if !privileged && !answers {
        Some(Suspicion::Unprivileged)
    } else {
        None
    };
    Looked { is_event: true, suspicion, is_cut }
}

/// What an event says of one channel, as far as it has come.
struct Description<'a> {
    /// How the names begin, where an event tells of more than one channel.
    prefix: &'a [u8],
    order: &'static [&'static [u8]],
    next: usize,
}

impl Description<'_> {
    /// The description that an event without a channel's state consists of.
    fn of_event(event: &[u8]) -> Option<Self> {
        let order = match event {
            b"CEL" => CEL,
            b"Cdr" => CDR,
            _ => return None,
        };
        Some(Self { prefix: b"", order, next: 0 })
    }

    /// Takes the next name, and says whether it may stand here. One that isn't in the order may.
    fn goes_on_with(&mut self, name: &[u8]) -> bool {
        let Some(rest) = name.strip_prefix(self.prefix) else { return true };
        if is(rest, self.order[self.next]) {
            self.next += 1;
            return true;
        }
        !self.order.iter().any(|word| is(rest, word))
    }
}

fn is(name: &[u8], word: &[u8]) -> bool {
    name.eq_ignore_ascii_case(word)
}

/// `Variable`, `ChanVariable`, `DestChanVariable`, `ChanVariable(name)`.
fn repeats_by_nature(name: &[u8]) -> bool {
    let name = name.split(|byte| *byte == b'(').next().unwrap_or(name);
    name.len() >= 8 && is(&name[name.len() - 8..], b"Variable")
}

/// FNV-1a of a name in small letters. Two of Asterisk's names with the same one would make an event suspect for ever;
/// 64 bits make that as good as impossible.
fn fingerprint(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::LineEnd;
    use super::*;
    use bytes::Bytes;

    fn suspicion(text: &'static str) -> Option<Suspicion> {
        look(&Fields::new(Bytes::from_static(text.as_bytes()), LineEnd::CrLf)).suspicion
    }

    #[test]
    fn a_packet_that_begins_like_none_of_asterisks_is_suspect() {
        for text in
            ["CallerIDName: Ada\r\n", "event: Hangup\r\n", "Event:\r\n", " Event: x\r\n", "\nEvent: x\r\n", "Response: \r\n", "x\r\n"]
        {
            assert_eq!(suspicion(text), Some(Suspicion::Beginning), "{text:?}");
        }
    }

    /// What an event says of a channel between its state and its id.
    const TOLD: &str = "ChannelStateDesc: Ring\r\nCallerIDNum: 1\r\nCallerIDName: A\r\nConnectedLineNum: 2\r\nConnectedLineName: B\r\n\
                        Language: en\r\nAccountCode: \r\nContext: c\r\nExten: 1\r\nPriority: 1\r\n";

    fn event(lines: &str) -> Option<Suspicion> {
        let text = format!("Event: X\r\nPrivilege: call,all\r\n{lines}");
        look(&Fields::new(Bytes::from(text), LineEnd::CrLf)).suspicion
    }

    #[test]
    fn an_event_that_tells_of_a_channel_tells_its_id_at_the_end() {
        assert_eq!(event(&format!("ChannelState: 4\r\n{TOLD}Uniqueid: 1.1\r\n")), None);
        assert_eq!(event(&format!("ChannelState: 4\r\n{TOLD}")), Some(Suspicion::Cut));
        // one that was added before its time is none
        let added = TOLD.replace("CallerIDName: A", "Uniqueid: 9.9");
        assert_eq!(event(&format!("ChannelState: 4\r\n{added}")), Some(Suspicion::Cut));
        assert_eq!(event("ChannelState: 4\r\nChannelStateDesc: Up\r\nCallerIDNum: 1\r\nUniqueid: 9.9\r\n"), Some(Suspicion::Cut));
        let added = TOLD.replace("CallerIDName: A", "Exten: 9\r\nCallerIDName: A").replace("Exten: 1\r\n", "");
        assert_eq!(event(&format!("ChannelState: 4\r\n{added}Uniqueid: 1.1\r\n")), Some(Suspicion::Cut));
        let cel = "Event: CEL\r\nPrivilege: call,all\r\nAccountCode: \r\nCallerIDnum: 1\r\nUniqueID: 1\r\n";
        assert_eq!(suspicion(cel), Some(Suspicion::Cut));
    }

    #[test]
    fn every_channel_of_an_event_is_told_to_its_own_end() {
        let dest: String = TOLD.split_inclusive('\n').map(|line| format!("Dest{line}")).collect();
        let both = |end: &str| event(&format!("ChannelState: 4\r\n{TOLD}Uniqueid: 1.1\r\nDestChannelState: 5\r\n{dest}{end}"));
        assert_eq!(both("DestUniqueid: 1.2\r\n"), None);
        assert_eq!(both(""), Some(Suspicion::Cut));
        assert_eq!(both("UniqueId: 1.2\r\n"), Some(Suspicion::Cut));
        let first_is_cut = format!("ChannelState: 4\r\nDestChannelState: 5\r\n{dest}DestUniqueid: 1.2\r\n");
        assert_eq!(event(&first_is_cut), Some(Suspicion::Cut));
    }

    #[test]
    fn a_header_that_was_put_before_the_genuine_one_makes_the_packet_suspect() {
        let added = "Event: Newchannel\r\nPrivilege: call,all\r\nCallerIDNum: 1\r\nUniqueID: 9.9\r\nUniqueid: 1.1\r\n";
        assert_eq!(suspicion(added), Some(Suspicion::Repeated));
        assert_eq!(suspicion("Event: X\r\nPrivilege: call,all\r\nCallerIDNum: 1\r\nEvent: Fake\r\n"), Some(Suspicion::Repeated));
        assert_eq!(suspicion("Response: Success\r\nActionID: 1\r\nValue: x\r\nEvent: Fake\r\n"), Some(Suspicion::Repeated));
        assert_eq!(suspicion("Response: Success\r\nActionID: 1\r\nactionid: 2\r\n"), Some(Suspicion::Repeated));
    }

    #[test]
    fn what_asterisk_repeats_itself_is_not_suspect() {
        for text in [
            "Event: X\r\nPrivilege: call,all\r\nChanVariable: a=1\r\nChanVariable: b=2\r\nDestChanVariable(a): 1\r\nDestChanVariable(a): 1\r\n",
            "Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: x\r\nA: 1\r\nA: 2\r\nUserEvent: y\r\n",
            "Event: OriginateResponse\r\nPrivilege: call,all\r\nActionID: o\r\nResponse: Success\r\n",
            "Response: Success\r\nOutput: a\r\nOutput: a\r\n",
        ] {
            assert_eq!(suspicion(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_event_is_privileged_or_was_asked_for() {
        assert_eq!(suspicion("Event: Fake\r\n"), Some(Suspicion::Unprivileged));
        assert_eq!(suspicion("Event: Fake\r\nChannel: x\r\nPrivilege: call,all\r\n"), Some(Suspicion::Unprivileged));
        assert_eq!(suspicion("Event: DBGetResponse\r\nFamily: lab\r\nActionID: a\r\n"), None);
    }
}
