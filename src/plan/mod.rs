//! A plan as people write it: drafts of everything that decides calls, the file that holds them all, and what differs
//! between two plans. Pure: no disk, no socket.

mod check;
mod diff;
mod draft;
mod drawn;
mod file;
mod references;
mod step_draft;
mod write;

pub use diff::{Difference, Kind as DifferenceKind, differences};
pub use draft::{
    ContactText, ExtensionDraft, GroupDraft, ItemDraft, LimitDraft, MemberDraft, RouteDraft, ScheduleDraft, ScreenDraft, TrunkDraft,
    UserDraft,
};
pub use file::{ERRORS_MAX, PLAN_BYTES_MAX, PlanErrors, PlanFile, read};
pub use references::{broken, names, uses};
pub use step_draft::StepDraft;
pub use write::{Shown, write};
