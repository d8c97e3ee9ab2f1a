//! Devices and registrations, and what of them routing may glance at.

use super::book::Context;
use super::call::Call;
use super::words::is_extension;
use crate::cti::{Device, Draft, Registration, What};
use crate::event::{Now, Output, SourceInfo};
use crate::hints::Hint;
use std::collections::HashMap;

/// Devices, registrations and extensions that are remembered, each.
const DEVICES_MAX: usize = 20_000;
/// How often a hint is said again: routing takes one that is older than some minutes for none.
const HINT_EVERY_US: u64 = 30_000_000;
/// Hints that one look says again, at most, so that a large site's don't come all at once.
const HINTS_AT_ONCE_MAX: usize = 4_096;

/// Devices that Asterisk makes for a call: `Local` channels, and who announces in a conference.
const FOLDED: &[&str] = &["Local/", "CBAnn/"];

/// What is known of an extension.
#[derive(Debug, Default)]
struct Extension {
    registered: Option<bool>,
    dnd: bool,
    calls: u32,
    said: Option<(Hint, u64)>,
}

impl Extension {
    fn hint(&self) -> Hint {
        Hint { registered: self.registered, dnd: self.dnd, calls: u8::try_from(self.calls).unwrap_or(u8::MAX) }
    }
}

#[derive(Default)]
pub(super) struct Devices {
    states: HashMap<(usize, String), String>,
    registrations: HashMap<(usize, String), bool>,
    extensions: HashMap<(String, String), Extension>,
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
        self.states.insert(key, state.to_owned());
        if let Some(extension) = device.strip_prefix("Custom:DND").filter(|rest| is_digits(rest)) {
            let dnd = state == "in-use" || state == "busy";
            self.hint(&source.tenant, extension, ctx, |known| known.dnd = dnd);
        }
        let extension = extension_of(device);
        if let Some(extension) = &extension {
            match state {
                "unavailable" => self.hint(&source.tenant, extension, ctx, |known| known.registered = Some(false)),
                "invalid" | "unknown" => {}
                _ => self.hint(&source.tenant, extension, ctx, |known| known.registered = Some(true)),
            }
        }
        say(source, ctx, What::Device(Device { device: device.to_owned(), extension, state: state.to_owned() }));
    }

    /// Whether somebody is registered.
    pub fn registration(&mut self, source: &SourceInfo, group: usize, who: &str, registered: bool, ctx: &mut Context<'_>) {
        let key = (group, who.to_owned());
        let known = self.registrations.get(&key).copied();
        if known == Some(registered) || (known.is_none() && self.registrations.len() >= DEVICES_MAX) {
            return;
        }
        self.registrations.insert(key, registered);
        let extension = extension_of(who);
        if let Some(extension) = &extension {
            self.hint(&source.tenant, extension, ctx, |known| known.registered = Some(registered));
        }
        say(source, ctx, What::Registration(Registration { who: who.to_owned(), extension, registered }));
    }

    /// All registrations that a switch has: the others it had are gone.
    pub fn only_registered(&mut self, source: &SourceInfo, group: usize, who: &[String], ctx: &mut Context<'_>) {
        let gone = |((of, name), registered): (&(usize, String), &bool)| {
            (*of == group && *registered && !who.contains(name)).then(|| name.clone())
        };
        let gone: Vec<String> = self.registrations.iter().filter_map(gone).collect();
        for name in who {
            self.registration(source, group, name, true, ctx);
        }
        for name in gone {
            self.registration(source, group, &name, false, ctx);
        }
    }

    /// Counts a call at the extensions that are in it now.
    pub fn count(&mut self, call: &mut Call, ctx: &mut Context<'_>) {
        let head = call.head();
        let legs = call.legs.iter().filter(|leg| leg.is_live() && leg.is_shown()).map(|leg| leg.extension());
        let mut now: Vec<(String, String)> = Vec::new();
        for extension in legs.chain([head.from.number.as_str()]).filter(|extension| is_extension(extension)) {
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

    /// What was known of a switch's devices is known no longer: hints of it are no longer said again.
    pub fn lost(&mut self, group: usize, tenant: &str) {
        let names = self.states.keys().chain(self.registrations.keys()).filter(|(of, _)| *of == group);
        let extensions: Vec<String> = names.filter_map(|(_, name)| extension_of(name)).collect();
        for extension in extensions {
            if let Some(known) = self.extensions.get_mut(&(tenant.to_owned(), extension)) {
                known.registered = None;
            }
        }
        self.states.retain(|(of, _), _| *of != group);
        self.registrations.retain(|(of, _), _| *of != group);
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

/// The extension of a device or an account, where it is one: digits. (A trunk has a name.)
fn extension_of(device: &str) -> Option<String> {
    let name = ["PJSIP/", "SIP/", "IAX2/", "SCCP/"].iter().find_map(|technology| device.strip_prefix(technology)).unwrap_or(device);
    let name = name.split('@').next().unwrap_or(name);
    is_digits(name).then(|| name.to_owned())
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
}
