//! Users of the switch's directory.

use super::desk::{Desk, PAGE_MAX, Refusal, bad};
use super::request::{Reply, UserWhich};
use super::views::UserView;
use crate::routing::{Tenant, User, UserError, check_extension, normal_domain};
use crate::store::Edit;

impl From<UserError> for Refusal {
    fn from(error: UserError) -> Refusal {
        Refusal::BadInput(error.to_string())
    }
}

/// The domain and extension as they are stored.
pub(super) fn user_key(which: &UserWhich) -> Result<(String, &str), UserError> {
    check_extension(&which.extension)?;
    Ok((normal_domain(&which.domain)?, &which.extension))
}

fn nobody(domain: &str, extension: &str) -> String {
    format!("there is no user {extension}@{domain}")
}

impl Desk {
    pub(super) fn user_set(&self, tenant: &str, user: User) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let user = user.check()?;
        if let Some(number) = rules.plan.emergency_shadowed_by_number(&user.extension) {
            return bad(format!("{number} is an emergency number here and can't be an extension; give the telephone another one"));
        }
        let is_at = |t: &&Tenant| t.freeswitch.domain.as_deref() == Some(user.domain.as_str());
        let at: Vec<&str> = self.rules.values().filter(is_at).map(|t| t.id.as_str()).collect();
        let notes = match at.as_slice() {
            [owner] if *owner != tenant => {
                Some(format!("{} is the domain of the tenant {owner}, who is asked about it; did you mean --tenant {owner}?", user.domain))
            }
            _ => None,
        };
        self.edit_with(tenant, Edit::PutUser(user), notes.into_iter().collect())
    }

    pub(super) fn user_rm(&self, tenant: &str, which: &UserWhich) -> Result<Reply, Refusal> {
        let (domain, extension) = user_key(which)?;
        let what = nobody(&domain, extension);
        self.remove(tenant, Edit::RemoveUser(domain, extension.to_owned()), what)
    }

    pub(super) fn user_show(&self, tenant: &str, which: &UserWhich) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let (domain, extension) = user_key(which)?;
        match self.store.user(tenant, &domain, extension)? {
            Some((revision, user)) => Ok(Reply::Users { users: vec![UserView::of(revision, user)], next: None }),
            None => Err(Refusal::NotFound(nobody(&domain, extension))),
        }
    }

    pub(super) fn user_ls(&self, tenant: &str, domain: Option<&str>, after: Option<&UserWhich>) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let domain = domain.map(normal_domain).transpose()?;
        let after = after.map(user_key).transpose()?;
        let after = after.as_ref().map(|(domain, extension)| (domain.as_str(), *extension));
        let users = self.store.users(tenant, domain.as_deref(), after, PAGE_MAX)?;
        let next = users.last().filter(|_| users.len() == PAGE_MAX);
        let next = next.map(|(_, user)| UserWhich { domain: user.domain.clone(), extension: user.extension.clone() });
        Ok(Reply::Users { users: users.into_iter().map(|(revision, user)| UserView::of(revision, user)).collect(), next })
    }
}
