use super::*;
use crate::directory::{Contact, ContactDraft};
use crate::number::NumberPlan;
use proptest::prelude::*;
use roxmltree::Document;

fn contact(id: &str, name: &str, numbers: &[(&str, Option<&str>)]) -> Contact {
    let numbers = numbers.iter().map(|(typed, label)| ((*typed).to_owned(), label.map(str::to_owned))).collect();
    let draft = ContactDraft { id: id.into(), name: name.into(), numbers, ..ContactDraft::default() };
    draft.check(&NumberPlan::new("DE".parse().ok()), "").unwrap()
}

fn book(contacts: &[Contact]) -> Sorted {
    let mut book = Book::default();
    contacts.iter().for_each(|contact| book.add(contact));
    book.sorted()
}

fn names(sorted: &Sorted) -> Vec<&str> {
    sorted.entries.iter().map(|entry| entry.name.as_str()).collect()
}

/// Three contacts, one of which can't be dialled.
fn few() -> Sorted {
    let numbers = [("030 123456", Some("Büro")), ("0151 1234567", Some("mobile")), ("+49301234*", None)];
    let ada = Contact { favourite: true, ..contact("ada", "Ada <Lovelace> & \"Sons\"", &numbers) };
    let owner = NumberPlan::new(None).parse("101").ok();
    let bob = Contact { owner, ..contact("bob", "Bob $(reboot)", &[("102", None)]) };
    book(&[bob, contact("acme", "ACME", &[("+49301234*", None)]), ada])
}

fn document(word: &str, page: &Page<'_>) -> String {
    String::from_utf8(Vendor::find(word).unwrap().document(page).unwrap()).unwrap()
}

#[test]
fn every_vendor_has_a_format_of_its_own() {
    let sorted = few();
    let page = || Page { title: "Phone book", entries: sorted.entries.iter().collect(), ..Page::default() };
    assert_eq!(
        document("yealink", &page()),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<YealinkIPPhoneDirectory>
  <Title>Phone book</Title>
  <DirectoryEntry>
    <Name>Ada &lt;Lovelace&gt; &amp; &quot;Sons&quot;</Name>
    <Telephone>+4930123456</Telephone>
    <Telephone>+491511234567</Telephone>
  </DirectoryEntry>
  <DirectoryEntry>
    <Name>Bob $(reboot)</Name>
    <Telephone>102</Telephone>
  </DirectoryEntry>
</YealinkIPPhoneDirectory>
"#
    );
    let linked = Page {
        previous: Some("http://pbx:8085/phonebook/snom.xml?page=1".into()),
        next: Some("http://pbx:8085/phonebook/snom.xml?search=a&page=3".into()),
        remark: Some("2 of 3 -- all".into()),
        ..page()
    };
    assert_eq!(
        document("snom", &linked),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- 2 of 3 ‐‐ all -->
<SnomIPPhoneDirectory>
  <Title>Phone book</Title>
  <DirectoryEntry>
    <Name>Ada &lt;Lovelace&gt; &amp; &quot;Sons&quot; (Büro)</Name>
    <Telephone>+4930123456</Telephone>
  </DirectoryEntry>
  <DirectoryEntry>
    <Name>Ada &lt;Lovelace&gt; &amp; &quot;Sons&quot; (mobile)</Name>
    <Telephone>+491511234567</Telephone>
  </DirectoryEntry>
  <DirectoryEntry>
    <Name>Bob $ (reboot)</Name>
    <Telephone>102</Telephone>
  </DirectoryEntry>
  <SoftKeyItem>
    <Name>F3</Name>
    <Label>Back</Label>
    <URL>http://pbx:8085/phonebook/snom.xml?page=1</URL>
  </SoftKeyItem>
  <SoftKeyItem>
    <Name>F4</Name>
    <Label>Next</Label>
    <URL>http://pbx:8085/phonebook/snom.xml?search=a&amp;page=3</URL>
  </SoftKeyItem>
</SnomIPPhoneDirectory>
"#
    );
    assert_eq!(
        document("grandstream", &page()),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<AddressBook>
  <version>1</version>
  <pbgroup>
    <id>2</id>
    <name>Shared</name>
  </pbgroup>
  <pbgroup>
    <id>3</id>
    <name>Personal</name>
  </pbgroup>
  <Contact>
    <FirstName>Ada &lt;Lovelace&gt; &amp; &quot;Sons&quot;</FirstName>
    <LastName></LastName>
    <Primary>0</Primary>
    <Frequent>1</Frequent>
    <Phone type="Work">
      <phonenumber>+4930123456</phonenumber>
      <accountindex>0</accountindex>
    </Phone>
    <Phone type="Cell">
      <phonenumber>+491511234567</phonenumber>
      <accountindex>0</accountindex>
    </Phone>
    <Group>2</Group>
  </Contact>
  <Contact>
    <FirstName>Bob $(reboot)</FirstName>
    <LastName></LastName>
    <Primary>0</Primary>
    <Frequent>0</Frequent>
    <Phone type="Work">
      <phonenumber>102</phonenumber>
      <accountindex>0</accountindex>
    </Phone>
    <Group>3</Group>
  </Contact>
</AddressBook>
"#
    );
}

#[test]
fn every_file_of_a_vendor_is_in_the_table() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/directory/export/phonebook");
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut vendors: Vec<String> = files
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| !["mod", "book", "tests", "xml"].contains(&name.as_str()))
        .collect();
    vendors.sort();
    let mut known: Vec<&str> = VENDORS.iter().map(|vendor| vendor.word).collect();
    known.sort_unstable();
    assert_eq!(vendors, known);
}

#[test]
fn favourites_stand_first_and_then_names_whatever_their_case_and_accents() {
    let number: &[(&str, Option<&str>)] = &[("101", None)];
    let plain = ["zoë", "Ärzte", "arzt", "Öz", "ÉMILE", "emil", "Борис", "Ars"];
    let mut contacts: Vec<Contact> = plain.iter().enumerate().map(|(n, name)| contact(&format!("c{n}"), name, number)).collect();
    contacts.push(Contact { favourite: true, ..contact("z", "Zuse", number) });
    assert_eq!(names(&book(&contacts)), ["Zuse", "Ars", "arzt", "Ärzte", "Борис", "emil", "ÉMILE", "Öz", "zoë"]);
}

#[test]
fn a_book_that_is_too_large_has_the_first_contacts_and_says_how_many_it_has_not() {
    let mut cut = Book::of_at_most(10);
    let mut whole = Book::default();
    for n in 0..1000 {
        let contact = contact(&format!("c{n}"), &format!("Name {:04}", (n * 7919) % 1000), &[("101", None)]);
        cut.add(&contact);
        whole.add(&contact);
    }
    let (cut, whole) = (cut.sorted(), whole.sorted());
    assert_eq!(cut.entries, whole.entries[..10]);
    assert_eq!((cut.left_out, whole.left_out), (990, 0));
    assert_eq!(cut.remark().as_deref(), Some("the first 10 of 1000 contacts: a phone book has no more"));
    assert_eq!(whole.remark(), None);
}

proptest! {
    #[test]
    fn every_document_is_well_formed_and_says_the_name_whatever_it_holds(
        name in any::<String>(),
        label in any::<String>(),
        title in "\\PC{0,30}",
        link in any::<String>(),
    ) {
        let number = NumberPlan::new(None).parse("101").unwrap();
        let label = Some(label);
        let numbers = [number.clone(), number].map(|n| crate::directory::ContactNumber::of(n, "101", label.clone()));
        let mut book = Book::default();
        book.add(&Contact::of("id", name.clone(), numbers.to_vec()));
        let sorted = book.sorted();
        let page = Page {
            title: &title,
            entries: sorted.entries.iter().collect(),
            previous: Some(link.clone()),
            next: Some(link.clone()),
            remark: Some(link.clone()),
        };
        for vendor in VENDORS {
            let text = String::from_utf8(vendor.document(&page).unwrap()).unwrap();
            let read = Document::parse(&text);
            prop_assert!(read.is_ok(), "{}: {:?}\n{}", vendor.word, read, text);
            let read = read.unwrap();
            let shown = read.descendants().find(|n| n.has_tag_name("Name") || n.has_tag_name("FirstName")).unwrap();
            let shown = shown.text().unwrap_or_default();
            let wanted = xml::clean(&name);
            let wanted = if vendor.word == "snom" { wanted.replace("$(", "$ (") } else { wanted };
            prop_assert!(shown.starts_with(wanted.as_str()), "{}: {:?}", vendor.word, shown);
            prop_assert!(!shown.is_empty() && !shown.contains(char::is_control));
        }
    }
}
