//! CSV: the columns that an import reads, so that what was exported can be imported again.
//!
//! Numbers stand there as they were typed, since that is what an import reads. Cells are guarded against spreadsheets
//! ([`formula`]). Two things don't survive the form: white space around a text, and a `;` inside a tag, which would end it.
//! JSON lines keep both.

use super::ContactLines;
use crate::directory::{Contact, NUMBERS_MAX, formula};
use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};

/// What stands between a contact's tags.
const TAG_END: &str = ";";

/// CSV in the making.
#[derive(Debug)]
pub struct Csv {
    numbers: usize,
}

impl Csv {
    /// With columns for so many numbers of a contact: one at least, [`NUMBERS_MAX`] at most.
    #[must_use]
    pub fn new(numbers: usize) -> Csv {
        Csv { numbers: numbers.clamp(1, NUMBERS_MAX) }
    }

    /// The names of its columns. Scripts hold on to them.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let numbered = |word: &str, nth: usize| if nth == 1 { word.to_owned() } else { format!("{word}{nth}") };
        let numbers = (1..=self.numbers).flat_map(|nth| [numbered("number", nth), numbered("label", nth)]);
        let rest = ["company", "tags", "note", "owner", "favourite", "source"].map(str::to_owned);
        ["id", "name"].map(str::to_owned).into_iter().chain(numbers).chain(rest).collect()
    }
}

impl ContactLines for Csv {
    fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = ::csv::Writer::from_writer(out);
        writer.write_record(self.columns())?;
        writer.flush()
    }

    fn page(&mut self, contacts: &[(u64, Contact)], out: &mut dyn Write) -> io::Result<()> {
        let mut writer = ::csv::Writer::from_writer(out);
        let mut cells: Vec<Cow<'_, str>> = Vec::new();
        for (_, contact) in contacts {
            if contact.numbers.len() > self.numbers {
                let why = format!("the contact {} has got more numbers since the columns were counted; export again", contact.id);
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
            cells.clear();
            cells.extend([Cow::Borrowed(contact.id.as_str()), formula::harmless(&contact.name)]);
            for nth in 0..self.numbers {
                let number = contact.numbers.get(nth);
                cells.push(number.map_or(Cow::Borrowed(""), |n| formula::harmless_number(&n.typed)));
                cells.push(guarded(number.and_then(|n| n.label.as_deref())));
            }
            cells.push(guarded(contact.company.as_deref()));
            cells.push(Cow::Owned(formula::harmless(&contact.tags.join(TAG_END)).into_owned()));
            cells.push(guarded(contact.note.as_deref()));
            cells.push(contact.owner.as_ref().map_or(Cow::Borrowed(""), |owner| Cow::Owned(owner.to_string())));
            cells.push(Cow::Borrowed(if contact.favourite { "yes" } else { "" }));
            cells.push(formula::harmless(&contact.source));
            writer.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
        }
        writer.flush()
    }
}

fn guarded(text: Option<&str>) -> Cow<'_, str> {
    text.map_or(Cow::Borrowed(""), formula::harmless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ContactDraft;
    use crate::number::NumberPlan;
    use proptest::prelude::*;

    fn plan() -> NumberPlan {
        NumberPlan::new("DE".parse().ok())
    }

    fn written(contacts: &[(u64, Contact)]) -> String {
        let numbers = contacts.iter().map(|(_, c)| c.numbers.len()).max().unwrap_or_default();
        let (mut csv, mut out) = (Csv::new(numbers), Vec::new());
        csv.head(&mut out).unwrap();
        csv.page(contacts, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The contacts of a file, as an import understands its columns.
    fn read(text: &str) -> Vec<Contact> {
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let head = reader.headers().unwrap().clone();
        let mut contacts = Vec::new();
        for record in reader.records() {
            let record = record.unwrap();
            let cell = |name: &str| {
                let at = head.iter().position(|column| column == name)?;
                Some(formula::meant(record.get(at).unwrap().trim()).to_owned()).filter(|text| !text.is_empty())
            };
            let numbered = |word: &str, nth: usize| cell(&if nth == 1 { word.to_owned() } else { format!("{word}{nth}") });
            let draft = ContactDraft {
                id: cell("id").unwrap(),
                name: cell("name").unwrap(),
                company: cell("company"),
                numbers: (1..=NUMBERS_MAX).filter_map(|nth| Some((numbered("number", nth)?, numbered("label", nth)))).collect(),
                tags: cell("tags").map(|tags| tags.split(';').map(str::to_owned).collect()).unwrap_or_default(),
                note: cell("note"),
                owner: cell("owner"),
                favourite: cell("favourite").is_some(),
            };
            contacts.push(draft.check(&plan(), &cell("source").unwrap_or_default()).unwrap());
        }
        contacts
    }

    fn draft(id: &str, name: &str, numbers: &[(&str, &str)]) -> ContactDraft {
        let numbers = numbers.iter().map(|(typed, label)| ((*typed).to_owned(), Some((*label).to_owned()))).collect();
        ContactDraft { id: id.into(), name: name.into(), numbers, ..ContactDraft::default() }
    }

    #[test]
    fn a_file_has_the_columns_of_an_import_and_no_formula() {
        let ada = ContactDraft {
            company: Some("Engines, \"Ltd\"".into()),
            tags: vec!["friend".into(), "maths".into()],
            note: Some("=HYPERLINK(\"x\")\nopens at 6".into()),
            owner: Some("101".into()),
            favourite: true,
            ..draft("ada", "=1+1", &[("+49 30 123456", "office"), ("+49301234*", "")])
        };
        let contacts = [(7, ada.check(&plan(), "crm").unwrap()), (8, draft("bob", "Bob", &[("101", "")]).check(&plan(), "").unwrap())];
        let text = written(&contacts);
        assert_eq!(
            text,
            "id,name,number,label,number2,label2,company,tags,note,owner,favourite,source\n\
             ada,'=1+1,+49 30 123456,office,+49301234*,,\"Engines, \"\"Ltd\"\"\",friend;maths,\"'=HYPERLINK(\"\"x\"\")\nopens at 6\",101,yes,crm\n\
             bob,Bob,101,,,,,,,,,\n"
        );
        assert_eq!(read(&text), contacts.map(|(_, contact)| contact));
    }

    #[test]
    fn a_contact_that_got_more_numbers_meanwhile_is_not_cut_short() {
        let contact = draft("ada", "Ada", &[("101", ""), ("102", "")]).check(&plan(), "").unwrap();
        let error = Csv::new(1).page(&[(1, contact)], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("the contact ada has got more numbers"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_exported_is_imported_as_the_same_contacts(
            names in prop::collection::vec("['=+@\\-]{0,3}[\\PC&&[^ ]]{1,12}", 1..5),
            note in prop::option::of("[=+@'\"\n,;a1-]{1,20}"),
            typed in prop::collection::vec("\\+49[1-9][0-9]{6,9}|[1-9][0-9]{2}|=[a-z]{1,4}[0-9]|\\+4930[1-9]{4}\\*", 1..4),
        ) {
            let contact = |(at, name): (usize, &String)| {
                let numbers: Vec<(&str, &str)> = typed.iter().map(|typed| (typed.as_str(), "")).collect();
                let note = note.as_ref().map(|note| note.trim().to_owned());
                let draft = ContactDraft { note, favourite: at % 2 == 0, ..draft(&format!("c{at}"), name, &numbers) };
                draft.check(&plan(), "file").ok().map(|contact| (1, contact))
            };
            let contacts: Vec<(u64, Contact)> = names.iter().enumerate().filter_map(contact).collect();
            let wanted: Vec<Contact> = contacts.iter().map(|(_, contact)| contact.clone()).collect();
            prop_assert_eq!(read(&written(&contacts)), wanted);
        }
    }
}
