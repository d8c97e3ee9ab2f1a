//! Whose call it is where the question names no tenant: by FreeSWITCH's domain, by where in the dialplan the call stands, by
//! the number that was called.

use super::Tenants;
use crate::number::{Kind, NumberPlan};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A public number that a tenant has, or all that begin like it: `+49301234500`, `+493012346*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Did {
    digits: String,
    is_prefix: bool,
}

impl FromStr for Did {
    type Err = String;

    /// Reads a number with its country code, or the beginning of one with `*` behind it.
    fn from_str(text: &str) -> Result<Did, String> {
        let wrong =
            || format!("{text:?} is no DID; write + and the country code (+49301234500), or * behind the beginning of many (+493012346*)");
        let (number, is_prefix) = text.strip_suffix('*').map_or((text, false), |begins| (begins, true));
        let digits: String = number.strip_prefix('+').ok_or_else(wrong)?.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let fits = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let is_number = is_prefix || NumberPlan::new(None).parse(&format!("+{digits}")).is_ok();
        if fits && is_number && (1..=15).contains(&digits.len()) { Ok(Did { digits, is_prefix }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}{}", self.digits, if self.is_prefix { "*" } else { "" })
    }
}

/// Who has what.
#[derive(Debug, Clone, Default)]
pub struct Whose {
    domains: HashMap<String, Option<String>>,
    contexts: HashMap<String, String>,
    dids: HashMap<Did, String>,
    /// How the tenants that have numbers read what was dialled: one plan for each country, and whose it is.
    plans: Vec<(NumberPlan, Vec<String>)>,
}

impl Whose {
    /// What is known of the tenants themselves: their domains. A domain that several have is nobody's.
    #[must_use]
    pub fn new(tenants: &Tenants) -> Whose {
        let mut domains: HashMap<String, Option<String>> = HashMap::new();
        for tenant in tenants.values() {
            if let Some(domain) = &tenant.freeswitch.domain {
                domains.entry(domain.clone()).and_modify(|owner| *owner = None).or_insert_with(|| Some(tenant.id.clone()));
            }
        }
        Whose { domains, ..Whose::default() }
    }

    /// A context of the dialplan is a tenant's.
    pub fn add_context(&mut self, context: &str, tenant: &str) {
        self.contexts.insert(context.to_owned(), tenant.to_owned());
    }

    /// A number is a tenant's, who reads numbers by this plan.
    pub fn add_did(&mut self, did: Did, tenant: &str, plan: &NumberPlan) {
        self.dids.insert(did, tenant.to_owned());
        let reads_alike = |(other, _): &&mut (NumberPlan, Vec<String>)| other.country() == plan.country();
        match self.plans.iter_mut().find(reads_alike) {
            Some((_, owners)) if owners.iter().any(|owner| owner == tenant) => {}
            Some((_, owners)) => owners.push(tenant.to_owned()),
            // by its country alone: what is an extension or a short code is no DID
            None => self.plans.push((NumberPlan::new(plan.country()), vec![tenant.to_owned()])),
        }
    }

    /// Whose domain it is.
    #[must_use]
    pub fn by_domain(&self, domain: &str) -> Option<&str> {
        self.domains.get(domain).or_else(|| self.domains.get(&domain.to_ascii_lowercase()))?.as_deref()
    }

    /// Whose context it is.
    #[must_use]
    pub fn by_context(&self, context: &str) -> Option<&str> {
        self.contexts.get(context).map(String::as_str)
    }

    /// Whose number it is: the number itself, else the longest beginning. As it was dialled inside a country it is read as
    /// each tenant reads it.
    #[must_use]
    pub fn by_did(&self, dialled: &str) -> Option<&str> {
        let mut best: Option<(usize, Option<&str>)> = None;
        for (plan, owners) in &self.plans {
            let Ok(number) = plan.parse(dialled) else { continue };
            if number.kind() != Kind::E164 {
                continue;
            }
            let found = self.longest(number.digits()).filter(|(_, owner)| owners.iter().any(|o| o == owner));
            best = match (found, best) {
                (Some((length, owner)), Some((before, _))) if length > before => Some((length, Some(owner))),
                // the digits are one tenant's number in his country, and another's in his: it can't be told whose call it is
                (Some((length, owner)), Some((before, other))) if length == before && other != Some(owner) => Some((length, None)),
                (Some((length, owner)), None) => Some((length, Some(owner))),
                (_, best) => best,
            };
        }
        best.and_then(|(_, owner)| owner)
    }

    fn longest(&self, digits: &str) -> Option<(usize, &str)> {
        let get = |digits: &str, is_prefix| self.dids.get(&Did { digits: digits.to_owned(), is_prefix }).map(String::as_str);
        if let Some(owner) = get(digits, false) {
            return Some((usize::MAX, owner));
        }
        (1..=digits.len()).rev().find_map(|length| Some((length, get(&digits[..length], true)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose() -> Whose {
        let mut whose = Whose::default();
        let (de, us) = (NumberPlan::new("DE".parse().ok()), NumberPlan::new("US".parse().ok()));
        for (did, tenant, plan) in [
            ("+49301234500", "acme", &de),
            ("+493012345*", "beta", &de),
            ("+4930123456*", "acme", &de),
            ("+1415555*", "coast", &us),
            ("+1 415 555-0199", "harbour", &us),
        ] {
            whose.add_did(did.parse().unwrap(), tenant, plan);
        }
        whose.add_context("from-acme", "acme");
        whose
    }

    #[test]
    fn the_number_itself_counts_before_the_longest_beginning() {
        let whose = whose();
        for (dialled, owner) in [
            ("+49301234500", Some("acme")),
            ("03012345 00", Some("acme")),
            ("0049301234500", Some("acme")),
            ("+49301234501", Some("beta")),
            ("+49301234567", Some("acme")),
            ("+14155550100", Some("coast")),
            ("(415) 555-0199", Some("harbour")),
            ("+14155550199", Some("harbour")),
            ("+14165550199", None),
            ("101", None),
            ("", None),
            ("112", None),
        ] {
            assert_eq!(whose.by_did(dialled), owner, "{dialled}");
        }
        assert_eq!((whose.by_context("from-acme"), whose.by_context("from-trunk")), (Some("acme"), None));
    }

    #[test]
    fn a_national_number_is_read_by_whoever_has_it_and_by_nobody_else() {
        let mut whose = Whose::default();
        // the same digits mean another number in the other country
        whose.add_did("+49301234567".parse().unwrap(), "berlin", &NumberPlan::new("DE".parse().ok()));
        whose.add_did("+33301234567".parse().unwrap(), "paris", &NumberPlan::new("FR".parse().ok()));
        assert_eq!(whose.by_did("+49301234567"), Some("berlin"));
        assert_eq!(whose.by_did("+33301234567"), Some("paris"));
        assert_eq!(whose.by_did("0301234567"), None, "it may be either's");
        assert_eq!(whose.by_did("00493 01234567"), Some("berlin"));
    }

    #[test]
    fn what_is_no_did_is_refused_with_what_to_write() {
        for text in ["", "*", "+", "+*", "0301234567", "+0301", "+49 30 x", "+12", "+1234567890123456", "+49*30", "101"] {
            assert!(text.parse::<Did>().is_err(), "{text}");
        }
        assert_eq!("+49 30-123*".parse::<Did>().unwrap().to_string(), "+4930123*");
    }
}
