//! Asterisk's packets → the book.
//!
//! * A call is a `Linkedid`; its caller's channel is the one whose `Uniqueid` that is. It is over when its last channel is.
//! * `Local/…;1` is what was dialled, `…;2` runs the dialplan behind it. They are folded: the first stands for the second
//!   until a real channel is dialled from there.
//! * A leg is what `DialBegin` dials; its member is told by the `DialString`, never by the channel's name. Of a leg dialled
//!   through a `Local` channel, `DialEnd … ANSWER` says that the phone is up, but not that it has won: a press of 1 may be
//!   asked for. That is said by the `DialEnd` of the `Local` leg itself.
//! * Asterisk links everybody in a conference to the oldest of them; here each of them stays a call.

use super::Reader;
use super::book::{Beginning, Book};
use super::devices::phone_of;
use super::words::{clean, dialled};
use crate::cti::{Disposition, LegState, LegView};
use crate::wire::ami::Packet;

/// The bits of `CID-CallingPres` of a caller who withholds his number.
const RESTRICTED: u32 = 0x60;

/// Reads a packet; what is no event of a call, device or conference is passed over.
pub(super) fn packet(packet: &Packet, r: &mut Reader<'_, '_>) {
    let Packet::Event(_) = packet else { return };
    let Some(name) = packet.name() else { return };
    match name {
        b"Newchannel" => new_channel(packet, r),
        b"CoreShowChannel" => listed(packet, r),
        b"Newstate" => new_state(packet, r),
        b"NewCallerid" => new_caller(packet, r),
        b"DialBegin" => dial_begin(packet, r),
        b"DialState" => dial_state(packet, r),
        b"DialEnd" => dial_end(packet, r),
        b"BridgeEnter" => bridge(packet, r),
        b"BridgeLeave" if r.leads => {
            let channel = text(packet, "Uniqueid");
            r.book.leave_bridge(r.group, &channel);
        }
        b"Hangup" => hangup(packet, r),
        b"Hold" | b"Unhold" if r.leads => hold(packet, name == b"Hold", r),
        b"BlindTransfer" if r.leads => blind_transfer(packet, r),
        b"AttendedTransfer" if r.leads => attended_transfer(packet, r),
        b"Rename" => rename(packet, r),
        b"ConfbridgeJoin" | b"ConfbridgeLeave" => conference(packet, name == b"ConfbridgeJoin", r),
        b"DeviceStateChange" if r.leads => {
            let (device, state) = (text(packet, "Device"), device_state(&text(packet, "State")));
            r.book.devices.device(r.source, r.group, &device, state, &mut r.ctx);
        }
        b"PeerStatus" if r.leads => registration(&text(packet, "Peer"), &text(packet, "PeerStatus"), r),
        b"ContactStatus" if r.leads => contact(&text(packet, "EndpointName"), &text(packet, "ContactStatus"), r),
        b"ContactList" if r.leads => contact(&text(packet, "Endpoint"), &text(packet, "Status"), r),
        b"Registry" if r.leads => {
            let who = format!("{}@{}", text(packet, "Username"), text(packet, "Domain"));
            registered_elsewhere(&clean(&who), &text(packet, "Status"), r);
        }
        b"OutboundRegistrationDetail" if r.leads => registered_elsewhere(&text(packet, "ObjectName"), &text(packet, "Status"), r),
        _ => {}
    }
}

fn text(packet: &Packet, name: &str) -> String {
    packet.fields().set_text(name).map(|text| clean(&text)).unwrap_or_default()
}

/// Asterisk's word for a device's state → ours.
fn device_state(word: &str) -> &'static str {
    match word {
        "NOT_INUSE" => "not-in-use",
        "INUSE" => "in-use",
        "BUSY" => "busy",
        "RINGING" => "ringing",
        "RINGINUSE" => "ring-in-use",
        "ONHOLD" => "on-hold",
        "UNAVAILABLE" => "unavailable",
        "INVALID" => "invalid",
        _ => "unknown",
    }
}

/// The other half of a `Local` channel, by name.
fn other_half(channel: &str) -> Option<String> {
    let name = channel.strip_prefix("Local/")?;
    let (base, half) = name.rsplit_once(';')?;
    Some(format!("Local/{base};{}", if half == "1" { 2 } else { 1 }))
}

/// The call that a packet's channel is in. Where it isn't in any yet it is put into that of its `Linkedid`, which begins
/// here if need be. With a prefix, the packet's other channel.
fn call_of(packet: &Packet, prefix: &str, r: &mut Reader<'_, '_>) -> Option<u64> {
    let field = |name: &str| text(packet, &format!("{prefix}{name}"));
    let (channel, linked) = (field("Uniqueid"), field("Linkedid"));
    if channel.is_empty() {
        return None;
    }
    if let Some(serial) = r.book.call_of(r.group, &channel) {
        let linked = r.book.call_named(r.group, &linked).filter(|other| *other != serial);
        let in_conference = |book: &Book| book.channels.get(&(r.group, channel.as_str().into())).is_some_and(|c| c.conference);
        return Some(match linked {
            Some(other) if !in_conference(r.book) => r.book.merge(serial, other, &mut r.ctx),
            _ => serial,
        });
    }
    let id = if linked.is_empty() { &channel } else { &linked };
    if r.book.is_over(r.group, &channel, r.ctx.now) {
        return None;
    }
    let serial = match r.book.call_named(r.group, id) {
        Some(serial) => serial,
        None => {
            let is_new = packet.name() == Some(b"Newchannel") && *id == channel;
            // of a call that is met in the middle, this may be any of its channels
            let (number, name, to) =
                if *id == channel { (field("CallerIDNum"), field("CallerIDName"), field("Exten")) } else { Default::default() };
            let how = Beginning { number: &number, name: &name, withheld: false, to: &to, incomplete: !is_new };
            r.book.begin(r.source, r.group, id, &how, &mut r.ctx)?
        }
    };
    r.book.attach(serial, &channel, r.ctx.now).then_some(serial)
}

fn new_channel(packet: &Packet, r: &mut Reader<'_, '_>) {
    let Some(serial) = call_of(packet, "", r) else { return };
    let channel = text(packet, "Uniqueid");
    called_from(serial, &channel, &text(packet, "Channel"), r);
    if text(packet, "ChannelStateDesc") == "Up" {
        state(serial, &channel, "Up", r);
    }
}

/// Whose telephone the caller's channel is, if this is it.
fn called_from(serial: u64, channel: &str, name: &str, r: &mut Reader<'_, '_>) {
    if let Some(call) = r.book.touch(serial).filter(|call| call.caller() == channel) {
        call.called_from = phone_of(name).map(str::to_owned);
    }
}

/// A channel of a snapshot.
fn listed(packet: &Packet, r: &mut Reader<'_, '_>) {
    let channel = text(packet, "Uniqueid");
    r.seen.push(channel.as_str().into());
    let is_known = r.book.call_of(r.group, &channel).is_some();
    let Some(serial) = call_of(packet, "", r) else { return };
    let (name, desc) = (text(packet, "Channel"), text(packet, "ChannelStateDesc"));
    called_from(serial, &channel, &name, r);
    if !is_known && other_half(&name).is_none() && r.book.calls.get(&serial).is_some_and(|call| call.caller() != channel) {
        let number = text(packet, "CallerIDNum");
        let number = if number.is_empty() { dialled(name.split('-').next().unwrap_or_default()).to_owned() } else { number };
        leg(serial, &channel, &name, &number.clone(), number, None, None, r);
        if let Some(call) = r.book.touch(serial) {
            call.change_quietly(|head| head.incomplete = true);
        }
    }
    if let Some(call) = r.book.touch(serial).filter(|call| call.caller() == channel && call.head().to.is_empty()) {
        // by now the call may stand anywhere in the dialplan
        let exten = text(packet, "Exten");
        if exten.bytes().all(|b| b.is_ascii_digit() || b"+*#".contains(&b)) {
            call.change_quietly(|head| head.to = exten);
        }
        new_caller(packet, r);
    }
    if let (Some(lasted_us), now) = (duration_us(&text(packet, "Duration")), r.ctx.now)
        && let Some(call) = r.book.touch(serial)
    {
        call.has_lasted(lasted_us, now);
    }
    state(serial, &channel, &desc, r);
    let bridge = text(packet, "BridgeId");
    if !bridge.is_empty() && r.leads {
        r.book.enter_bridge(r.group, &channel, &bridge, r.ctx.now);
    }
}

/// `00:00:12` in microseconds.
fn duration_us(text: &str) -> Option<u64> {
    let seconds = text.split(':').try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse::<u32>().ok()?.into()))?;
    seconds.checked_mul(1_000_000)
}

fn new_state(packet: &Packet, r: &mut Reader<'_, '_>) {
    if let Some(serial) = call_of(packet, "", r) {
        state(serial, &text(packet, "Uniqueid"), &text(packet, "ChannelStateDesc"), r);
    }
}

/// A channel's state, in Asterisk's word.
fn state(serial: u64, channel: &str, desc: &str, r: &mut Reader<'_, '_>) {
    let now = r.ctx.now;
    let Some(call) = r.book.touch(serial) else { return };
    match (call.leg_at(channel), desc) {
        (Some(leg), "Ringing") => call.rings(leg),
        (Some(leg), "Up") => call.up(leg, now),
        (None, "Up") if call.caller() == channel => call.answered(now),
        _ => {}
    }
}

fn new_caller(packet: &Packet, r: &mut Reader<'_, '_>) {
    let Some(serial) = call_of(packet, "", r) else { return };
    let (channel, number, name) = (text(packet, "Uniqueid"), text(packet, "CallerIDNum"), text(packet, "CallerIDName"));
    let pres = text(packet, "CID-CallingPres").split(' ').next().and_then(|bits| bits.parse::<u32>().ok()).unwrap_or(0);
    let names = r.ctx.names;
    let Some(call) = r.book.touch(serial) else { return };
    if call.caller() != channel || call.head().from.withheld {
        return;
    }
    let tenant = call.head().tenant.clone();
    call.change(|head| {
        if pres & RESTRICTED != 0 {
            head.from = crate::cti::Party { withheld: true, ..Default::default() };
        } else {
            if head.from.number.is_empty() && !number.is_empty() {
                let (number, contact) = names.look_up(&tenant, &number);
                head.from.number = number;
                if let Some((id, known)) = contact {
                    (head.from.contact, head.from.name) = (Some(id), Some(known));
                }
            }
            if head.from.contact.is_none() && !name.is_empty() {
                head.from.name = Some(name);
            }
        }
    });
}

/// Somebody is dialled.
#[allow(clippy::too_many_arguments, reason = "what a leg is made of")]
fn leg(serial: u64, id: &str, channel: &str, dial: &str, number: String, far: Option<String>, via: Option<usize>, r: &mut Reader<'_, '_>) {
    let legs_max = r.book.limits.legs_max;
    let member = r.join.member(serial, dial, &number);
    let Some(call) = r.book.touch(serial).filter(|call| !call.is_full(legs_max)) else { return };
    let number = r.ctx.names.look_up(&call.head().tenant, &number).0;
    let view = LegView {
        id: id.to_owned(),
        channel: channel.to_owned(),
        member,
        number,
        state: LegState::Dialing,
        started_us: 0,
        answered_us: None,
        ended_us: None,
        cause: None,
    };
    call.dial(view, dial.to_owned(), far, via, r.ctx.now);
}

fn dial_begin(packet: &Packet, r: &mut Reader<'_, '_>) {
    // who dials may be nobody: an originated call
    let by = call_of(packet, "", r);
    let Some(serial) = call_of(packet, "Dest", r).or(by) else { return };
    let (id, channel, dial) = (text(packet, "DestUniqueid"), text(packet, "DestChannel"), text(packet, "DialString"));
    let by = text(packet, "Channel");
    let over = r.book.is_over(r.group, &id, r.ctx.now);
    let Some(call) = r.book.calls.get(&serial) else { return };
    if over || call.caller() == id || call.leg_at(&id).is_some() {
        return;
    }
    let via = call.proxy_at(&by);
    leg(serial, &id, &channel, &dial, dialled(&dial).to_owned(), other_half(&channel), via, r);
    state(serial, &id, &text(packet, "DestChannelStateDesc"), r);
}

fn dial_state(packet: &Packet, r: &mut Reader<'_, '_>) {
    let Some(serial) = call_of(packet, "Dest", r) else { return };
    if matches!(text(packet, "DialStatus").as_str(), "RINGING" | "PROGRESS") {
        state(serial, &text(packet, "DestUniqueid"), "Ringing", r);
    }
}

fn dial_end(packet: &Packet, r: &mut Reader<'_, '_>) {
    let Some(serial) = call_of(packet, "Dest", r) else { return };
    let (id, status) = (text(packet, "DestUniqueid"), text(packet, "DialStatus"));
    let (now, names) = (r.ctx.now, r.ctx.names);
    let Some(call) = r.book.touch(serial) else { return };
    let leg = call.leg_at(&id);
    let outcome = match (status.as_str(), leg) {
        ("ANSWER", Some(leg)) => {
            call.up(leg, now);
            if call.legs[leg].via.is_none() {
                let tenant = call.head().tenant.clone();
                call.wins(leg, |number| names.look_up(&tenant, number).1.map(|(_, name)| name), now);
            }
            return;
        }
        ("ANSWER", None) => return,
        ("BUSY", _) => Disposition::Busy,
        ("NOANSWER", _) => Disposition::NoAnswer,
        ("CANCEL", _) => Disposition::Cancelled,
        _ => Disposition::Failed,
    };
    match leg {
        Some(leg) => call.leg_ended(leg, Some(&status), Some(outcome), now),
        // an originated call: whom it calls is its own first party
        None if call.caller() == id => call.came_out = Some(outcome),
        None => {}
    }
}

fn bridge(packet: &Packet, r: &mut Reader<'_, '_>) {
    if call_of(packet, "", r).is_some() && r.leads {
        r.book.enter_bridge(r.group, &text(packet, "Uniqueid"), &text(packet, "BridgeUniqueid"), r.ctx.now);
    }
}

fn hangup(packet: &Packet, r: &mut Reader<'_, '_>) {
    let (channel, cause) = (text(packet, "Uniqueid"), text(packet, "Cause-txt"));
    let now = r.ctx.now;
    r.conferences.left(r.source, r.group, &channel, &mut r.ctx);
    if let Some(serial) = r.book.call_of(r.group, &channel)
        && let Some(call) = r.book.touch(serial)
    {
        let said = match text(packet, "Cause").as_str() {
            "17" | "21" => Some(Disposition::Busy),
            "18" | "19" => Some(Disposition::NoAnswer),
            "0" | "16" | "127" => Some(Disposition::Cancelled),
            _ => Some(Disposition::Failed),
        };
        if let Some(leg) = call.leg_at(&channel) {
            call.leg_ended(leg, Some(&cause), said.filter(|said| *said != Disposition::Cancelled), now);
        }
        if call.caller() == channel || (call.end.is_none() && call.channels.len() == 1) {
            call.end = Some((cause, said));
        }
    }
    r.book.detach(r.group, &channel, now);
}

fn hold(packet: &Packet, held: bool, r: &mut Reader<'_, '_>) {
    let Some(serial) = call_of(packet, "", r) else { return };
    if let Some(call) = r.book.touch(serial) {
        let leg = call.leg_at(&text(packet, "Uniqueid"));
        call.held(leg, held);
    }
}

fn blind_transfer(packet: &Packet, r: &mut Reader<'_, '_>) {
    if text(packet, "Result") != "Success" {
        return;
    }
    let by = call_of(packet, "Transferer", r);
    let Some(serial) = by.or_else(|| call_of(packet, "Transferee", r)) else { return };
    let to = text(packet, "Extension");
    if let Some(call) = r.book.touch(serial) {
        call.transferred(&to);
    }
}

fn attended_transfer(packet: &Packet, r: &mut Reader<'_, '_>) {
    if text(packet, "Result") != "Success" {
        return;
    }
    let first = call_of(packet, "OrigTransferer", r);
    let second = call_of(packet, "SecondTransferer", r);
    let Some(serial) = first.or(second) else { return };
    let consulted = second.filter(|second| *second != serial).and_then(|second| r.book.calls.get(&second));
    // a telephone asks in a call of its own; the switch's own feature in a bridge of the same one
    let to = match consulted {
        Some(call) => call.head().to.clone(),
        None => text(packet, "SecondTransfererConnectedLineNum"),
    };
    let serial = second.map_or(serial, |second| r.book.merge(serial, second, &mut r.ctx));
    if let Some(call) = r.book.touch(serial) {
        call.transferred(&to);
    }
}

fn rename(packet: &Packet, r: &mut Reader<'_, '_>) {
    let channel = text(packet, "Uniqueid");
    let name = text(packet, "Newname");
    let Some(serial) = r.book.call_of(r.group, &channel) else { return };
    called_from(serial, &channel, &name, r);
    if let Some(call) = r.book.touch(serial)
        && let Some(leg) = call.leg_at(&channel)
    {
        call.legs[leg].view.channel = name;
    }
}

fn conference(packet: &Packet, joined: bool, r: &mut Reader<'_, '_>) {
    let (room, channel, number) = (text(packet, "Conference"), text(packet, "Uniqueid"), text(packet, "CallerIDNum"));
    if !joined {
        r.conferences.left(r.source, r.group, &channel, &mut r.ctx);
        if let Some(channel) = r.book.channels.get_mut(&(r.group, channel.as_str().into())) {
            channel.conference = false;
        }
    } else if let Some(channel_of_call) = r.book.channels.get_mut(&(r.group, channel.as_str().into())) {
        channel_of_call.conference = true;
        r.conferences.joined(r.source, r.group, &room, &channel, &number, &mut r.ctx);
    }
}

/// Whether a word means registered; none if it says nothing of it.
fn is_registered(status: &str) -> Option<bool> {
    match status {
        "Registered" | "Reachable" => Some(true),
        "Unregistered" | "Unreachable" | "Rejected" | "Expired" | "Failed" => Some(false),
        _ => None,
    }
}

fn registration(who: &str, status: &str, r: &mut Reader<'_, '_>) {
    if let Some(registered) = is_registered(status) {
        r.book.devices.registration(r.source, r.group, who, registered, &mut r.ctx);
    }
}

/// Asterisk's own registration at a carrier.
fn registered_elsewhere(who: &str, status: &str, r: &mut Reader<'_, '_>) {
    if let Some(registered) = is_registered(status) {
        r.book.devices.registered_elsewhere(r.source, r.group, who, registered, &mut r.ctx);
    }
}

/// One contact of an endpoint: that one is gone doesn't mean that none is left; `PeerStatus` says that.
fn contact(endpoint: &str, status: &str, r: &mut Reader<'_, '_>) {
    if matches!(status, "Reachable" | "Created" | "NonQualified" | "Avail" | "NonQual") && !endpoint.is_empty() {
        registration(&clean(&format!("PJSIP/{endpoint}")), "Registered", r);
    }
}
