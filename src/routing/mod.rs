//! Where a call goes: question + data → decision, and the trace that `explain` prints.
//!
//! Everything here is pure and synchronous: no clock, no socket, no store. What it needs to know it asks of a
//! [`Data`], whose answers are found, absent or failed: three values, because "the disk failed" must never read as
//! "nobody by that number" (complaints of users of other systems are full of that mistake).

mod decide;
mod decision;
mod directory_xml;
mod question;
pub mod render;
mod route;
pub mod schedule;
mod screening;
mod step_token;
mod tenant;
mod trace;
mod user;
pub mod xml;

pub use decide::{decide, fallback_decision, refusal};
pub use decision::{CallerName, Decision, Reason, Status};
pub use directory_xml::DirectoryQuestion;
pub use question::{Caller, Outcome, Question, QuestionError, QuestionText, Request};
pub use render::Switch;
pub use route::{Action, Prefix, Route, RouteKey, STEP_KINDS, STEPS_MAX, Step, StepError, TARGETS_MAX};
pub use schedule::{CompiledSchedule, Schedule, ScheduleError, State, Zone};
pub use screening::{List, Screen, ScreenKey};
pub use step_token::{HOPS_MAX, StepToken, TOKEN_BYTES_MAX, TokenError};
pub use tenant::{
    DEFAULT_TENANT, DialTemplates, Filling, TARGET_BYTES_MAX, TENANT_ID_BYTES_MAX, Template, Tenant, TenantError, Tenants, check_tenant_id,
};
pub use trace::{Rule, Trace};
pub use user::{
    A1Hash, CONTEXT_BYTES_MAX, DOMAIN_BYTES_MAX, EXTENSION_BYTES_MAX, PASSWORD_BYTES_MAX, USER_NAME_BYTES_MAX, User, UserError,
    check_extension, normal_domain,
};

use crate::number::Number;
use std::sync::Arc;
use thiserror::Error;

/// A look-up that could not be carried out. Not "absent".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the look-up failed: {0}")]
pub struct LookupFailed(pub String);

/// Found, absent or failed.
pub type Found<T> = Result<Option<T>, LookupFailed>;

/// What a decision may ask of one tenant's data.
pub trait Data {
    /// The revision that the answers belong to.
    fn revision(&self) -> u64;
    /// The route with exactly this key.
    fn route(&self, key: &RouteKey) -> Found<Arc<Route>>;
    /// The route with the longest prefix that the number begins with.
    fn route_by_prefix(&self, number: &Number) -> Found<Arc<Route>>;
    /// The entry of a list that covers the number: the exact one, else the longest prefix.
    fn screen_number(&self, list: List, number: &Number) -> Found<Arc<Screen>>;
    /// The entry that speaks of withheld callers.
    fn screen_withheld(&self) -> Found<Arc<Screen>>;
    /// Who has this number.
    fn caller(&self, number: &Number) -> Found<CallerName>;
    /// The user of a domain, which is given in lower case, with exactly this extension.
    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>>;
    /// Whether a domain, given in lower case, has any user.
    ///
    /// # Errors
    /// [`LookupFailed`].
    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed>;
}
