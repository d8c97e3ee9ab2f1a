//! What an import's source is called where nobody says it: by the file's name.
//!
//! A label is short and ASCII, and names are not. Where something of a name had to be replaced or cut, a sum of all of it stands
//! at the label's end, so that two files are two sources. Earlier versions went without: what they brought is found again under
//! the label that they made, and the server decides whether it is this file's.

use crate::control::{ImportView, SOURCE_BYTES_MAX, SOURCE_OF_NO_NAME};
use std::path::Path;

/// Bytes of the sum: a hyphen and eight hexadecimal digits of a CRC-32, which is the same in every version and on every machine.
const SUM_BYTES: usize = 9;

/// What a source is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) source: String,
    /// What earlier versions called it, where that is another.
    pub(super) formerly: Option<String>,
}

impl Label {
    /// As somebody says.
    pub(super) fn said(source: String) -> Label {
        Label { source, formerly: None }
    }
}

/// A source label out of a file's name. A personal phone book's names whose it is, so that two people's files of one name are
/// two sources.
pub(super) fn label_of(file: &Path, owner: Option<&str>) -> Label {
    let stem = file.file_stem().unwrap_or_default();
    let whole = [owner.map(|owner| format!("{}-", owner.trim())).unwrap_or_default().as_bytes(), stem.as_encoded_bytes()].concat();
    let text = String::from_utf8_lossy(&whole);
    let letters: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let letters_of = |length: usize| letters[..letters.len().min(length)].trim_start_matches(['-', '_']).to_owned();
    let formerly = Some(letters_of(SOURCE_BYTES_MAX)).filter(|label| !label.is_empty()).unwrap_or_else(|| SOURCE_OF_NO_NAME.to_owned());
    // standard input has no name, and is called what it has always been
    if file == Path::new("-") || *formerly.as_bytes() == *whole {
        return Label::said(formerly);
    }
    let begin = Some(letters_of(SOURCE_BYTES_MAX - SUM_BYTES)).filter(|label| !label.is_empty());
    let begin = begin.unwrap_or_else(|| SOURCE_OF_NO_NAME.to_owned());
    Label { source: format!("{begin}-{:08x}", crc32fast::hash(&whole)), formerly: Some(formerly) }
}

/// What people should know of the source, where it isn't the one that the name makes, or may not be the one that they mean.
pub(super) fn note(asked: &str, begun: &ImportView) -> Option<String> {
    if begun.source != asked {
        let source = &begun.source;
        return Some(format!("note: the source is {source}, as earlier imports of such a name called it; --source {asked} begins another"));
    }
    begun.formerly.as_ref().map(|formerly| {
        format!("note: contacts of {formerly} may be this file's, as earlier versions called it so; --source {formerly} goes on with them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(file: &str) -> Label {
        label_of(Path::new(file), None)
    }

    #[test]
    fn two_files_have_two_labels_and_a_short_ascii_name_is_its_own() {
        for (file, expected) in [("crm.csv", "crm"), ("/tmp/Phone_Book-2.vcf", "Phone_Book-2"), ("-", "import")] {
            assert_eq!(label(file), Label::said(expected.into()), "{file}");
        }
        assert_eq!(label_of(Path::new("phone.csv"), Some(" 101 ")), Label::said("101-phone".into()));
        for (one, other, formerly) in [
            ("customers-europe-germany-north.csv", "customers-europe-germany-south.csv", "customers-europe-germany"),
            ("北京.csv", "上海.csv", "import"),
            ("Müller.csv", "Möller.csv", "M-ller"),
            ("my contacts.csv", "my,contacts.csv", "my-contacts"),
            ("_crm.csv", "-crm.csv", "crm"),
        ] {
            let (one, other) = (label(one), label(other));
            assert_ne!(one.source, other.source);
            assert_eq!((one.formerly.as_deref(), other.formerly.as_deref()), (Some(formerly), Some(formerly)));
        }
    }

    #[test]
    fn a_label_is_the_same_in_every_version() {
        assert_eq!(label("Müller.csv").source, "M-ller-6c47b7c5");
        assert_eq!(label("北京.csv").source, "import-cc6b7e91");
    }

    proptest! {
        #[test]
        fn whatever_a_file_is_called_its_label_is_one(stem in "\\PC{0,60}", owner in proptest::option::of("[0-9]{1,6}")) {
            let label = label_of(Path::new(&format!("{stem}.csv")), owner.as_deref());
            for source in std::iter::once(&label.source).chain(&label.formerly) {
                prop_assert!(crate::control::is_label(source), "{}", source);
            }
        }
    }
}
