//! A plan as people write it: drafts of everything that decides calls, the file that holds them all, and what differs
//! between two plans. Pure: no disk, no socket.

mod check;
mod check_screen;
mod diff;
mod draft;
mod drawn;
mod file;
mod mistake;
mod place;
mod references;
mod salvage;
mod step_draft;
mod write;

pub use diff::{Difference, Kind as DifferenceKind, differences};
pub use draft::{
    ContactText, ExtensionDraft, GroupDraft, ItemDraft, LimitDraft, MemberDraft, NumberText, RouteDraft, ScheduleDraft, ScreenDraft,
    TrunkDraft, UserDraft,
};
pub use file::{Beside, ERRORS_MAX, PLAN_BYTES_MAX, PlanErrors, PlanFile, read, read_beside};
pub use mistake::{Mistake, Mistakes};
pub use references::{Look, Seen, broken, names, uses};
pub use step_draft::StepDraft;
pub use write::{Shown, write};
