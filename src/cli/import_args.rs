//! What is typed behind `contact import`.

use crate::directory::file::Format;
use crate::store::ImportMode;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArgs {
    /// The file, or - for standard input
    pub(super) file: PathBuf,
    /// Read it as this: csv, vcard, ldif, jsonl, xlsx or astdb [default: what its content says]
    #[arg(long, value_name = "F")]
    pub(super) format: Option<Format>,
    /// Say which column is what, such as name=B,number=C or name="Full name"
    #[arg(long, value_name = "FIELD=COLUMN,…")]
    pub(super) map: Option<String>,
    /// Say what divides the columns of a CSV: one sign, or tab
    #[arg(long, value_name = "C")]
    pub(super) delimiter: Option<String>,
    /// Say what encoding its text has, such as latin1
    #[arg(long, value_name = "NAME")]
    pub(super) encoding: Option<String>,
    /// Call the source this; a second import of the same source updates the first [default: the file's name, and a sum where that can't be one]
    #[arg(long, value_name = "LABEL")]
    pub(super) source: Option<String>,
    /// merge adds and changes; replace also removes what the source no longer has; update only changes what is there
    #[arg(long, value_name = "M", default_value_t)]
    pub(super) mode: ImportMode,
    /// Let a file without contacts replace (so: remove) all that the source has
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// Put all of it into this extension's personal phone book, beside what everybody and others have under the same ids
    ///
    /// A contact whose id this book has already is that contact, so that a book that was exported is the same when it is imported
    /// again. Any other that says an id is called EXTENSION-ID here, and everybody's and other people's contacts stay as they are.
    #[arg(long, value_name = "EXTENSION")]
    pub(super) owner: Option<String>,
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}
