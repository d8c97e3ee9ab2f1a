//! How far a contact's number reaches: most are themselves, a company has ranges, and a main number with extensions behind it.
//!
//! As typed: `+49 30 1234*` is all numbers that begin like this, `+49 30 123400..+49 30 123499` (or `..99`) a range, and
//! `+49 30 1234-0` a main number in the way that Germany and Austria write it: whatever follows in the place of the 0 is an
//! extension of it.

use super::ContactNumber;
use crate::number::{E164_DIGITS_MIN, Kind, Number, NumberError, NumberPlan};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The fewest digits that a beginning has: country code and two more. Fewer is a region, and no company.
const BEGINNING_DIGITS_MIN: usize = 4;
/// The most beginnings that a range is made of; the worst range of 15 digits would be made of 270.
const RANGE_PARTS_MAX: usize = 64;

/// The most digits that an extension behind a main number has. More are somebody else's number.
pub const BEHIND_DIGITS_MAX: usize = 6;

/// The most digits that the end of a range is shortened to: `+4930123400..99`.
const LAST_DIGITS_MAX: usize = 5;

/// How far a number reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// It is itself.
    Itself,
    /// All that begin like it.
    Beginning,
    /// It and all after it, to this one. Both have the same length.
    To(Number),
    /// It is a main number: what follows it, in the place of its last 0, is an extension behind it.
    Main,
}

/// What is wrong with a range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReachError {
    /// One of its ends isn't a number.
    #[error("have an end that {0}")]
    Number(NumberError),
    /// Extensions and names have no ranges.
    #[error("aren't public ones; begin a range with + and the country code, such as +49301234*")]
    NotPublic,
    /// A beginning that covers a region.
    #[error("begin with too few digits; write country code and two more digits at least")]
    TooWide,
    /// Ends of different lengths, or the last one before the first.
    #[error("don't go from a lower to a higher number of the same length; write +4930123400..+4930123499 or +4930123400..99")]
    Ends,
    /// A range that begins and ends in the middle of everything.
    #[error("are made of {0} blocks, more than 64; let it begin and end at rounder numbers, or write several")]
    TooRagged(usize),
}

/// A way in which a number is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Indexed {
    /// By itself.
    Number(Number),
    /// By these first digits (E.164).
    Beginning(String),
    /// As an extension behind these digits (E.164).
    Behind(String),
}

/// What was typed, taken apart by how it is written.
enum Written<'a> {
    Range(&'a str, &'a str),
    Beginning(&'a str),
    /// If it is a public number.
    Main,
}

/// How many numbers are written; `None` for one.
fn written(typed: &str) -> Option<Written<'_>> {
    let text = typed.trim();
    if let Some((first, last)) = text.split_once("..") {
        return Some(Written::Range(first, last));
    }
    // a star in front is a feature code
    if let Some(begins) = text.strip_suffix('*')
        && begins.trim_start().starts_with(['+', '0'])
    {
        return Some(Written::Beginning(begins));
    }
    text.ends_with("-0").then_some(Written::Main)
}

impl Reach {
    /// Reads what names many numbers; `None` for what names one.
    pub(super) fn read(typed: &str, plan: &NumberPlan) -> Option<Result<(Number, Reach), ReachError>> {
        match written(typed)? {
            Written::Range(first, last) => Some(range(first, last, plan)),
            Written::Beginning(begins) => Some(beginning(begins, plan)),
            Written::Main => {
                let number = plan.parse(typed.trim()).ok()?;
                (number.kind() == Kind::E164).then_some(Ok((number, Reach::Main)))
            }
        }
    }

    /// Whether what was typed for this number, as it is shown, names many.
    #[must_use]
    pub fn names_many(typed: &str, number: &str) -> bool {
        // only public numbers reach further than themselves
        number.starts_with('+') && written(typed).is_some()
    }
}

fn beginning(text: &str, plan: &NumberPlan) -> Result<(Number, Reach), ReachError> {
    // a beginning may be too short to be a number: zeros make it one, and are taken away again
    let mut wrong = ReachError::NotPublic;
    for fill in 0..=E164_DIGITS_MIN {
        match plan.parse(&format!("{text}{}", "0".repeat(fill))) {
            Ok(number) if number.kind() == Kind::E164 => {
                let digits = number.digits();
                let begins = &digits[..digits.len().saturating_sub(fill)];
                if begins.len() < BEGINNING_DIGITS_MIN {
                    return Err(ReachError::TooWide);
                }
                return Ok((Number::from_key(Kind::E164, begins).ok_or(ReachError::NotPublic)?, Reach::Beginning));
            }
            Ok(_) => {}
            Err(error) => wrong = ReachError::Number(error),
        }
    }
    Err(wrong)
}

fn range(first: &str, last: &str, plan: &NumberPlan) -> Result<(Number, Reach), ReachError> {
    let first = plan.parse(first).map_err(ReachError::Number)?;
    if first.kind() != Kind::E164 {
        return Err(ReachError::NotPublic);
    }
    // "..99" are the last digits of the same number
    let short: String = last.chars().filter(|c| !matches!(c, ' ' | '-' | '/')).collect();
    let is_short = (1..=LAST_DIGITS_MAX).contains(&short.len()) && short.bytes().all(|b| b.is_ascii_digit());
    let last = if is_short && short.len() < first.digits().len() {
        let kept = first.digits().len() - short.len();
        Number::from_key(Kind::E164, &format!("{}{short}", &first.digits()[..kept])).ok_or(ReachError::Ends)?
    } else {
        plan.parse(last).map_err(ReachError::Number)?
    };
    if last.kind() != Kind::E164 || last.digits().len() != first.digits().len() || last.digits() < first.digits() {
        return Err(ReachError::Ends);
    }
    let parts = beginnings(first.digits(), last.digits());
    match parts.iter().map(String::len).min() {
        Some(shortest) if shortest < BEGINNING_DIGITS_MIN => Err(ReachError::TooWide),
        _ if parts.len() > RANGE_PARTS_MAX => Err(ReachError::TooRagged(parts.len())),
        _ => Ok((first, Reach::To(last))),
    }
}

/// The beginnings that make a range of numbers of one length, in order.
fn beginnings(first: &str, last: &str) -> Vec<String> {
    let (Ok(mut at), Ok(end)) = (first.parse::<u64>(), last.parse::<u64>()) else { return Vec::new() };
    let width = first.len();
    let mut parts = Vec::new();
    while at <= end {
        // the widest block that begins here and ends within
        let mut zeros = 0;
        let mut block = 1u64;
        while zeros + 1 < width && at.is_multiple_of(block * 10) && at + block * 10 - 1 <= end {
            block *= 10;
            zeros += 1;
        }
        parts.push(format!("{:0>width$}", at)[..width - zeros].to_owned());
        at += block;
    }
    parts
}

impl ContactNumber {
    /// Every way in which it is found: one, or of a range and a main number several.
    pub fn indexed(&self) -> Vec<Indexed> {
        let digits = self.number.digits();
        match &self.reach {
            Reach::Itself => vec![Indexed::Number(self.number.clone())],
            Reach::Beginning => vec![Indexed::Beginning(digits.to_owned())],
            Reach::To(last) => beginnings(digits, last.digits()).into_iter().map(Indexed::Beginning).collect(),
            Reach::Main => {
                let behind = digits.strip_suffix('0').unwrap_or(digits);
                vec![Indexed::Number(self.number.clone()), Indexed::Behind(behind.to_owned())]
            }
        }
    }

    /// Whether a number is one of these.
    pub fn covers(&self, number: &Number) -> bool {
        let (digits, is_public) = (number.digits(), number.kind() == Kind::E164);
        self.indexed().iter().any(|way| match way {
            Indexed::Number(own) => own == number,
            Indexed::Beginning(begins) => is_public && digits.starts_with(begins),
            Indexed::Behind(begins) => {
                let behind = digits.strip_prefix(begins.as_str()).map_or(0, str::len);
                is_public && (1..=BEHIND_DIGITS_MAX).contains(&behind)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(typed: &str) -> Option<Result<(String, Reach), String>> {
        let plan = NumberPlan::new("DE".parse().ok());
        Reach::read(typed, &plan).map(|r| r.map(|(n, reach)| (n.to_string(), reach)).map_err(|e| e.to_string()))
    }

    #[test]
    fn many_numbers_are_written_in_three_ways() {
        let to = |digits: &str| Reach::To(Number::from_key(Kind::E164, digits).expect("a number"));
        for (typed, number, reach) in [
            ("+49 30 1234*", "+49301234", Reach::Beginning),
            ("+4930*", "+4930", Reach::Beginning),
            ("030 1234*", "+49301234", Reach::Beginning),
            ("0049301234*", "+49301234", Reach::Beginning),
            ("+49 30 123400..+49 30 123499", "+4930123400", to("4930123499")),
            ("+4930123400..99", "+4930123400", to("4930123499")),
            ("+4930123400..00", "+4930123400", to("4930123400")),
            ("030 123400..030 123499", "+4930123400", to("4930123499")),
            ("+49 30 1234-0", "+493012340", Reach::Main),
            ("030/1234-0", "+493012340", Reach::Main),
        ] {
            assert_eq!(read(typed), Some(Ok((number.to_owned(), reach))), "{typed}");
        }
        for one in ["+4930123400", "101", "*21", "*21*", "112", "101-0", "anna"] {
            assert_eq!(read(one), None, "{one}");
        }
        for (typed, wrong) in [
            ("+49*", "too few digits"),
            ("+4930123499..00", "from a lower to a higher"),
            ("+4930123400..+493012349", "from a lower to a higher"),
            ("101..110", "aren't public"),
            ("+4930123400..", "is empty"),
            ("+4930111111111..+4930888888888", "blocks, more than 64"),
            ("+1000000..+1999999", "too few digits"),
        ] {
            assert!(read(typed).expect("many").expect_err(typed).contains(wrong), "{typed}: {:?}", read(typed));
        }
    }

    proptest! {
        #[test]
        fn the_beginnings_of_a_range_cover_it_and_nothing_else(a in 10_000u64..99_999, b in 10_000u64..99_999, n in 10_000u64..99_999) {
            let (first, last) = (a.min(b), a.max(b));
            let parts = beginnings(&first.to_string(), &last.to_string());
            let n_text = n.to_string();
            let covered = parts.iter().filter(|p| n_text.starts_with(p.as_str())).count();
            prop_assert_eq!(covered, usize::from((first..=last).contains(&n)));
        }
    }
}
