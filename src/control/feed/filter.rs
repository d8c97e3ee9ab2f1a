//! What a client of the feed wants to hear of.

use crate::cti::{CallView, Event, Known, What};
use crate::nearest::did_you_mean;
use crate::number::NumberPlan;
use serde::{Deserialize, Serialize};

/// Words in one list, at most: more than there are types, and as many extensions as one panel shows.
const WORDS_MAX: usize = 256;

/// What a client asks for, as typed; each a comma list, and empty for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedQuery {
    /// Types: `call.ringing`, `call` (all of `call.…`), `call.*`.
    pub types: String,
    /// Extensions.
    pub extensions: String,
    /// Numbers.
    pub numbers: String,
    /// Whether to hear what the switches wrote, too.
    pub raw: bool,
}

/// The same, understood. Of gaps and their repair everybody hears: what is known of his extension may be wrong.
#[derive(Debug, Clone)]
pub(in crate::control) struct Filter {
    tenant: String,
    /// None is all but raw.
    types: Option<Vec<&'static str>>,
    extensions: Vec<String>,
    /// As they are stored, and as they were typed.
    numbers: Vec<String>,
    pub(super) raw: bool,
}

fn words(text: &str) -> Result<Vec<&str>, String> {
    let words: Vec<&str> = text.split(',').map(str::trim).filter(|w| !w.is_empty()).collect();
    if words.len() > WORDS_MAX {
        Err(format!("{} words are more than {WORDS_MAX}; ask for all and choose", words.len()))
    } else {
        Ok(words)
    }
}

fn types_of(word: &str) -> Result<Vec<&'static str>, String> {
    let group = word.strip_suffix(".*").unwrap_or(word);
    let is_in = |kind: &&&str| **kind == word || kind.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'));
    let found: Vec<&str> = What::TYPES.iter().filter(is_in).copied().collect();
    if found.is_empty() {
        let known = || What::TYPES.iter().copied().chain(["call", "conference"]);
        return Err(format!("{word:?} is no type of event{} (there are: {})", did_you_mean(word, known()), What::TYPES.join(", ")));
    }
    Ok(found)
}

impl Filter {
    /// What a tenant's client asks for; numbers are read as the tenant reads them.
    pub(in crate::control) fn read(tenant: &str, plan: &NumberPlan, query: &FeedQuery) -> Result<Filter, String> {
        let mut types = Vec::new();
        for word in words(&query.types)? {
            types.extend(types_of(word)?);
        }
        if types.contains(&"raw") && !query.raw {
            return Err("events of type raw are sent with raw=1 (--raw) only; it needs a scope of its own".to_owned());
        }
        let mut numbers = Vec::new();
        for typed in words(&query.numbers)? {
            let number = plan.parse(typed).map_err(|e| format!("the number {typed:?} {e}"))?;
            numbers.extend([number.to_string(), typed.to_owned()]);
        }
        Ok(Filter {
            tenant: tenant.to_owned(),
            types: Some(types).filter(|types| !types.is_empty()),
            extensions: words(&query.extensions)?.into_iter().map(str::to_owned).collect(),
            numbers,
            raw: query.raw,
        })
    }

    fn is_ours(&self, tenant: Option<&str>) -> bool {
        tenant.is_none_or(|tenant| tenant == self.tenant)
    }

    /// Whether events of a type are wanted.
    pub(super) fn wants_type(&self, kind: &str) -> bool {
        match kind {
            "raw" => self.raw,
            "gap" | "repaired" => true,
            kind => self.types.as_ref().is_none_or(|types| types.contains(&kind)),
        }
    }

    /// Whether anything of calls is.
    pub(super) fn wants_calls(&self) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|kind| kind.starts_with("call.") || *kind == "pop"))
    }

    fn everything(&self) -> bool {
        self.extensions.is_empty() && self.numbers.is_empty()
    }

    fn is_number(&self, number: &str) -> bool {
        !number.is_empty() && (self.extensions.iter().any(|e| e == number) || self.numbers.iter().any(|n| n == number))
    }

    fn concerns(&self, call: &CallView) -> bool {
        let legs = || call.legs.iter().flat_map(|leg| [leg.number.as_str(), leg.member.as_deref().unwrap_or_default()]);
        let ends = [call.from.number.as_str(), call.to.as_str(), call.transferred_to.as_deref().unwrap_or_default()];
        let answered = call.answered_by.as_ref().map(|a| a.member.as_str());
        ends.into_iter().chain(answered).chain(legs()).any(|number| self.is_number(number))
    }

    /// Whether a client hears of an event.
    pub(super) fn wants(&self, event: &Event) -> bool {
        self.is_ours(event.tenant.as_deref()) && self.wants_type(event.what.kind()) && (self.everything() || self.is_about(&event.what))
    }

    fn is_about(&self, what: &What) -> bool {
        let is_extension = |extension: &Option<String>| extension.as_deref().is_some_and(|e| self.is_number(e));
        match what {
            What::Gap(_) | What::Repaired | What::Raw(_) => true,
            // one call has a pop at each screen: whoever asks for one screen gets its own
            What::Pop(pop) if !self.extensions.is_empty() => self.is_number(&pop.extension),
            What::Device(device) => is_extension(&device.extension),
            What::Registration(registration) => is_extension(&registration.extension) || self.is_number(&registration.who),
            What::ConferenceJoined(member) | What::ConferenceLeft(member) => self.is_number(&member.number),
            what => what.call().is_some_and(|call| self.concerns(call)),
        }
    }

    /// Whether a live call is in this client's picture.
    pub(in crate::control) fn sees_call(&self, call: &CallView) -> bool {
        call.tenant == self.tenant && (self.everything() || self.concerns(call))
    }

    /// Whether something else is.
    pub(super) fn sees<T>(&self, known: &Known<T>, extension: &Option<String>) -> bool {
        let is_asked = extension.as_deref().is_some_and(|e| self.is_number(e));
        self.is_ours(known.tenant.as_deref()) && (self.everything() || is_asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cti::{Device, EventId, Gap, Raw};

    fn filter(query: &FeedQuery) -> Result<Filter, String> {
        Filter::read("acme", &NumberPlan::new("US".parse().ok()), query)
    }

    fn event(tenant: Option<&str>, what: What) -> Event {
        let id = EventId { epoch: 1, sequence: 1 };
        Event { id, switch: "a".into(), number: 1, tenant: tenant.map(str::to_owned), at_us: 0, what }
    }

    fn device(extension: &str) -> What {
        What::Device(Device { device: format!("PJSIP/{extension}"), extension: Some(extension.into()), state: "in-use".into() })
    }

    #[test]
    fn a_group_of_types_is_all_of_them_and_an_unknown_one_is_refused_with_a_suggestion() {
        for types in ["call", "call.*", "call.ringing, pop"] {
            let filter = filter(&FeedQuery { types: types.into(), ..FeedQuery::default() }).unwrap();
            assert!(filter.wants_type("call.ringing") && !filter.wants_type("device") && !filter.wants_type("conference.left"), "{types}");
            assert!(filter.wants_type("gap") && filter.wants_type("repaired") && !filter.wants_type("raw"), "{types}");
        }
        let refused = |types: &str| filter(&FeedQuery { types: types.into(), ..FeedQuery::default() }).unwrap_err();
        assert!(refused("call.rining").contains("did you mean call.ringing?"), "{}", refused("call.rining"));
        assert!(refused("cal").contains("did you mean call?"), "{}", refused("cal"));
        assert!(refused("raw").contains("raw=1"));
        assert!(refused(&"pop,".repeat(257)).contains("more than 256"));
    }

    #[test]
    fn nobody_hears_of_another_tenants_events_and_everybody_of_gaps() {
        let all = filter(&FeedQuery::default()).unwrap();
        assert!(all.wants(&event(Some("acme"), device("101"))) && all.wants(&event(None, device("101"))));
        assert!(!all.wants(&event(Some("other"), device("101"))));
        let one = filter(&FeedQuery { extensions: "101,102".into(), types: "pop".into(), ..FeedQuery::default() }).unwrap();
        assert!(one.wants(&event(None, What::Gap(Gap { why: "overrun".into(), lost: None }))));
        assert!(!one.wants(&event(Some("acme"), device("101"))), "devices weren't asked for");
    }

    #[test]
    fn raw_events_are_for_those_who_asked() {
        let raw = event(None, What::Raw(Raw { event: "UserEvent".into(), fields: Vec::new() }));
        assert!(!filter(&FeedQuery::default()).unwrap().wants(&raw));
        assert!(
            filter(&FeedQuery { raw: true, extensions: "101".into(), types: "call".into(), ..FeedQuery::default() }).unwrap().wants(&raw)
        );
    }
}
