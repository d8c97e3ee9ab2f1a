//! Who is who: contacts, what makes one valid, and the files they come from.

mod contact;
pub mod export;
pub mod file;
mod fold;
pub mod formula;
mod reach;
pub mod search;

pub use contact::{
    COMPANY_BYTES_MAX, Contact, ContactDraft, ContactError, ContactNumber, ID_BYTES_MAX, LABEL_BYTES_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX,
    NUMBERS_MAX, TAGS_MAX, check_id,
};
pub use reach::{BEHIND_DIGITS_MAX, Indexed, Reach, ReachError};
