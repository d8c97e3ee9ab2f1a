//! Devices and registrations, and what of them routing may glance at.
//!
//! * An extension may be registered under several names: `101@pbx.example` and `101@192.0.2.5`, `SIP/101` and `PJSIP/101`,
//!   at one switch or at two. It is there if it is there under any of them.
//! * What is said of a device says more than what is said of its registrations: it knows of them all, and whether they answer.
//! * What a switch said that isn't heard any more is known no longer, and of its calls nobody would say that they are over:
//!   they count again when it tells of them.
//! * A caller's number is what the caller says. Whose telephone a call comes from, the switch says.

use super::LAG_MAX_US;
use super::book::Context;
use super::call::Call;
use super::words::is_extension;
use crate::cti::{Device, Draft, Registration, What};
use crate::event::{Now, Output, SourceInfo};
use crate::hints::Hint;
use std::collections::{HashMap, HashSet};

/// Devices, registrations and extensions that are remembered, each.
const DEVICES_MAX: usize = 20_000;
/// How often a hint is said again: routing takes one that is older than some minutes for none.
const HINT_EVERY_US: u64 = 30_000_000;
/// Hints that one look says again, at most, so that a large site's don't come all at once.
const HINTS_AT_ONCE_MAX: usize = 4_096;

/// Devices that Asterisk makes for a call: `Local` channels, and who announces in a conference.
const FOLDED: &[&str] = &["Local/", "CBAnn/"];
/// What Asterisk reaches telephones by. A line of `DAHDI/` is no telephone of its own.
const TECHNOLOGIES: &[&str] = &["PJSIP/", "SIP/", "IAX2/", "SCCP/"];

/// A switch, and its name for a device or an account.
type Name = (usize, String);

/// Whether a telephone is there, by one of its names.
#[derive(Debug, Default)]
struct Said {
    by_device: Option<bool>,
    by_account: Option<bool>,
}

/// What is known of an extension.
#[derive(Debug, Default)]
struct Extension {
    /// No more of them than of devices and accounts.
    names: HashMap<Name, Said>,
    /// Switches where it isn't to be disturbed.
    dnd: Vec<usize>,
    calls: u32,
    said: Option<(Hint, u64)>,
}

impl Extension {
    fn hint(&self) -> Hint {
        let is_there = self.names.values().filter_map(|said| said.by_device.or(said.by_account));
        Hint {
            registered: is_there.reduce(|any, is_there| any || is_there),
            dnd: !self.dnd.is_empty(),
            calls: u8::try_from(self.calls).unwrap_or(u8::MAX),
        }
    }

    fn is_told_by(&self, group: usize) -> bool {
        self.dnd.contains(&group) || self.names.keys().any(|(of, _)| *of == group)
    }

    /// What a switch says by one of its names.
    fn say(&mut self, name: Name, change: impl FnOnce(&mut Said)) {
        let said = self.names.entry(name.clone()).or_default();
        change(said);
        if said.by_device.or(said.by_account).is_none() {
            self.names.remove(&name);
        }
    }
}

/// An account that somebody registers at a switch.
struct Account {
    is_registered: bool,
    /// When an event last said so.
    heard_us: Option<u64>,
}

#[derive(Default)]
pub(super) struct Devices {
    states: HashMap<Name, String>,
    registrations: HashMap<Name, Account>,
    extensions: HashMap<(String, String), Extension>,
    /// Switches that aren't heard.
    silent: HashSet<usize>,
}

impl Devices {
    /// A device's state, in our words.
    pub fn device(&mut self, source: &SourceInfo, group: usize, device: &str, state: &str, ctx: &mut Context<'_>) {
        if FOLDED.iter().any(|folded| device.starts_with(folded)) {
            return;
        }
        let key = (group, device.to_owned());
        if self.states.get(&key).is_some_and(|known| known == state)
            || (self.states.len() >= DEVICES_MAX && !self.states.contains_key(&key))
        {
            return;
        }
        self.states.insert(key.clone(), state.to_owned());
        if let Some(extension) = device.strip_prefix("Custom:DND").filter(|rest| is_digits(rest)) {
            let dnd = state == "in-use" || state == "busy";
            self.hint(&source.tenant, extension, ctx, |known| {
                known.dnd.retain(|of| *of != group);
                known.dnd.extend(dnd.then_some(group));
            });
        }
        let extension = extension_of(device);
        if let Some(extension) = &extension {
            let is_there = match state {
                "unavailable" => Some(false),
                "invalid" | "unknown" => None,
                _ => Some(true),
            };
            self.hint(&source.tenant, extension, ctx, |known| known.say(key, |said| said.by_device = is_there));
        }
        say(source, ctx, What::Device(Device { device: device.to_owned(), extension, state: state.to_owned() }));
    }

    /// Somebody is registered at the switch, or nobody is any more.
    pub fn registration(&mut self, source: &SourceInfo, group: usize, who: &str, registered: bool, ctx: &mut Context<'_>) {
        self.account(source, group, who, extension_of(who), registered, ctx);
        if let Some(account) = self.registrations.get_mut(&(group, who.to_owned())) {
            account.heard_us = Some(ctx.now.monotonic_us);
        }
    }

    /// The switch itself is registered elsewhere, or no longer. That is no telephone, whatever it is called there.
    pub fn registered_elsewhere(&mut self, source: &SourceInfo, group: usize, who: &str, registered: bool, ctx: &mut Context<'_>) {
        self.account(source, group, who, None, registered, ctx);
    }

    fn account(
        &mut self,
        source: &SourceInfo,
        group: usize,
        who: &str,
        extension: Option<String>,
        registered: bool,
        ctx: &mut Context<'_>,
    ) {
        let key = (group, who.to_owned());
        let is_full = self.registrations.len() >= DEVICES_MAX;
        let known = match self.registrations.get_mut(&key) {
            None if is_full => return,
            None => {
                self.registrations.insert(key.clone(), Account { is_registered: registered, heard_us: None });
                None
            }
            Some(account) => Some(std::mem::replace(&mut account.is_registered, registered)),
        };
        if known == Some(registered) {
            return;
        }
        if let Some(extension) = &extension {
            self.hint(&source.tenant, extension, ctx, |known| known.say(key, |said| said.by_account = Some(registered)));
        }
        say(source, ctx, What::Registration(Registration { who: who.to_owned(), extension, registered }));
    }

    /// All registrations that a switch has: the others it had are gone, but for those that it hasn't written down yet.
    pub fn only_registered(&mut self, source: &SourceInfo, group: usize, who: &[String], ctx: &mut Context<'_>) {
        let listed: HashSet<&str> = who.iter().map(String::as_str).collect();
        let now_us = ctx.now.monotonic_us;
        let is_new = |account: &Account| account.heard_us.is_some_and(|at| now_us.saturating_sub(at) < LAG_MAX_US);
        let gone = |((of, name), account): (&Name, &Account)| {
            (*of == group && account.is_registered && !is_new(account) && !listed.contains(name.as_str())).then(|| name.clone())
        };
        let gone: Vec<String> = self.registrations.iter().filter_map(gone).collect();
        for (names, registered) in [(who, true), (&gone, false)] {
            for name in names {
                self.account(source, group, name, extension_of(name), registered, ctx);
            }
        }
    }

    /// Counts a call at the extensions that are in it now.
    pub fn count(&mut self, call: &mut Call, ctx: &mut Context<'_>) {
        if self.silent.contains(&call.group) {
            self.uncount(call, ctx);
            return;
        }
        let head = call.head();
        let legs = call.legs.iter().filter(|leg| leg.is_live() && leg.is_shown()).map(|leg| leg.extension());
        let phone = call.phone().and_then(|phone| extension_at(phone, &head.from.number));
        let mut now: Vec<(String, String)> = Vec::new();
        for extension in legs.chain(phone).filter(|extension| is_extension(extension)) {
            if !now.iter().any(|(_, counted)| counted == extension) {
                now.push((head.tenant.clone(), extension.to_owned()));
            }
        }
        if now == call.counted {
            return;
        }
        let before = std::mem::replace(&mut call.counted, now);
        for (tenant, extension) in before.iter().filter(|key| !call.counted.contains(key)) {
            self.hint(tenant, extension, ctx, |known| known.calls = known.calls.saturating_sub(1));
        }
        for (tenant, extension) in call.counted.iter().filter(|key| !before.contains(key)) {
            self.hint(tenant, extension, ctx, |known| known.calls += 1);
        }
    }

    /// A call is over.
    pub fn uncount(&mut self, call: &mut Call, ctx: &mut Context<'_>) {
        for (tenant, extension) in std::mem::take(&mut call.counted) {
            self.hint(&tenant, &extension, ctx, |known| known.calls = known.calls.saturating_sub(1));
        }
    }

    /// Says again what is known, so that it doesn't grow old.
    pub fn refresh(&mut self, now: Now, out: &mut Vec<Output>) {
        let old = |said: u64| now.monotonic_us.saturating_sub(said) >= HINT_EVERY_US;
        let due = self.extensions.iter_mut().filter(|(_, known)| known.said.is_none_or(|(_, at)| old(at)));
        for ((tenant, extension), known) in due.take(HINTS_AT_ONCE_MAX) {
            let hint = known.hint();
            known.said = Some((hint, now.monotonic_us));
            out.push(Output::Hint(tenant.clone(), extension.clone(), hint));
        }
    }

    /// A switch isn't heard any more, and these are all calls. What it said is taken back at once, and its calls don't count.
    pub fn lost<'a>(&mut self, group: usize, calls: impl Iterator<Item = &'a mut Call>, ctx: &mut Context<'_>) {
        self.silent.insert(group);
        calls.filter(|call| call.group == group).for_each(|call| self.uncount(call, ctx));
        self.states.retain(|(of, _), _| *of != group);
        self.registrations.retain(|(of, _), _| *of != group);
        let told = self.extensions.iter().filter(|(_, known)| known.is_told_by(group));
        let told: Vec<(String, String)> = told.map(|(key, _)| key.clone()).collect();
        for (tenant, extension) in told {
            self.hint(&tenant, &extension, ctx, |known| {
                known.dnd.retain(|of| *of != group);
                known.names.retain(|(of, _), _| *of != group);
            });
        }
    }

    /// It is heard again. Its calls count when it tells of them, and first of all it lists those that it has: what ended
    /// meanwhile keeps nobody busy.
    pub fn heard(&mut self, group: usize) {
        self.silent.remove(&group);
    }

    fn hint(&mut self, tenant: &str, extension: &str, ctx: &mut Context<'_>, change: impl FnOnce(&mut Extension)) {
        let key = (tenant.to_owned(), extension.to_owned());
        if self.extensions.len() >= DEVICES_MAX && !self.extensions.contains_key(&key) {
            return;
        }
        let known = self.extensions.entry(key.clone()).or_default();
        change(known);
        let hint = known.hint();
        if known.said.is_none_or(|(said, _)| said != hint) {
            known.said = Some((hint, ctx.now.monotonic_us));
            ctx.out.push(Output::Hint(tenant.to_owned(), extension.to_owned(), hint));
        }
        if hint == Hint::default() {
            self.extensions.remove(&key);
        }
    }
}

fn say(source: &SourceInfo, ctx: &mut Context<'_>, what: What) {
    let draft = Draft { switch: source.name.clone(), tenant: Some(source.tenant.clone()), at_us: ctx.now.wall_us, what };
    ctx.out.push(Output::Say(draft));
}

/// Whose telephone it is: its own name, where that is a number, or the number that its name ends with and that it shows
/// (`desk-101`). A caller who shows another's number has another's telephone.
fn extension_at<'a>(phone: &'a str, shown: &str) -> Option<&'a str> {
    if is_digits(phone) {
        return Some(phone);
    }
    let prefix = phone.strip_suffix(shown).filter(|_| !shown.is_empty())?;
    (!prefix.ends_with(|c: char| c.is_ascii_digit())).then(|| &phone[prefix.len()..])
}

/// The extension of a device or an account, where it is one: digits. (A trunk has a name.)
fn extension_of(device: &str) -> Option<String> {
    let name = named(device).unwrap_or(device);
    let name = name.split('@').next().unwrap_or(name);
    is_digits(name).then(|| name.to_owned())
}

/// What a telephone is called, by Asterisk's name for a channel of its: `101` of `PJSIP/101-0000002a`.
pub(super) fn phone_of(channel: &str) -> Option<&str> {
    named(channel)?.rsplit_once('-').map(|(name, _)| name)
}

fn named(device: &str) -> Option<&str> {
    TECHNOLOGIES.iter().find_map(|technology| device.strip_prefix(technology))
}

fn is_digits(text: &str) -> bool {
    is_extension(text) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_told_from_a_trunk_and_a_hint() {
        for (device, extension) in [
            ("PJSIP/101", Some("101")),
            ("101@pbx.example", Some("101")),
            ("PJSIP/carrier", None),
            ("Custom:DND101", None),
            ("Queue:101_avail", None),
            ("", None),
        ] {
            assert_eq!(extension_of(device).as_deref(), extension, "{device}");
        }
    }

    #[test]
    fn a_channel_says_whose_telephone_it_is_where_it_is_one() {
        for (channel, phone) in [
            ("PJSIP/101-0000002a", Some("101")),
            ("SIP/101-0000002a", Some("101")),
            ("IAX2/101-77", Some("101")),
            ("PJSIP/desk-101-0000002a", Some("desk-101")),
            ("DAHDI/101-1", None),
            ("Local/101@phones-0000002a;1", None),
            ("sofia/internal/101@192.0.2.5", None),
            ("PJSIP/101", None),
            ("", None),
        ] {
            assert_eq!(phone_of(channel), phone, "{channel}");
        }
    }
}
