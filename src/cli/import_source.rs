//! What an import's source is called where nobody says it: by the file's name.
//!
//! A label is short and ASCII, and names are not. Where something of a name had to be replaced or cut, a sum of all of it stands
//! at the label's end, so that two files are two sources.

use crate::control::SOURCE_BYTES_MAX;
use std::path::Path;

/// The source of what has no name: of what comes through a pipe, and, with a sum, of files in whose names nothing is ASCII.
const NO_NAME: &str = "import";
/// Bytes of the sum: a hyphen and eight hexadecimal digits of a CRC-32, which is the same in every version and on every machine.
const SUM_BYTES: usize = 9;

/// A source label out of a file's name. A personal phone book's names whose it is, so that two people's files of one name are
/// two sources.
pub(super) fn label_of(file: &Path, owner: Option<&str>) -> String {
    let stem = file.file_stem().unwrap_or_default();
    let whole = [owner.map(|owner| format!("{}-", owner.trim())).unwrap_or_default().as_bytes(), stem.as_encoded_bytes()].concat();
    let text = String::from_utf8_lossy(&whole);
    let letters: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let label = |length: usize| match letters[..letters.len().min(length)].trim_start_matches(['-', '_']) {
        "" => NO_NAME,
        label => label,
    };
    let plain = label(SOURCE_BYTES_MAX);
    // what a personal phone book's would be called
    let is_like_an_owners = owner.is_none() && text.split_once('-').is_some_and(|(begin, _)| begin.bytes().all(|b| b.is_ascii_digit()));
    if file == Path::new("-") || *plain.as_bytes() == *whole && !is_like_an_owners {
        return plain.to_owned();
    }
    format!("{}-{:08x}", label(SOURCE_BYTES_MAX - SUM_BYTES), crc32fast::hash(&whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(file: &str) -> String {
        label_of(Path::new(file), None)
    }

    #[test]
    fn two_files_have_two_labels_and_a_short_ascii_name_is_its_own() {
        for (file, expected) in [("crm.csv", "crm"), ("/tmp/Phone_Book-2.vcf", "Phone_Book-2"), ("-", "import")] {
            assert_eq!(label(file), expected, "{file}");
        }
        assert_eq!(label_of(Path::new("phone.csv"), Some(" 101 ")), "101-phone");
        for (one, other, begin) in [
            ("customers-europe-germany-north.csv", "customers-europe-germany-south.csv", "customers-europ-"),
            ("北京.csv", "上海.csv", "import-"),
            ("Müller.csv", "Möller.csv", "M-ller-"),
            ("my contacts.csv", "my,contacts.csv", "my-contacts-"),
            ("_crm.csv", "-crm.csv", "crm-"),
            ("101-phone.csv", "101-phone .csv", "101-phone-"),
        ] {
            let (one, other) = (label(one), label(other));
            assert_ne!(one, other);
            assert!(one.starts_with(begin) && other.starts_with(begin), "{one}, {other}");
        }
    }

    #[test]
    fn a_label_is_the_same_in_every_version() {
        assert_eq!(label("Müller.csv"), "M-ller-6c47b7c5");
        assert_eq!(label("北京.csv"), "import-cc6b7e91");
    }

    proptest! {
        #[test]
        fn whatever_a_file_is_called_its_label_is_one(stem in "\\PC{0,60}", owner in proptest::option::of("[0-9]{1,6}")) {
            let label = label_of(Path::new(&format!("{stem}.csv")), owner.as_deref());
            prop_assert!(crate::control::is_label(&label), "{}", label);
        }
    }
}
