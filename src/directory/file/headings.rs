//! What the columns of other programs' tables are called.
//!
//! A heading is compared without blanks and signs and in lower case (`E-mail 1 - Value` is `email1value`), because versions
//! differ in them. Whose headings these are:
//!
//! * Google Contacts' "Google CSV": until 2023 `Name,Given Name,Additional Name,Family Name,…,Group Membership,…,Phone 1 -
//!   Type,Phone 1 - Value,…,Organization 1 - Name`, since then `First Name,Middle Name,Last Name,…,Organization Name,…,
//!   Labels,…,Phone 1 - Label,Phone 1 - Value`. Several values of one label are in one field, divided by ` ::: `; what begins
//!   with `* ` is Google's own: the groups `* myContacts` and `* starred`, and the mark of the main one (`* Mobile`).
//! * Outlook (2003 to Microsoft 365), the export as "comma separated values" in English (`First Name,…,Business Phone,…,
//!   Mobile Phone`) and in German (`Vorname,…,Telefon geschäftlich,…,Mobiltelefon`, and `Telefon (privat)` in some).
//! * FreePBX 13 to 17, Bulk Handler's CSV of contacts: `groupname,grouptype,displayname,fname,lname,title,company,…,
//!   phone_1_number,phone_1_type,phone_1_extension,phone_1_flags,…`.
//! * XiVO's phone book (`title|displayname|firstname|lastname|society|mobilenumber|…|officenumber|…`, divided by bars) and
//!   the personal contacts of Wazo, whose columns are free, by habit `firstname,lastname,number,company,…`.
//! * Whatever people call a name and a number in their own tables, in a few languages.

/// What a column of a foreign table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The whole name.
    Name,
    /// Names in parts.
    Given,
    Middle,
    Family,
    /// A number: where it stands among a contact's numbers, and what it is called there.
    Number(u16, &'static str),
    /// What the number of that place is called.
    Label(u16),
    Company,
    Tags,
    Note,
    Favourite,
}

/// Which program's table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Google,
    Outlook,
    FreePbx,
    Xivo,
    /// Anybody's.
    Any,
}

impl Program {
    /// Its name, for people.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Program::Google => Some("Google Contacts"),
            Program::Outlook => Some("Outlook"),
            Program::FreePbx => Some("FreePBX's Contact Manager"),
            Program::Xivo => Some("XiVO or Wazo"),
            Program::Any => None,
        }
    }

    /// Whose headings these keys are.
    pub(super) fn of(keys: &[String]) -> Program {
        let has = |wanted: &[&str]| keys.iter().any(|key| wanted.contains(&key.as_str()));
        if has(&["phone1value", "email1value"]) {
            Program::Google
        } else if has(&["phone1number"]) || (has(&["fname"]) && has(&["lname", "displayname"])) {
            Program::FreePbx
        } else if has(&["businessphone", "mobilephone", "homephone", "telefongeschäftlich", "telefonprivat"])
            && has(&["firstname", "lastname", "vorname", "nachname"])
        {
            Program::Outlook
        } else if has(&["society", "officenumber", "mobilenumber"]) && has(&["displayname", "firstname"]) {
            Program::Xivo
        } else {
            Program::Any
        }
    }

    /// What the column with that key holds; `None` for what is of no use here.
    pub(super) fn word(self, key: &str) -> Option<Word> {
        match self {
            // only what is numbered is a telephone there, and words like `location` or `subject` mean something else
            Program::Google => numbered(key, "phone", &["value"], &["type", "label"]).or_else(|| word(key).filter(|w| !is_number(*w))),
            Program::FreePbx => numbered(key, "phone", &["number"], &["type"]).or_else(|| word(key).filter(|w| !is_number(*w))),
            _ => word(key).or_else(|| {
                // `Phone 2`, `tel2`: the places behind those that have names of their own
                let base = key.trim_end_matches(|c: char| c.is_ascii_digit());
                let nth: u16 = key[base.len()..].parse().ok().filter(|nth| (1..=99).contains(nth))?;
                match word(base)? {
                    Word::Number(place, label) => Some(Word::Number(place + nth - 1, label)),
                    _ => None,
                }
            }),
        }
    }
}

fn is_number(word: Word) -> bool {
    matches!(word, Word::Number(..))
}

/// `phone2value` and `phone2type`.
fn numbered(key: &str, begin: &str, number: &[&str], label: &[&str]) -> Option<Word> {
    let rest = key.strip_prefix(begin)?;
    let end = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let nth: u16 = rest[..rest.len() - end.len()].parse().ok().filter(|nth| (1..=999).contains(nth))?;
    if number.contains(&end) {
        Some(Word::Number(nth, ""))
    } else if label.contains(&end) {
        Some(Word::Label(nth))
    } else {
        None
    }
}

/// A heading as it is compared.
pub(super) fn key(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a heading means to anybody. The places of numbers are a hundred apart, so that numbered ones find room between them.
fn word(key: &str) -> Option<Word> {
    Some(match key {
        "name" | "fullname" | "displayname" | "contactname" | "contact" | "callername" | "calleridname" | "cidname" | "cnam"
        | "anzeigename" | "kontakt" | "kontaktname" | "vollständigername" | "nomcomplet" | "nombrecompleto" => Word::Name,
        "firstname" | "givenname" | "forename" | "fname" | "vorname" | "prénom" | "prenom" | "nombre" | "nome" | "voornaam" => Word::Given,
        "middlename" | "additionalname" | "weiterevornamen" => Word::Middle,
        "lastname" | "familyname" | "surname" | "sname" | "lname" | "nachname" | "familienname" | "zuname" | "nom" | "apellido"
        | "apellidos" | "cognome" | "achternaam" => Word::Family,
        "company" | "companyname" | "organization" | "organisation" | "organizationname" | "organization1name" | "society" | "firma"
        | "firmenname" | "unternehmen" | "société" | "societe" | "entreprise" | "empresa" | "azienda" | "bedrijf" => Word::Company,
        "note" | "notes" | "comment" | "comments" | "description" | "remark" | "remarks" | "notiz" | "notizen" | "bemerkung"
        | "bemerkungen" | "kommentar" | "anmerkung" | "anmerkungen" | "beschreibung" => Word::Note,
        "tags" | "tag" | "labels" | "groupmembership" | "groupname" | "category" | "categories" | "kategorie" | "kategorien" => Word::Tags,
        "favourite" | "favorite" | "favorit" => Word::Favourite,
        "primaryphone" | "haupttelefon" => Word::Number(0, "main"),
        "number" | "phone" | "phonenumber" | "phoneno" | "telephone" | "telephonenumber" | "tel" | "telno" | "telnumber" | "telefon"
        | "telefonnummer" | "telefonnr" | "rufnummer" | "rufnr" | "nummer" | "fon" | "durchwahl" | "extension" | "ext" | "callerid"
        | "calleridnumber" | "callernumber" | "cidnum" | "téléphone" | "telefono" | "teléfono" | "telefoon" | "numéro" | "numero"
        | "número" | "e164" | "msisdn" => Word::Number(100, ""),
        "businessphone"
        | "officephone"
        | "officenumber"
        | "workphone"
        | "workphonenumber"
        | "worknumber"
        | "phonework"
        | "telwork"
        | "telefongeschäftlich"
        | "telefonberuflich"
        | "telefondienstlich"
        | "telefonbüro" => Word::Number(200, "office"),
        "mobilephone" | "mobilephonenumber" | "mobilenumber" | "mobile" | "mobil" | "mobiltelefon" | "mobiltelefonnummer"
        | "mobilnummer" | "handy" | "handynummer" | "cell" | "cellphone" | "cellnumber" | "phonemobile" | "telcell" | "natel" | "gsm"
        | "portable" | "móvil" | "cellulare" | "mobiel" => Word::Number(300, "mobile"),
        "homephone" | "homenumber" | "phonehome" | "telhome" | "telefonprivat" => Word::Number(400, "home"),
        "companymainphone" | "telefonfirma" => Word::Number(500, "company"),
        "otherphone" | "othernumber" | "weiterestelefon" => Word::Number(600, "other"),
        "carphone" | "autotelefon" => Word::Number(700, "car"),
        "radiophone" | "funktelefon" => Word::Number(800, "radio"),
        "callback" | "rückmeldung" => Word::Number(900, "callback"),
        "isdn" => Word::Number(1000, "isdn"),
        "ttytddphone" | "telefonfürhörbehinderte" => Word::Number(1100, "text telephone"),
        "pager" => Word::Number(1200, "pager"),
        "assistantsphone" | "telefonassistent" => Word::Number(1300, "assistant"),
        "fax" | "faxnumber" | "faxnummer" | "telefax" | "businessfax" | "faxgeschäftlich" => Word::Number(1400, "fax"),
        "homefax" | "faxprivat" => Word::Number(1500, "fax"),
        "otherfax" | "weiteresfax" => Word::Number(1600, "fax"),
        _ => return None,
    })
}
