//! Which column of a table is what: by its header line, by what was asked for, or by its first row where there is no header.

use super::FileError;
use super::columns::{Column, Columns, Form};
use super::headings::{Program, Word, key};
use crate::nearest::did_you_mean;

/// The columns of our own table. `number` and `label` may be numbered: `number2`, `label2`. `source` is written by an export
/// and not read: an import says itself what the source is.
pub const COLUMNS: &[&str] = &["id", "name", "number", "label", "company", "tags", "note", "owner", "favourite", "source"];
/// The most columns that a table has: Google's have some 100, spreadsheets may have 16,384, and a header line of a million
/// commas is no table.
const COLUMNS_MAX: usize = 1024;
/// How much of a heading is compared and shown, in characters; a first row that is a contact may hold anything.
const HEADING_CHARS_MAX: usize = 100;
/// Columns that are named in a message; the rest are counted.
const NAMED_MAX: usize = 8;

impl Columns {
    /// Finds the columns by the first row of a table, or by a map of fields to columns. The second value says whether that
    /// row is a contact already, and no header.
    ///
    /// # Errors
    /// What is missing, unknown or there twice, and what to do.
    pub(super) fn find(first: &[String], map: &[(String, String)]) -> Result<(Columns, bool), FileError> {
        let first: Vec<String> = first.iter().map(|heading| heading.chars().take(HEADING_CHARS_MAX).collect()).collect();
        let first = first.as_slice();
        let found = if first.len() > COLUMNS_MAX {
            Err(format!("the first row has {} columns, more than {COLUMNS_MAX}", first.len()))
        } else if !map.is_empty() {
            mapped(first, map)
        } else {
            by_header(first).map(|columns| (columns, false)).or_else(|error| headless(first).unwrap_or(Err(error)))
        };
        found.map_err(FileError::Whole)
    }
}

/// A column of our own table.
pub(super) fn own(name: &str) -> Option<Column> {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let nth = match &name[word.len()..] {
        "" => 0,
        digits => digits.parse::<usize>().ok()?.checked_sub(1)?,
    };
    match (word, nth) {
        ("id", 0) => Some(Column::Id),
        ("name", 0) => Some(Column::Name),
        ("number", n) => Some(Column::Number(n)),
        ("label", n) => Some(Column::Label(n)),
        ("company", 0) => Some(Column::Company),
        ("tags", 0) => Some(Column::Tags),
        ("note", 0) => Some(Column::Note),
        ("owner", 0) => Some(Column::Owner),
        ("favourite", 0) => Some(Column::Favourite),
        ("source", 0) => Some(Column::Passed),
        _ => None,
    }
}

fn by_header(first: &[String]) -> Result<Columns, String> {
    let lower: Vec<String> = first.iter().map(|name| name.trim().to_lowercase()).collect();
    let has = |wanted: Column| lower.iter().any(|name| own(name) == Some(wanted));
    if has(Column::Name) && has(Column::Number(0)) { own_table(lower) } else { foreign_table(first, &lower) }
}

fn own_table(names: Vec<String>) -> Result<Columns, String> {
    let mut columns = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        // spreadsheets write columns that have been emptied
        let column = if name.is_empty() { Column::Passed } else { own(name).ok_or_else(|| unknown(at, name))? };
        if column != Column::Passed && columns.contains(&column) {
            return Err(format!("the header line has the column {name:?} twice"));
        }
        columns.push(column);
    }
    Ok(Columns::new(Form::Own, columns, names))
}

fn unknown(at: usize, name: &str) -> String {
    let hint = did_you_mean(name, COLUMNS.iter().copied());
    format!(
        "the header line's column {} is {name:?}, which isn't known{hint}; the columns are id, name, number, number2, …, label, label2, \
         …, company, tags, note, owner and favourite. To take only some of a table's columns say which, such as --map name=A,number=B",
        at + 1
    )
}

fn foreign_table(first: &[String], lower: &[String]) -> Result<Columns, String> {
    let keys: Vec<String> = first.iter().map(|name| key(name)).collect();
    let program = Program::of(&keys);
    let mut words: Vec<Option<Word>> = keys.iter().map(|key| program.word(key)).collect();
    // "Name;Vorname;Telefon": there the name is the family's
    if words.contains(&Some(Word::Given)) && !words.contains(&Some(Word::Family)) {
        for (word, _) in words.iter_mut().zip(&keys).filter(|(_, key)| *key == "name") {
            *word = Some(Word::Family);
        }
    }
    let missing = |name: &str| {
        // a slip of the pen is what is missing, most likely
        let near = |(at, text): (usize, &String)| {
            let hint = did_you_mean(text, COLUMNS.iter().copied());
            (words[at].is_none() && own(text).is_none() && !text.is_empty() && !hint.is_empty()).then(|| unknown(at, text))
        };
        lower.iter().enumerate().find_map(near).unwrap_or_else(|| {
            format!(
                "the header line has no column {name:?}; the first line must name the columns, such as name,number,company, or --map \
                 must say which is which, such as --map name=A,number=B"
            )
        })
    };
    if !words.iter().any(|w| matches!(w, Some(Word::Name | Word::Given | Word::Family | Word::Company))) {
        return Err(missing("name"));
    }
    let mut places: Vec<(u16, usize, &'static str)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if let Some(Word::Number(place, label)) = word {
            places.push((*place, at, label));
        }
    }
    if places.is_empty() {
        return Err(missing("number"));
    }
    places.sort_unstable();
    let mut columns: Vec<Column> = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let column = match word {
            Some(Word::Number(..)) => Column::Number(places.iter().position(|(_, column, _)| *column == at).unwrap_or_default()),
            Some(Word::Label(place)) => places.iter().position(|(p, ..)| p == place).map_or(Column::Passed, Column::Label),
            Some(Word::Name) => Column::Name,
            Some(Word::Given) => Column::Given,
            Some(Word::Middle) => Column::Middle,
            Some(Word::Family) => Column::Family,
            Some(Word::Company) => Column::Company,
            Some(Word::Tags) => Column::Tags,
            Some(Word::Note) => Column::Note,
            Some(Word::Favourite) => Column::Favourite,
            None => Column::Passed,
        };
        // the first of two columns that say the same is taken
        columns.push(if columns.contains(&column) { Column::Passed } else { column });
    }
    let mut table = Columns::new(Form::Of(program), columns, first.iter().map(|name| name.trim().to_owned()).collect());
    table.labels = places.into_iter().map(|(_, _, label)| label).collect();
    match program.name() {
        Some(name) => table.notes.push(format!("the columns are those of {name}")),
        None => table.notes.extend(table.note_of_passed_columns()),
    }
    Ok(table)
}

impl Columns {
    /// Which columns nobody asked for, where they aren't a known program's.
    fn note_of_passed_columns(&self) -> Option<String> {
        let passed: Vec<String> = (0..self.len())
            .filter(|at| self.columns[*at] == Column::Passed && !self.names[*at].is_empty())
            .map(|at| self.place(at))
            .collect();
        let more = if passed.len() > NAMED_MAX { format!(" and {} more", passed.len() - NAMED_MAX) } else { String::new() };
        (!passed.is_empty()).then(|| format!("passed over: {}{more}", passed[..passed.len().min(NAMED_MAX)].join(", ")))
    }
}

/// A table whose first row is a contact; `None` if it isn't.
fn headless(first: &[String]) -> Option<Result<(Columns, bool), String>> {
    let numbers: Vec<usize> = (0..first.len()).filter(|at| looks_like_number(&first[*at])).collect();
    if numbers.is_empty() || first.iter().any(|name| own(&name.trim().to_lowercase()).is_some() || Program::Any.word(&key(name)).is_some())
    {
        return None;
    }
    let ([number], 2) = (numbers.as_slice(), first.len()) else {
        return Some(Err(format!(
            "the first row holds a number ({}), so there is no header line; say which column is which, such as --map name=A,number={}",
            first[numbers[0]].trim(),
            letters(numbers[0])
        )));
    };
    let name = 1 - number;
    let mut columns = [Column::Name; 2];
    columns[*number] = Column::Number(0);
    let mut names = ["name".to_owned(), "name".to_owned()];
    names[*number] = "number".to_owned();
    let mut table = Columns::new(Form::Headless, columns.to_vec(), names.to_vec());
    table.notes.push(format!(
        "there is no header line: column {} is taken for the name and column {} for the number (--map name={},number={} says so)",
        name + 1,
        number + 1,
        letters(name),
        letters(*number)
    ));
    Some(Ok((table, true)))
}

/// What people write as a number, and nothing that they write as a heading.
fn looks_like_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    digits >= 3
        && text.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '*' | '#'))
}

/// A column's letters, as spreadsheets count: A, B, …, Z, AA, …
fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.insert(0, char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.into_iter().collect()
}

/// The column that letters mean.
fn by_letters(text: &str) -> Option<usize> {
    let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
    fits.then(|| text.bytes().fold(0, |sum, b| sum * 26 + usize::from(b.to_ascii_uppercase() - b'A') + 1) - 1)
}

fn mapped(first: &[String], map: &[(String, String)]) -> Result<(Columns, bool), String> {
    let mut columns = vec![Column::Passed; first.len()];
    let mut by_name = false;
    for (field, text) in map {
        let field = field.trim().to_lowercase();
        let column = match field.as_str() {
            "first" | "firstname" => Some(Column::Given),
            "last" | "lastname" => Some(Column::Family),
            field => own(field).filter(|column| *column != Column::Passed),
        };
        let column = column.ok_or_else(|| {
            let hint = did_you_mean(&field, COLUMNS.iter().copied());
            format!("--map {field}={text}: there is no field {field:?}{hint}; the fields are {} and first, last", COLUMNS[..9].join(", "))
        })?;
        if columns.contains(&column) {
            return Err(format!("--map says twice which column is {field:?}"));
        }
        // a heading of one letter doesn't hide the column of that letter: the first row may be no header
        let lettered = by_letters(text.trim()).filter(|at| *at < first.len());
        let heading = || first.iter().position(|name| name.trim().to_lowercase() == text.trim().to_lowercase());
        by_name |= lettered.is_none();
        let at = lettered.or_else(heading).ok_or_else(|| {
            let known: Vec<String> =
                first.iter().take(NAMED_MAX).enumerate().map(|(at, name)| format!("{} ({})", letters(at), name.trim())).collect();
            let more = if first.len() > NAMED_MAX { format!(", … up to {}", letters(first.len() - 1)) } else { String::new() };
            let hint = did_you_mean(text, first.iter().map(|name| name.trim()));
            format!("--map {field}={text}: there is no column {text:?}{hint}; the first row has {}{more}", known.join(", "))
        })?;
        if columns[at] != Column::Passed {
            return Err(format!("--map takes column {} twice; each column is one field", letters(at)));
        }
        columns[at] = column;
    }
    if !columns.iter().any(|c| matches!(c, Column::Number(_))) {
        return Err("--map doesn't say which column is the number; add one, such as --map name=A,number=B".to_owned());
    }
    if !columns.iter().any(|c| matches!(c, Column::Name | Column::Given | Column::Family | Column::Company)) {
        return Err("--map doesn't say which column is the name; add one, such as --map name=A,number=B".to_owned());
    }
    // by letters alone the first row may be a contact: then a number stands where one should
    let number_stands = columns.iter().zip(first).any(|(column, text)| matches!(column, Column::Number(_)) && looks_like_number(text));
    let headless = !by_name && number_stands;
    let names = if headless { vec![String::new(); first.len()] } else { first.iter().map(|name| name.trim().to_owned()).collect() };
    Ok((Columns::new(if headless { Form::Headless } else { Form::Mapped }, columns, names), headless))
}
