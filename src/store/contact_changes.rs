//! Which contacts were changed since a revision: what whoever keeps something made of them follows.

use super::{Reader, StoreError, key};
use std::collections::BTreeSet;

impl Reader {
    /// The ids of a tenant's contacts that single edits changed since a revision (that one's are not among them). `None`
    /// where it can't be told one by one, and all are to be read anew: an import came in between, or the change log no
    /// longer reaches back.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn contacts_changed(&self, tenant: &str, since: u64) -> Result<Option<BTreeSet<String>>, StoreError> {
        let newest = self.revision();
        let (mut ids, mut next) = (BTreeSet::new(), since + 1);
        for change in self.changes(next) {
            let change = change?;
            if change.revision != next {
                return Ok(None);
            }
            next += 1;
            if change.tenant != tenant {
                continue;
            }
            if change.generations.is_some() {
                return Ok(None);
            }
            let Some(entries) = self.entries_of(&change)? else { return Ok(None) };
            let of_contacts = entries.iter().filter_map(|entry| entry.key.strip_prefix(&[key::CONTACT]));
            ids.extend(of_contacts.map(|id| String::from_utf8_lossy(id).into_owned()));
        }
        // whatever was acknowledged is in the log, unless its records were let go
        Ok((next > newest).then_some(ids))
    }
}
