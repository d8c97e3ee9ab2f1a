//! Whom a number leads to, as it lies on the disk: the same answers as the snapshot's, and every contact whole.
//!
//! Asked by the administrator and, until the snapshot stands, by calls. Each way to be found is a scan of the index's keys that
//! begin with it.

use super::durable::Durable;
use super::{StoreError, key};
use crate::directory::{BEHIND_DIGITS_MAX, Contact, Indexed};
use crate::number::{Kind, Number};
use crate::routing::FoundBy;
use std::collections::BTreeSet;

/// Contacts with one number that are read from the disk: whoever waits is a call, or somebody who reads them himself.
const WITH_NUMBER_MAX: usize = 256;

/// The contacts that a number leads to, as somebody may know them.
pub(super) struct ContactsFor {
    pub(super) by: Option<FoundBy>,
    pub(super) contacts: Vec<(u64, Contact)>,
    pub(super) passed_over: bool,
}

impl Durable {
    /// All contacts that have a number itself, newest first.
    pub(super) fn contacts_with(&self, tenant: &str, number: &Number) -> Result<Vec<(u64, Contact)>, StoreError> {
        self.found_by(tenant, &Indexed::Number(number.clone()))
    }

    /// The contacts that a number leads to as an extension may know them, the one that counts first; in which way, and
    /// whether others' personal ones were passed over.
    pub(super) fn contacts_for(&self, tenant: &str, number: &Number, callee: Option<&Number>) -> Result<ContactsFor, StoreError> {
        let mut passed_over = false;
        for (way, by) in self.ways(tenant, number)? {
            let all = self.found_by(tenant, &way)?;
            passed_over |= all.iter().any(|(_, c)| c.owner.is_some() && c.owner.as_ref() != callee);
            let (own, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, c)| c.owner.is_some() && c.owner.as_ref() == callee);
            let contacts: Vec<_> = own.into_iter().chain(rest.into_iter().filter(|(_, c)| c.owner.is_none())).collect();
            if !contacts.is_empty() {
                return Ok(ContactsFor { by: Some(by), contacts, passed_over });
            }
        }
        Ok(ContactsFor { by: None, contacts: Vec::new(), passed_over })
    }

    /// The ways in which contacts with a number may be found, the nearest first.
    fn ways(&self, tenant: &str, number: &Number) -> Result<Vec<(Indexed, FoundBy)>, StoreError> {
        let mut ways = vec![(Indexed::Number(number.clone()), FoundBy::Number)];
        if number.kind() != Kind::E164 {
            return Ok(ways);
        }
        let digits = number.digits();
        // most directories have neither ranges nor main numbers
        let has = |sort: u8| Ok::<bool, StoreError>(self.entries(tenant, &[sort], &[sort]).next().transpose()?.is_some());
        if has(key::BEGINNING)? {
            ways.extend((1..=digits.len()).rev().map(|n| (Indexed::Beginning(digits[..n].to_owned()), FoundBy::Beginning(n as u8))));
        }
        if has(key::BEHIND)? {
            let shortest = digits.len().saturating_sub(BEHIND_DIGITS_MAX).max(1);
            ways.extend((shortest..digits.len()).rev().map(|n| (Indexed::Behind(digits[..n].to_owned()), FoundBy::Behind(n as u8))));
        }
        Ok(ways)
    }

    /// All contacts that are found in a way, newest first; ids that say so and don't (any more) are passed over.
    fn found_by(&self, tenant: &str, way: &Indexed) -> Result<Vec<(u64, Contact)>, StoreError> {
        let prefix = key::found_by(way);
        let mut ids = BTreeSet::new();
        for item in self.entries(tenant, &prefix, &prefix).take(WITH_NUMBER_MAX) {
            ids.insert(String::from_utf8_lossy(&item?.key()[prefix.len()..]).into_owned());
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some((revision, contact)) = self.contact(tenant, &id)?
                && contact.numbers.iter().any(|n| n.indexed().contains(way))
            {
                found.push((revision, contact));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        Ok(found)
    }
}
