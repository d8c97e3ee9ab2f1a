//! Trunks and what calls cost over them, and the brakes against toll fraud.

use crate::directory::check_id;
use crate::number::{Class, E164_DIGITS_MAX, Kind, Number};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The most rates of one trunk, so that its record stays far below what the store takes.
pub const RATES_MAX: usize = 1000;
/// The most trunks of one tenant: each is looked at for each call out.
pub const TRUNKS_MAX: usize = 64;
/// The longest technical prefix, in digits.
pub const TECH_PREFIX_DIGITS_MAX: usize = 16;

/// How a trunk wants numbers written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    /// `+4930123456`.
    #[default]
    Plus,
    /// `4930123456`.
    E164,
    /// As dialled in the tenant's country: `030123456`, and `00…` abroad.
    National,
    /// As it was dialled.
    Dialled,
}

impl NumberFormat {
    /// Every format.
    pub const ALL: &'static [NumberFormat] = &[NumberFormat::Plus, NumberFormat::E164, NumberFormat::National, NumberFormat::Dialled];

    /// The word that people type.
    pub fn word(self) -> &'static str {
        match self {
            NumberFormat::Plus => "plus",
            NumberFormat::E164 => "e164",
            NumberFormat::National => "national",
            NumberFormat::Dialled => "dialled",
        }
    }
}

impl FromStr for NumberFormat {
    type Err = TrunkError;

    fn from_str(text: &str) -> Result<NumberFormat, TrunkError> {
        NumberFormat::ALL.iter().copied().find(|f| f.word() == text).ok_or_else(|| TrunkError::Format(text.to_owned()))
    }
}

/// What calls to some numbers cost over a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The numbers, by the digits that they begin with, country code first; empty for all.
    pub prefix: String,
    /// A minute, in millionths of the currency, whichever that is.
    pub price_micros: u32,
    /// Among equal prices the lowest comes first.
    pub priority: u8,
    /// Among equal priorities, how much of the calls.
    pub weight: u16,
    /// The schedule in whose open hours it counts; `None` is always.
    pub schedule: Option<String>,
}

/// A trunk. [`Trunk::check`] is the way to make one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// Its name in the switch: what `{trunk}` in the dial templates becomes.
    pub id: String,
    /// How it wants the number called.
    pub format: NumberFormat,
    /// Digits in front of the number called.
    pub tech_prefix: String,
    /// How it wants the caller's number.
    pub caller_id_format: NumberFormat,
    /// The number that all its calls show; `None` is the extension's own.
    pub caller_id: Option<Number>,
    /// Whether emergency calls go here first.
    pub emergency: bool,
    /// What it takes, and for how much, in the order of prefixes; at least one, or it takes emergency calls only.
    pub rates: Vec<Rate>,
    /// The store's revision that made it what it is.
    pub revision: u64,
}

/// What is wrong with a trunk or a limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrunkError {
    /// An id that can't be a key or stand in a dial string.
    #[error("the trunk's id {0:?} can't be used; write 1 to 64 of A-Z a-z 0-9 _ . - and begin with a letter or digit")]
    Id(String),
    /// A format that doesn't exist.
    #[error("{0:?} is no number format; write plus (+4930…), e164 (4930…), national (030…) or dialled")]
    Format(String),
    /// A prefix that isn't one.
    #[error("the rate's prefix {0:?} is none; write + and digits, country code first (+4930), or + alone for all numbers")]
    Prefix(String),
    /// Two rates for the same.
    #[error("there are two rates for +{0} at the same time; give one of them a schedule or remove it")]
    Twice(String),
    /// Too many rates.
    #[error("{0} rates are more than {RATES_MAX}; split the trunk")]
    RateCount(usize),
    /// A price that isn't one.
    #[error("the price {0:?} is none; write an amount a minute with up to six places, such as 0.0123, at most 4000")]
    Price(String),
    /// A key of a rate that doesn't exist, or a value that isn't one.
    #[error("the rate {0:?} can't be read; write PREFIX=PRICE[,priority=N][,weight=N][,schedule=ID], such as +49=0.01,priority=2")]
    Rate(String),
    /// A technical prefix that isn't one.
    #[error("the tech prefix {0:?} can't be used; write at most 16 of 0-9 * #")]
    TechPrefix(String),
    /// A number to show that isn't a public one.
    #[error("the caller id {0} is no public number; write + and the country code")]
    CallerId(Number),
    /// A limit that limits nothing.
    #[error("the limit on {0} says neither per-hour nor concurrent")]
    NoLimit(Class),
    /// Emergency calls are not limited.
    #[error("emergency calls can't be limited")]
    Emergency,
}

/// An amount of money a minute in millionths, from text.
///
/// # Errors
/// [`TrunkError::Price`].
pub fn parse_price(text: &str) -> Result<u32, TrunkError> {
    let wrong = || TrunkError::Price(text.to_owned());
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 4 || part.len() > 6 || !digits(whole) || !digits(part) || text.ends_with('.') {
        return Err(wrong());
    }
    let micros: u64 = format!("{whole}{part:0<6}").parse().map_err(|_| wrong())?;
    u32::try_from(micros).ok().filter(|m| *m <= 4_000_000_000).ok_or_else(wrong)
}

/// The text that [`parse_price`] reads, without needless zeros.
pub fn price_text(price_micros: u32) -> String {
    let text = format!("{}.{:06}", price_micros / 1_000_000, price_micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Rate {
    /// Reads `+49=0.01,priority=2,weight=10,schedule=night`.
    ///
    /// # Errors
    /// [`TrunkError`].
    pub fn parse(text: &str) -> Result<Rate, TrunkError> {
        let wrong = || TrunkError::Rate(text.to_owned());
        let mut parts = text.split(',').map(str::trim);
        let (prefix, price) = parts.next().and_then(|p| p.split_once('=')).ok_or_else(wrong)?;
        let digits = prefix.trim().strip_prefix('+').ok_or_else(|| TrunkError::Prefix(prefix.to_owned()))?;
        let mut rate = Rate { prefix: digits.to_owned(), price_micros: parse_price(price.trim())?, priority: 0, weight: 1, schedule: None };
        for part in parts {
            match part.split_once('=') {
                Some(("priority", n)) => rate.priority = n.parse().map_err(|_| wrong())?,
                Some(("weight", n)) => rate.weight = n.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
                Some(("schedule", id)) => rate.schedule = Some(id.to_owned()),
                _ => return Err(wrong()),
            }
        }
        rate.check()
    }

    fn check(self) -> Result<Rate, TrunkError> {
        let fits = self.prefix.len() <= E164_DIGITS_MAX && self.prefix.bytes().all(|b| b.is_ascii_digit()) && !self.prefix.starts_with('0');
        if !fits {
            return Err(TrunkError::Prefix(format!("+{}", self.prefix)));
        }
        if self.schedule.as_deref().is_some_and(|id| check_id(id).is_err()) {
            return Err(TrunkError::Rate(self.to_string()));
        }
        Ok(self)
    }
}

impl fmt::Display for Rate {
    /// The text that [`Rate::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}={}", self.prefix, price_text(self.price_micros))?;
        if self.priority != 0 {
            write!(f, ",priority={}", self.priority)?;
        }
        if self.weight != 1 {
            write!(f, ",weight={}", self.weight)?;
        }
        self.schedule.as_ref().map_or(Ok(()), |id| write!(f, ",schedule={id}"))
    }
}

impl Trunk {
    /// A trunk that takes numbers as they are, for these rates.
    pub fn of(id: impl Into<String>, rates: Vec<Rate>) -> Trunk {
        Trunk {
            id: id.into(),
            format: NumberFormat::default(),
            tech_prefix: String::new(),
            caller_id_format: NumberFormat::default(),
            caller_id: None,
            emergency: false,
            rates,
            revision: 0,
        }
    }

    /// Checks every field, and puts the rates into order.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(mut self) -> Result<Trunk, TrunkError> {
        // `@` and `/` would be more than a name in a dial string
        if check_id(&self.id).is_err() || self.id.contains('@') {
            return Err(TrunkError::Id(self.id));
        }
        let fits = self.tech_prefix.len() <= TECH_PREFIX_DIGITS_MAX
            && self.tech_prefix.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
        if !fits {
            return Err(TrunkError::TechPrefix(self.tech_prefix));
        }
        if let Some(number) = self.caller_id.as_ref().filter(|n| n.kind() != Kind::E164) {
            return Err(TrunkError::CallerId(number.clone()));
        }
        if self.rates.len() > RATES_MAX {
            return Err(TrunkError::RateCount(self.rates.len()));
        }
        self.rates = self.rates.into_iter().map(Rate::check).collect::<Result<_, _>>()?;
        self.rates.sort_by(|a, b| (&a.prefix, &a.schedule).cmp(&(&b.prefix, &b.schedule)));
        if let Some(pair) = self.rates.windows(2).find(|w| w[0].prefix == w[1].prefix && w[0].schedule == w[1].schedule) {
            return Err(TrunkError::Twice(pair[0].prefix.clone()));
        }
        Ok(self)
    }
}

/// Whose calls a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each extension's.
    Extension,
    /// The whole tenant's.
    Tenant,
}

impl Scope {
    /// The word that people type.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Extension => "extension",
            Scope::Tenant => "tenant",
        }
    }
}

/// A brake against toll fraud: so many calls of a class, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Which calls, by where they go.
    pub class: Class,
    /// Whose.
    pub scope: Scope,
    /// So many in an hour.
    pub per_hour: Option<u32>,
    /// So many at once.
    pub concurrent: Option<u32>,
}

impl Limit {
    /// Checks that it limits something that may be limited.
    ///
    /// # Errors
    /// [`TrunkError`].
    pub fn check(self) -> Result<Limit, TrunkError> {
        if self.class == Class::Emergency {
            return Err(TrunkError::Emergency);
        }
        if self.per_hour.is_none() && self.concurrent.is_none() {
            return Err(TrunkError::NoLimit(self.class));
        }
        Ok(self)
    }
}

/// The rate of a trunk that counts for a number: the one with the longest prefix among those that `is_open` lets count.
///
/// # Errors
/// What `is_open` says.
pub(super) fn longest_rate<'a, E>(
    trunk: &'a Trunk,
    number: &Number,
    mut is_open: impl FnMut(&str) -> Result<bool, E>,
) -> Result<Option<&'a Rate>, E> {
    let digits = match number.kind() {
        Kind::E164 => number.digits(),
        // a short code begins with no country's digits, so only a rate for all numbers means it
        Kind::ShortCode => "",
        _ => return Ok(None),
    };
    // rates are in the order of their prefixes: dozens of trunks with a thousand each are asked for every leg of a group
    for prefix in (0..=digits.len()).rev().map(|end| &digits[..end]) {
        let first = trunk.rates.partition_point(|rate| rate.prefix.as_str() < prefix);
        let mut always = None;
        for rate in trunk.rates[first..].iter().take_while(|rate| rate.prefix == prefix) {
            match &rate.schedule {
                None => always = Some(rate),
                // of two with one prefix, the one with a time of its own is the more particular
                Some(schedule) if is_open(schedule)? => return Ok(Some(rate)),
                Some(_) => {}
            }
        }
        if always.is_some() {
            return Ok(always);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_as_it_can_be_typed() {
        for text in ["+49=0.01", "+=1", "+491=0.000001,priority=2,weight=10,schedule=night", "+1=4000"] {
            assert_eq!(Rate::parse(text).map(|r| r.to_string()), Ok(text.to_owned()));
        }
        for text in ["49=0.01", "+49", "+049=1", "+49=1.0000001", "+49=-1", "+49=4001", "+49=.5", "+49=1,prio=2", "+49=1,weight=0", "+4x=1"]
        {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_prefix_counts_and_its_own_time_beats_always() {
        let rates = ["+49=1", "+4930=2", "+4930=3,schedule=night", "+=9"].map(|r| Rate::parse(r).expect("a rate"));
        let trunk = Trunk::of("a", rates.to_vec()).check().expect("a trunk");
        let number = |digits| Number::from_key(Kind::E164, digits).expect("a number");
        let price = |digits, night: bool| {
            longest_rate(&trunk, &number(digits), |_| Ok::<_, ()>(night)).expect("no error").map(|r| r.price_micros / 1_000_000)
        };
        assert_eq!(price("4930123456", false), Some(2));
        assert_eq!(price("4930123456", true), Some(3));
        assert_eq!(price("4940123456", true), Some(1));
        assert_eq!(price("14155550111", true), Some(9));
    }
}
