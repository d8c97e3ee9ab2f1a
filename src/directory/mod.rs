//! Who is who: contacts, what makes one valid, and the files they come from.

mod contact;
pub mod csv_file;

pub use contact::{Contact, ContactDraft, ContactError, ContactNumber, ID_BYTES_MAX, NAME_BYTES_MAX, check_id};
