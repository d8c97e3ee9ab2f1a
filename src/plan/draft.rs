//! Drafts: each sort of thing as an administrator writes it, in a plan's file, on the command line or as JSON. All text,
//! nothing checked; [`ItemDraft::check`] reads one as its tenant does.

use super::StepDraft;
use crate::directory::ContactDraft;
use crate::routing::schedule::{Exception, Holiday, Hours, Override, Period};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A contact of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactText {
    /// Its id.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// The company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Its numbers, the main one first.
    pub numbers: Vec<NumberText>,
    /// Free words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whose personal phone book it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether it stands first in its phone book.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub favourite: bool,
}

/// A number of a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the key number, and label if you like")]
pub struct NumberText {
    /// The number, as typed.
    pub number: String,
    /// `office`, `mobile`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl From<ContactText> for ContactDraft {
    fn from(text: ContactText) -> ContactDraft {
        let numbers = text.numbers.into_iter().map(|n| (n.number, n.label)).collect();
        let ContactText { id, name, company, tags, note, owner, favourite, .. } = text;
        ContactDraft { id, name, company, numbers, tags, note, owner, favourite }
    }
}

/// A ring group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupDraft {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The strategy; `ringall` if nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Seconds that a member rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u16>,
    /// Its members, in their order.
    pub members: Vec<MemberDraft>,
}

/// A member of a group: one of `number`, `extension` and `group`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberDraft {
    /// The member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An outside number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// An extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// Another group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Seconds before he rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u16>,
    /// Seconds that he rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u16>,
    /// How much he counts where the strategy is `weighted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Whether he has to press 1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
    /// The trunk for his number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
}

/// A route: one of `number`, `prefix` and `default`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteDraft {
    /// The number called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// All that begin like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Whatever no other route takes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Tried in turn.
    pub steps: Vec<StepDraft>,
    /// What a late or failed answer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<StepDraft>,
    /// The schedule whose state chooses the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Steps for states of the schedule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Vec<StepDraft>>,
}

/// An entry of a list: one of the keys, and on the block list what such a caller gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreenDraft {
    /// One number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// All that begin like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Numbers of a country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Numbers of a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What the network says of the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
    /// Callers who withhold their number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// Callers who call more often than this: `10/60`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// What such a caller gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<StepDraft>,
}

/// Opening hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDraft {
    /// Its id.
    pub id: String,
    /// The time zone; the tenant's if nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Digits that a star code names it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `mon-fri 09:00-17:30`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Hours>,
    /// `lunch mon-fri 12:00-13:00`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<Period>,
    /// `2026-12-24 09:00-12:00`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// `christmas 12-25..12-26`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
    /// A state that is set by hand.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Override>,
}

/// A trunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkDraft {
    /// Its name in the switch.
    pub id: String,
    /// How it wants the number called: `plus`, `e164`, `national`, `dialled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Digits in front of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tech_prefix: Option<String>,
    /// The number that all its calls show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<String>,
    /// How it wants that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_id_format: Option<String>,
    /// Whether emergency calls go here first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// `+49=0.01,priority=2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<String>,
}

/// A brake against toll fraud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitDraft {
    /// Which calls, by where they go.
    pub class: String,
    /// `extension` (each one's) or `tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// So many in an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u32>,
    /// So many at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

/// An extension's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionDraft {
    /// The extension.
    pub extension: String,
    /// Its user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Do not disturb.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dnd: bool,
    /// Where all calls go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_always: Option<String>,
    /// Where a call goes that finds it busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_busy: Option<String>,
    /// Where a call goes that nobody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_no_answer: Option<String>,
    /// Where a call goes while it can't be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_unavailable: Option<String>,
    /// The mailbox of calls that nobody takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// How long it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_seconds: Option<u16>,
    /// So many calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<u8>,
    /// What it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// The number that it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<String>,
    /// The number that an emergency service calls back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_caller_id: Option<String>,
    /// Its telephone shows ASCII only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ascii: bool,
}

/// A SIP account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserDraft {
    /// The name he registers with.
    pub extension: String,
    /// The realm.
    pub domain: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The dialplan context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// What proves that it is he; the stored one stays, where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a1_hash: Option<String>,
}

/// Any thing of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemDraft {
    /// A ring group.
    Group(GroupDraft),
    /// Opening hours.
    Schedule(ScheduleDraft),
    /// A route.
    Route(RouteDraft),
    /// An entry of the block list.
    Block(ScreenDraft),
    /// An entry of the allow list.
    Allow(ScreenDraft),
    /// A trunk.
    Trunk(TrunkDraft),
    /// A brake.
    Limit(LimitDraft),
    /// An extension's settings.
    Extension(ExtensionDraft),
    /// A SIP account.
    User(UserDraft),
}
