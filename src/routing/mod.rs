//! Where a call goes: question + data → decision, and the trace that `explain` prints.
//!
//! Everything here is pure and synchronous: no clock, no socket, no store. What it needs to know it asks of a
//! [`Data`], whose answers are found, absent or failed: three values, because "the disk failed" must never read as
//! "nobody by that number" (complaints of users of other systems are full of that mistake).

#[cfg(test)]
mod any_plan_tests;
mod decide;
mod decision;
mod directory_xml;
mod extension;
mod feature;
mod group;
mod item;
mod live;
mod naming;
mod outbound;
mod question;
pub mod render;
mod ring;
mod route;
pub mod schedule;
mod screen;
mod screening;
mod sheet;
mod step;
mod step_token;
mod tenant;
#[cfg(test)]
mod tests;
mod trace;
mod trunk;
mod user;
mod whose;
pub mod xml;

pub use decide::{Moment, decide, fallback_decision, refusal};
pub use decision::{CallerName, Decision, Leg, Reason, Ring, Status};
pub use directory_xml::DirectoryQuestion;
pub use extension::{Extension, ExtensionError, FORWARDS};
pub use feature::{CODE_CHARS_MAX, CODES, CodeFor, Feature, FeatureError, Features, ForwardWhich, NIGHT_HOURS_MAX, Sounds, Switched};
pub use group::{DELAY_SECONDS_MAX, GROUP_DEPTH_MAX, Group, GroupError, MEMBERS_MAX, Member, MemberTarget, Strategy, WEIGHT_MAX};
pub use item::{PlanItem, PlanKey};
pub use live::{Live, Marks, NOTHING_LIVE};
pub use naming::{FoundBy, Hint, Known, NAMES_MAX, NamePolicy, SentName, Several, TrunkName, in_ascii};
pub use outbound::FAILOVERS_MAX;
pub use question::{Caller, Outcome, Question, QuestionError, QuestionText, Request};
pub use render::Switch;
pub use route::{Prefix, Route, RouteKey, STEPS_MAX};
pub use schedule::{CompiledSchedule, Schedule, ScheduleError, State, Zone};
pub use screening::{CallerRate, List, RATE_SECONDS_MAX, Screen, ScreenKey, Verification};
pub use sheet::Sheet;
pub use step::{ACTION_WORDS, Action, STEP_KINDS, Step, StepError, TARGETS_MAX};
pub use step_token::{Course, HOPS_MAX, StepToken, TOKEN_BYTES_MAX, TokenError};
pub use tenant::{
    DEFAULT_TENANT, DialTemplates, Filling, PERMISSIONS_DEFAULT, TARGET_BYTES_MAX, TENANT_ID_BYTES_MAX, Template, Tenant, TenantError,
    Tenants, check_tenant_id,
};
pub use trace::{Rule, Trace};
pub use trunk::{Limit, NumberFormat, RATES_MAX, Rate, Scope, TRUNKS_MAX, Trunk, TrunkError, parse_price, price_text};
pub use user::{
    A1Hash, CONTEXT_BYTES_MAX, DOMAIN_BYTES_MAX, EXTENSION_BYTES_MAX, PASSWORD_BYTES_MAX, USER_NAME_BYTES_MAX, User, UserError,
    check_extension, normal_domain,
};
pub use whose::{Did, Whose};

use crate::number::{Class, Number};
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
    /// The entry of a list with exactly this key.
    fn screen(&self, list: List, key: &ScreenKey) -> Found<Arc<Screen>>;
    /// The ring group with this id.
    fn group(&self, id: &str) -> Found<Arc<Group>>;
    /// The opening hours with this id.
    fn schedule(&self, id: &str) -> Found<Arc<CompiledSchedule>>;
    /// What an extension's user has set.
    fn extension(&self, number: &Number) -> Found<Arc<Extension>>;
    /// All trunks, by id.
    ///
    /// # Errors
    /// [`LookupFailed`].
    fn trunks(&self) -> Result<Arc<Vec<Arc<Trunk>>>, LookupFailed>;
    /// The brake on a class of calls.
    fn limit(&self, class: Class, scope: Scope) -> Found<Limit>;
    /// Who has this number, as the called extension may know it, at most so many of them. The first of these that anybody is
    /// found in: the number itself, the longest beginning of it, the longest main number that it stands behind.
    /// Contacts of another extension's personal phone book aren't seen.
    ///
    /// # Errors
    /// [`LookupFailed`].
    fn known(&self, number: &Number, callee: Option<&Number>, names_max: usize) -> Result<Known, LookupFailed>;
    /// Who has this number, as everybody may know it.
    ///
    /// # Errors
    /// [`LookupFailed`].
    fn caller(&self, number: &Number) -> Found<CallerName> {
        Ok(self.known(number, None, 1)?.names.into_iter().next())
    }
    /// The user of a domain, which is given in lower case, with exactly this extension.
    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>>;
    /// Whether a domain, given in lower case, has any user.
    ///
    /// # Errors
    /// [`LookupFailed`].
    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed>;
}
