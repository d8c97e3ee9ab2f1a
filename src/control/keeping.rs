//! Keeping the store: backup, check, compaction. They are of the whole store, whoever its tenants are.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use crate::plan::{Seen, broken};
use crate::routing::PlanKey;
use crate::store::{Checked, PlanSort, StoreError};

/// Bytes of a backup in one reply: a third more as text, and it has to fit into a frame.
const PART_BYTES: usize = super::FRAME_BYTES_MAX / 4;

impl Desk {
    pub(super) fn backup_begin(&mut self) -> Result<Reply, Refusal> {
        self.backup = Some(self.store.backup());
        Ok(Reply::Backup { base64: String::new(), is_end: false })
    }

    pub(super) fn backup_next(&mut self) -> Result<Reply, Refusal> {
        // whatever goes wrong, the backup is over
        let Some(mut backup) = self.backup.take() else { return bad("there is no backup on its way; begin one first") };
        let (mut bytes, mut is_end) = (Vec::new(), false);
        while bytes.len() < PART_BYTES && !is_end {
            match backup.next_piece()? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => is_end = true,
            }
        }
        self.backup = Some(backup).filter(|_| !is_end);
        Ok(Reply::Backup { base64: data_encoding::BASE64.encode(&bytes), is_end })
    }

    pub(super) fn store_check(&self) -> Result<Reply, Refusal> {
        let mut checked = self.store.check()?;
        for tenant in self.store.tenants()? {
            self.check_plan(&tenant, &mut checked)?;
        }
        Ok(Reply::StoreChecked(Box::new(checked)))
    }

    /// What a tenant's plan names and isn't there.
    fn check_plan(&self, tenant: &str, checked: &mut Checked) -> Result<(), Refusal> {
        let Some(rules) = self.rules.get(tenant) else {
            // its data stays until somebody configures it again
            return Ok(());
        };
        for sort in [PlanSort::Group, PlanSort::Route, PlanSort::Trunk, PlanSort::Screen] {
            let mut wrong = Vec::new();
            self.each(tenant, sort, |item| {
                let mut look = |key: &PlanKey| -> Result<Seen<'_>, StoreError> {
                    Ok(self.store.item(tenant, key)?.map_or(Seen::Absent, |item| Seen::Fetched(Box::new(item))))
                };
                match broken(&item, rules, &mut look) {
                    Ok(mistakes) => wrong.extend(mistakes.first().map(|what| format!("tenant {tenant}: {}: {what}", item.key()))),
                    Err(error) => wrong.push(format!("tenant {tenant}: {}: {error}", item.key())),
                }
            })?;
            wrong.into_iter().for_each(|what| checked.problem(what));
        }
        Ok(())
    }

    pub(super) fn store_compact(&self) -> Result<Reply, Refusal> {
        Ok(Reply::StoreCompacted(self.store.compact()?))
    }
}
