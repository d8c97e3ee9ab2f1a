//! FreeSWITCH's frames → the book.
//!
//! * A call is the A leg's UUID. A leg is an outbound channel whose first event names its originator (`Other-Type:
//!   originator`, `variable_originator`); one without is somebody's own call.
//! * `loopback/…-a` is what was dialled, `…-b` (`other_loopback_leg_uuid`) runs the dialplan behind it. They are folded as
//!   Asterisk's `Local` channels are.
//! * A leg that is up hasn't won yet: a digit may be asked for. It has when the caller's channel is answered and it is the
//!   only one up, or when both are bridged.
//! * `Channel-Name`, `Caller-Username` and the presence id are made of what the caller wrote into `From`. Who has proved to be
//!   a user stands in `variable_user_name`, which nobody else's channel has (none of the recorded ones).
//! * The caller's own cause is what the dialplan did next; `variable_originate_disposition` says how the dial came out.

use super::Reader;
use super::book::Beginning;
use super::words::{clean, dialled};
use crate::cti::{Disposition, LegState, LegView};
use crate::wire::esl::{Event, Frame};
use serde_json::Value;

/// Rows of one listing that are read: more calls than one switch has.
const ROWS_MAX: usize = 100_000;

/// Reads an event frame; what is no event of a call, account or conference is passed over.
pub(super) fn frame(frame: &Frame, r: &mut Reader<'_, '_>) {
    let Ok(event) = Event::from_frame(frame) else { return };
    let name = event.name();
    match name {
        "CUSTOM" => custom(&event, r),
        "CHANNEL_HANGUP_COMPLETE" | "CHANNEL_DESTROY" => hangup(&event, r),
        "CHANNEL_UUID" => {
            let (old, new) = (text(&event, "Old-Unique-ID"), text(&event, "Unique-ID"));
            r.book.rename(r.group, &old, &new, r.ctx.now);
        }
        "CHANNEL_CREATE"
        | "CHANNEL_PROGRESS"
        | "CHANNEL_PROGRESS_MEDIA"
        | "CHANNEL_ANSWER"
        | "CHANNEL_BRIDGE"
        | "CHANNEL_UNBRIDGE"
        | "CHANNEL_HOLD"
        | "CHANNEL_UNHOLD"
        | "CALL_UPDATE" => channel(&event, name, r),
        // others come before the channel is whole: of a `CHANNEL_STATE` nothing is known but its id
        _ => {}
    }
}

fn text(event: &Event, name: &str) -> String {
    event.get(name).map(clean).unwrap_or_default()
}

/// What is known of a channel, from an event or a listing.
#[derive(Default)]
struct Channel {
    id: String,
    name: String,
    outbound: bool,
    number: String,
    caller: String,
    withheld: bool,
    to: String,
    /// The channel that dialled it.
    originator: String,
    /// The other half of a loopback pair.
    other_half: String,
    member: String,
    /// The user that the caller has proved to be.
    user: String,
}

impl Channel {
    fn of(event: &Event) -> Channel {
        let text = |name: &str| text(event, name);
        let originator = if event.get("Other-Type") == Some("originator") { text("Other-Leg-Unique-ID") } else { String::new() };
        let first = |a: String, b: &str| if a.is_empty() { text(b) } else { a };
        Channel {
            id: text("Unique-ID"),
            name: text("Channel-Name"),
            outbound: event.get("Call-Direction") == Some("outbound"),
            number: text("Caller-Caller-ID-Number"),
            caller: text("Caller-Caller-ID-Name"),
            withheld: event.get("Caller-Privacy-Hide-Number") == Some("true"),
            to: first(text("variable_dialed_user"), "Caller-Destination-Number"),
            originator: first(first(originator, "variable_originator"), "variable_originating_leg_uuid"),
            other_half: text("variable_other_loopback_leg_uuid"),
            member: text("variable_strowger_member"),
            user: first(text("variable_user_name"), "variable_sip_auth_username"),
        }
    }

    fn is_loopback(&self) -> bool {
        self.name.starts_with("loopback/")
    }

    /// The call that it is in; it is put there, and the call begins, if need be.
    fn call(&self, is_new: bool, r: &mut Reader<'_, '_>) -> Option<u64> {
        if self.id.is_empty() {
            return None;
        }
        if let Some(serial) = r.book.call_of(r.group, &self.id) {
            return Some(serial);
        }
        if r.book.is_over(r.group, &self.id, r.ctx.now) {
            return None;
        }
        let of = |id: &str, r: &Reader<'_, '_>| if id.is_empty() { None } else { r.book.call_of(r.group, id) };
        if self.is_loopback() && !self.outbound {
            // the far half of a leg; without the leg it is nobody's
            let serial = of(&self.other_half, r)?;
            return r.book.attach(serial, &self.id, r.ctx.now).then_some(serial);
        }
        let found = if self.outbound { of(&self.originator, r) } else { None };
        if let Some(serial) = found {
            return self.leg(serial, r);
        }
        if self.is_loopback() || (self.outbound && !self.originator.is_empty() && is_new) {
            // dialled by a channel that is over, or that was never told of
            return None;
        }
        let how = Beginning { number: &self.number, name: &self.caller, withheld: self.withheld, to: &self.to, incomplete: !is_new };
        let serial = r.book.begin(r.source, r.group, &self.id, &how, &mut r.ctx)?;
        r.book.attach(serial, &self.id, r.ctx.now).then_some(serial)
    }

    fn leg(&self, serial: u64, r: &mut Reader<'_, '_>) -> Option<u64> {
        if !r.book.attach(serial, &self.id, r.ctx.now) {
            return None;
        }
        let legs_max = r.book.limits.legs_max;
        let given = Some(self.member.clone()).filter(|member| !member.is_empty());
        let member = given.or_else(|| r.join.member(serial, &self.to, dialled(&self.to)));
        let call = r.book.touch(serial).filter(|call| !call.is_full(legs_max))?;
        let number = r.ctx.names.look_up(&call.head().tenant, dialled(&self.to)).0;
        let view = LegView {
            id: self.id.clone(),
            channel: self.name.clone(),
            member,
            number,
            state: LegState::Dialing,
            started_us: 0,
            answered_us: None,
            ended_us: None,
            cause: None,
        };
        let far = self.is_loopback().then(|| self.other_half.clone());
        let via = call.proxy_at(&self.originator).filter(|_| !self.originator.is_empty());
        call.dial(view, self.to.clone(), far, via, r.ctx.now);
        Some(serial)
    }
}

fn channel(event: &Event, name: &str, r: &mut Reader<'_, '_>) {
    let channel = Channel::of(event);
    if event.get("Answer-State") == Some("hangup") && r.book.call_of(r.group, &channel.id).is_none() {
        return;
    }
    let Some(serial) = channel.call(name == "CHANNEL_CREATE", r) else { return };
    let (now, names, leads) = (r.ctx.now, r.ctx.names, r.leads);
    let Some(call) = r.book.touch(serial) else { return };
    let leg = call.leg_at(&channel.id);
    let is_caller = call.caller() == channel.id;
    let tenant = call.head().tenant.clone();
    let name_of = |number: &str| names.look_up(&tenant, number).1.map(|(_, name)| name);
    // a channel that the switch dialled has the variables of who dialled it
    if is_caller && !channel.outbound && !channel.user.is_empty() {
        call.called_from = Some(channel.user.clone());
    }
    if is_caller && leads {
        let source = event.get("Caller-Transfer-Source").or_else(|| event.get("variable_transfer_source"));
        if let Some(to) = source.and_then(transferred_to) {
            call.transferred(&clean(to));
        }
    }
    match (name, leg) {
        ("CHANNEL_PROGRESS" | "CHANNEL_PROGRESS_MEDIA", Some(leg)) => call.rings(leg),
        ("CHANNEL_ANSWER", Some(leg)) => call.up(leg, now),
        ("CHANNEL_ANSWER", None) if is_caller => {
            let up = |leg: &&super::call::Leg| leg.via.is_none() && leg.view.state == LegState::Up;
            let mut legs = call.legs.iter().filter(up);
            match (legs.next().map(|leg| leg.view.id.clone()), legs.next()) {
                (Some(only), None) => {
                    let leg = call.leg_at(&only);
                    leg.into_iter().for_each(|leg| call.wins(leg, name_of, now));
                }
                _ => call.answered(now),
            }
        }
        ("CHANNEL_BRIDGE", _) if leads => bridge(event, serial, &channel, r),
        ("CHANNEL_UNBRIDGE", _) if leads && is_caller => call.unbridged(),
        ("CHANNEL_HOLD", leg) if leads => call.held(leg, true),
        ("CHANNEL_UNHOLD", leg) if leads => call.held(leg, false),
        _ => {}
    }
}

/// `1795277962:0d090de5-…:bl_xfer:600/lab/XML`: where to.
fn transferred_to(source: &str) -> Option<&str> {
    let mut parts = source.splitn(4, ':').skip(2);
    let (sort, to) = (parts.next()?, parts.next()?);
    (sort == "bl_xfer" || sort == "att_xfer").then(|| to.split('/').next().unwrap_or(to))
}

fn bridge(event: &Event, serial: u64, channel: &Channel, r: &mut Reader<'_, '_>) {
    let ends = [text(event, "Bridge-A-Unique-ID"), text(event, "Bridge-B-Unique-ID")];
    let other = ends.iter().find(|end| !end.is_empty() && **end != channel.id).and_then(|end| r.book.call_of(r.group, end));
    let serial = other.map_or(serial, |other| r.book.merge(serial, other, &mut r.ctx));
    let (now, names) = (r.ctx.now, r.ctx.names);
    let Some(call) = r.book.touch(serial) else { return };
    // of a bridge behind a loopback pair the caller knows nothing yet
    if !ends.iter().any(|end| call.caller() == end || call.leg_at(end).is_some_and(|leg| call.legs[leg].via.is_none())) {
        return;
    }
    let tenant = call.head().tenant.clone();
    let leg = ends.iter().find_map(|end| call.leg_at(end));
    if let Some(leg) = leg {
        call.wins(leg, |number| names.look_up(&tenant, number).1.map(|(_, name)| name), now);
    }
    call.bridged(now);
}

/// How a cause says that a dial came out.
fn outcome(cause: &str) -> Option<Disposition> {
    Some(match cause {
        "USER_BUSY" | "BUSY_EVERYWHERE" | "CALL_REJECTED" | "DECLINE" | "UNWANTED" | "REJECT_ALL" => Disposition::Busy,
        "NO_ANSWER" | "NO_USER_RESPONSE" | "ALLOTTED_TIMEOUT" | "PROGRESS_TIMEOUT" => Disposition::NoAnswer,
        "ORIGINATOR_CANCEL" => Disposition::Cancelled,
        "" | "SUCCESS" | "failure" | "NORMAL_CLEARING" | "LOSE_RACE" | "PICKED_OFF" | "NONE" | "BLIND_TRANSFER" | "ATTENDED_TRANSFER" => {
            return None;
        }
        _ => Disposition::Failed,
    })
}

fn hangup(event: &Event, r: &mut Reader<'_, '_>) {
    let (channel, cause) = (text(event, "Unique-ID"), text(event, "Hangup-Cause"));
    if channel.is_empty() {
        return;
    }
    let now = r.ctx.now;
    r.conferences.left(r.source, r.group, &channel, &mut r.ctx);
    if let Some(serial) = r.book.call_of(r.group, &channel)
        && let Some(call) = r.book.touch(serial)
    {
        if let Some(leg) = call.leg_at(&channel) {
            call.leg_ended(leg, Some(&cause), outcome(&cause), now);
        }
        if call.caller() == channel {
            let dial = text(event, "variable_originate_disposition");
            let how = text(event, "variable_sip_hangup_disposition");
            if how == "recv_cancel" || cause == "ORIGINATOR_CANCEL" {
                call.came_out = Some(Disposition::Cancelled);
                call.end = Some((cause, None));
            } else if let Some(said) = outcome(&dial).filter(|_| call.head().answered_us.is_none()) {
                call.came_out = Some(said);
                call.end = Some((dial, None));
            } else {
                // a caller who hung up in front of a menu, where nobody refused anything
                let gave_up = cause == "NORMAL_CLEARING" && !how.ends_with("_refuse");
                let said = if gave_up { Some(Disposition::Cancelled) } else { outcome(&cause) };
                call.end = Some((cause, said));
            }
        }
    }
    r.book.detach(r.group, &channel, now);
}

fn custom(event: &Event, r: &mut Reader<'_, '_>) {
    match event.get("Event-Subclass") {
        Some("conference::maintenance") => {
            let (room, leg) = (text(event, "Conference-Name"), text(event, "Unique-ID"));
            match event.get("Action") {
                Some("add-member") if !leg.is_empty() && !r.book.is_over(r.group, &leg, r.ctx.now) => {
                    let number = text(event, "Caller-Caller-ID-Number");
                    r.conferences.joined(r.source, r.group, &room, &leg, &number, &mut r.ctx);
                }
                Some("del-member") => r.conferences.left(r.source, r.group, &leg, &mut r.ctx),
                _ => {}
            }
        }
        // `sofia::unregister` and `sofia::expire` say that one contact is gone, not that none is left: whoever listens to the
        // switch has the rest listed, some time after
        Some("sofia::register") if r.leads => {
            let first = |names: [&str; 2]| names.iter().map(|name| text(event, name)).find(|text| !text.is_empty()).unwrap_or_default();
            let (user, host) = (first(["from-user", "user"]), first(["from-host", "host"]));
            if !user.is_empty() {
                r.book.devices.registration(r.source, r.group, &clean(&format!("{user}@{host}")), true, &mut r.ctx);
            }
        }
        _ => {}
    }
}

/// Reads the answer to `show … as json`. False if it is none.
pub(super) fn listing(what: &str, json: &[u8], r: &mut Reader<'_, '_>) -> bool {
    let Ok(listing) = serde_json::from_slice::<Value>(json) else { return false };
    // a listing of nothing is `{"row_count":0}`
    let Some(rows) = listing.get("rows").map_or(Some(&[][..]), |rows| rows.as_array().map(Vec::as_slice)) else { return false };
    let cell = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    if what == "registrations" {
        let who: Vec<String> =
            rows.iter().take(ROWS_MAX).map(|row| clean(&format!("{}@{}", cell(row, "reg_user"), cell(row, "realm")))).collect();
        if r.leads {
            r.book.devices.only_registered(r.source, r.group, &who, &mut r.ctx);
        }
        return true;
    }
    if what != "channels" {
        return true;
    }
    for row in rows.iter().take(ROWS_MAX) {
        let (id, call_id) = (cell(row, "uuid"), cell(row, "call_uuid"));
        r.seen.push(id.as_str().into());
        let channel = Channel {
            name: cell(row, "name"),
            outbound: cell(row, "direction") == "outbound",
            number: cell(row, "cid_num"),
            caller: cell(row, "cid_name"),
            to: cell(row, "dest"),
            originator: if call_id == id { String::new() } else { call_id },
            id,
            ..Channel::default()
        };
        let is_met = r.book.call_of(r.group, &channel.id).is_none();
        let Some(serial) = channel.call(false, r) else { continue };
        let now = r.ctx.now;
        let Some(call) = r.book.touch(serial) else { continue };
        // a listing doesn't tell who has proved to be whom: of a call that is met in its middle, the number is taken for it,
        // because a telephone that is free in the middle of its call is rung by everybody
        if is_met && call.caller() == channel.id && !channel.outbound && !channel.number.is_empty() {
            call.called_from = Some(channel.number.clone());
        }
        if let Ok(created) = cell(row, "created_epoch").parse::<u64>() {
            call.has_lasted(now.wall_us.saturating_sub(created.saturating_mul(1_000_000)), now);
        }
        let is_caller = call.caller() == channel.id;
        match (cell(row, "callstate").as_str(), call.leg_at(&channel.id)) {
            ("RINGING" | "EARLY", Some(leg)) => call.rings(leg),
            ("ACTIVE" | "HELD", Some(leg)) => call.up(leg, now),
            ("ACTIVE" | "HELD", None) if is_caller => call.answered(now),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_call_was_transferred_to_is_read_from_what_the_switch_keeps_of_it() {
        let source = "1795277962:0d090de5-b421-4552-a6fe-d297d3340cc4:bl_xfer:answerfor-600/lab/XML";
        assert_eq!(transferred_to(source), Some("answerfor-600"));
        assert_eq!(transferred_to("1795277962:0d090de5:uuid_br:c0f8"), None);
        assert_eq!(transferred_to(""), None);
    }

    #[test]
    fn a_cause_says_how_a_dial_came_out_or_nothing() {
        assert_eq!(outcome("USER_BUSY"), Some(Disposition::Busy));
        assert_eq!(outcome("DECLINE"), Some(Disposition::Busy), "as CALL_REJECTED is");
        assert_eq!(outcome("NO_ANSWER"), Some(Disposition::NoAnswer));
        assert_eq!(outcome("LOSE_RACE"), None);
        assert_eq!(outcome("NO_ROUTE_DESTINATION"), Some(Disposition::Failed));
    }
}
