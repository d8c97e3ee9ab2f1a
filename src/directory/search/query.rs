//! What somebody looks for, as it was typed, made into words that are compared.

use super::distance::WORD_BYTES_MAX;
use super::record::{NAME, NUMBER};
use crate::directory::fold::{collapsed, folded};
use crate::number::{Kind, NumberPlan};
use memchr::memmem::Finder;
use thiserror::Error;

/// The longest text that is looked for, in bytes: as long as a name may be.
pub const QUERY_BYTES_MAX: usize = 256;
/// The most words of it. Each is looked for in whatever the longest one finds.
pub const QUERY_WORDS_MAX: usize = 8;
/// The fewest digits that are looked for without the zero in front of them.
const DIGITS_MIN: usize = 2;

/// Why nothing can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// No letter and no digit.
    #[error("there is nothing to look for; write some letters of a name or digits of a number")]
    Empty,
    /// Longer than any name.
    #[error("{0} bytes are more to look for than 256; shorten it")]
    TooLong(usize),
    /// Too many words.
    #[error("{0} words are more to look for than 8; leave some out")]
    TooManyWords(usize),
}

/// One spelling of a word.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) finder: Finder<'static>,
}

impl Form {
    fn of(text: &[u8]) -> Form {
        Form { finder: Finder::new(text).into_owned() }
    }

    /// The spelling itself.
    pub(super) fn text(&self) -> &[u8] {
        self.finder.needle()
    }
}

/// One word, in each of its spellings.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) forms: Vec<Form>,
    /// How many typing mistakes it is forgiven.
    pub(super) edits_max: usize,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Query {
    pub(super) words: Vec<Word>,
    /// The whole of it, in each spelling.
    pub(super) whole: Vec<Vec<u8>>,
    /// Whether it is one number and nothing else.
    is_number: bool,
    /// Whether that is a whole public one. Where somebody has it, nobody looks for those in whose numbers its digits stand.
    pub(super) is_whole_number: bool,
}

impl Query {
    /// Reads what was typed, its numbers as a tenant does: `030 123`, `+49 (30) 123` and `0049 30/123` are the same.
    ///
    /// # Errors
    /// There is nothing in it, or too much.
    pub fn read(text: &str, plan: &NumberPlan) -> Result<Query, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong(text.len()));
        }
        let mut words = Vec::new();
        let mut whole = Vec::new();
        // pieces of a number that follow each other are one
        let mut number = String::new();
        let (mut numbers, mut public) = (0, 0);
        let mut take = |number: &mut String, words: &mut Vec<Word>, whole: &mut Vec<u8>| {
            let taken = take_number(number, plan, words, whole);
            numbers += usize::from(taken.is_some());
            public += usize::from(taken == Some(Kind::E164));
        };
        for piece in text.split_whitespace() {
            if is_part_of_number(piece) {
                number.push_str(piece);
                continue;
            }
            take(&mut number, &mut words, &mut whole);
            let folded = folded(piece);
            for word in folded.split(|b| *b == b' ').filter(|word| !word.is_empty()) {
                words.push(Word::of_letters(word));
                append(&mut whole, word);
            }
        }
        take(&mut number, &mut words, &mut whole);
        match words.len() {
            0 => Err(QueryError::Empty),
            n if n > QUERY_WORDS_MAX => Err(QueryError::TooManyWords(n)),
            n => {
                let is_number = n == 1 && numbers == 1;
                let whole = match (is_number, collapsed(&whole)) {
                    (true, _) => words[0].forms.iter().map(|form| form.text().to_vec()).collect(),
                    (false, Some(other)) => vec![whole, other],
                    (false, None) => vec![whole],
                };
                Ok(Query { words, whole, is_number, is_whole_number: is_number && public == 1 })
            }
        }
    }

    /// The fields that the whole is compared with.
    pub(super) fn whole_tags(&self) -> &'static [u8] {
        if self.is_number { &[NAME, NUMBER] } else { &[NAME] }
    }

    /// The only word, if there is only one.
    pub(super) fn only(&self) -> Option<&Word> {
        if let [word] = self.words.as_slice() { Some(word) } else { None }
    }

    /// The word that is looked for first: the longest is in the fewest contacts.
    pub(super) fn rarest(&self) -> &Word {
        let shortest = |word: &Word| word.forms.iter().map(|form| form.text().len()).min().unwrap_or(0);
        // a query has a word
        self.words.iter().max_by_key(|word| shortest(word)).expect("a query has a word")
    }
}

fn append(whole: &mut Vec<u8>, word: &[u8]) {
    if !whole.is_empty() {
        whole.push(b' ');
    }
    whole.extend_from_slice(word);
}

/// Digits, and what people write between them.
fn is_part_of_number(piece: &str) -> bool {
    piece.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'(' | b')' | b'/' | b'-' | b'.' | b'*' | b'#'))
}

/// Makes a word of what was gathered of a number, and says what sort of number it is; `None` where there was nothing.
fn take_number(number: &mut String, plan: &NumberPlan, words: &mut Vec<Word>, whole: &mut Vec<u8>) -> Option<Kind> {
    let typed = std::mem::take(number);
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return None;
    }
    let mut forms = vec![digits.clone()];
    let mut form = |text: &str| {
        if !forms.iter().any(|known| known == text) {
            forms.push(text.to_owned());
        }
    };
    let parsed = plan.parse(&typed).ok();
    if let Some(number) = parsed.as_ref().filter(|number| number.kind() == Kind::E164) {
        form(number.digits());
    }
    // without its trunk prefix it is a part of the whole number
    let bare = digits.trim_start_matches('0');
    if bare.len() >= DIGITS_MIN {
        form(bare);
    }
    append(whole, digits.as_bytes());
    words.push(Word { forms: forms.iter().map(|form| Form::of(form.as_bytes())).collect(), edits_max: 0 });
    Some(parsed.map_or(Kind::Opaque, |number| number.kind()))
}

impl Word {
    /// Spellings that are enough to look for: in whatever has one that another stands in, that other one is found as well.
    pub(super) fn shortest_forms(&self) -> impl Iterator<Item = &Form> {
        let stands_in = |other: &Form, form: &Form| other.text().len() < form.text().len() && other.finder.find(form.text()).is_some();
        self.forms.iter().filter(move |form| !self.forms.iter().any(|other| stands_in(other, form)))
    }

    fn of_letters(word: &[u8]) -> Word {
        let forms = std::iter::once(Form::of(word)).chain(collapsed(word).map(|other| Form::of(&other))).collect();
        let edits_max = match word.len() {
            _ if word.iter().any(u8::is_ascii_digit) => 0,
            4..8 => 1,
            8..=WORD_BYTES_MAX => 2,
            _ => 0,
        };
        Word { forms, edits_max }
    }
}
