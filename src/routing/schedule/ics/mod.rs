//! Holidays and opening hours out of a calendar: iCalendar text (RFC 5545) → holidays and exceptions.
//!
//! An event of whole days is a holiday: a calendar of company or public holidays says when nobody is there. An event
//! with times of day is told of and left out, because a meeting says nothing about opening; an administrator whose
//! calendar holds opening hours says so ([`CalendarOptions::timed_are_open`]), and then a day is open exactly at its
//! events. The same day of every year becomes a yearly date; other rules are counted out from yesterday for two years.
//! The whole is read, or nothing: a text that is cut off or no calendar is an error with its line.
//!
//! Read by hand, because the crates for it don't fit: `ical` ends without a word at the first line that isn't UTF-8 and
//! keeps lines of any length, `icalendar`, `calcard` and `rrule` bring chrono, the latter two with a second database of
//! time zones.

mod lines;
mod moment;
mod name;
mod recurrence;

use super::zone::microseconds;
use super::{DATES_MAX, Dates, Exception, Holiday, RANGES_MAX, Schedule, TimeRange, Zone, shown};
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span, Timestamp};
use lines::{Line, Lines, Property};
use moment::{Moment, read_date, read_time, utc_or_day};
use name::name_of;
use recurrence::Rule;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The largest calendar, in bytes: 100,000 events are some 30 MB, and nobody's holidays are more.
pub const CALENDAR_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How deep components may lie in each other: an alarm in an event in a calendar is three.
const DEPTH_MAX: usize = 8;
/// The most days of one event that are excepted from its rule.
const EXCEPTED_MAX: usize = 1000;
/// The most days that are kept before those that touch become one entry.
const COLLECTED_MAX: usize = 20_000;
/// How many days the rules of a calendar may have looked at: a second's work.
const RULE_DAYS_MAX: u32 = 10_000_000;
/// How many names of zones are remembered while a calendar is read.
const ZONES_MAX: usize = 64;
/// How far rules are counted out, in days.
const WINDOW_DAYS: i64 = 2 * 365 + 1;

/// How a calendar is read.
#[derive(Debug, Clone)]
pub struct CalendarOptions<'a> {
    /// Now, in UTC microseconds: what is past isn't taken.
    pub now_us: u64,
    /// The schedule's zone, in whose time hours are kept, and which times without a zone are in.
    pub zone: &'a Zone,
    /// Whether events with times of day are opening hours, the only ones of their day.
    pub timed_are_open: bool,
}

/// What a calendar says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Events of whole days; those of one name are one holiday.
    pub holidays: Vec<Holiday>,
    /// Events with times of day, if they were asked for; days of the same hours are one exception.
    pub exceptions: Vec<Exception>,
    /// How many events there are, those left out too.
    pub events: u32,
    /// What was left out, and why.
    pub notes: Vec<CalendarNote>,
}

/// Events that were left out for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarNote {
    /// How many.
    pub events: u32,
    /// The line on which the first begins.
    pub line: u32,
    /// The reason, after "events".
    pub reason: &'static str,
}

impl std::fmt::Display for CalendarNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} event(s) left out, the first on line {}: they {}", self.events, self.line, self.reason)
    }
}

/// Why a calendar can't be read; nothing of it is taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// Too many bytes.
    #[error("the calendar has {0} bytes, more than {CALENDAR_BYTES_MAX}; export fewer years of it")]
    TooLarge(usize),
    /// It doesn't begin as one.
    #[error("line {line}: {text:?} isn't the BEGIN:VCALENDAR of an iCalendar file; export the calendar as .ics")]
    NoCalendar {
        /// The line.
        line: u32,
        /// What stands there.
        text: String,
    },
    /// It ends before what it began.
    #[error("line {line}: the calendar ends inside the {component} of line {begun}; it was cut off, fetch it again")]
    CutOff {
        /// The last line.
        line: u32,
        /// What isn't ended.
        component: String,
        /// Where that begins.
        begun: u32,
    },
    /// An end of something else than what was begun last.
    #[error("line {line}: END:{found} doesn't end the {component} of line {begun}; the file is damaged, fetch it again")]
    Crossed {
        /// The line.
        line: u32,
        /// What it ends.
        found: String,
        /// What it should end.
        component: String,
        /// Where that begins.
        begun: u32,
    },
    /// Components in components in components.
    #[error("line {line}: components lie more than 8 deep in each other; the file is no calendar of events")]
    TooDeep {
        /// The line.
        line: u32,
    },
    /// More than a schedule holds.
    #[error("the calendar has {count} {what} in the next two years, a schedule holds {count_max}; import a calendar with fewer")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many, as far as they were counted.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
}

/// Reads an iCalendar text.
///
/// # Errors
/// [`CalendarError`]; nothing of the calendar is to be taken then.
pub fn read_calendar(text: &[u8], options: &CalendarOptions<'_>) -> Result<Calendar, CalendarError> {
    if text.len() > CALENDAR_BYTES_MAX {
        return Err(CalendarError::TooLarge(text.len()));
    }
    let mut reader = Reader::new(options);
    let mut lines = Lines::new(text);
    let mut open: Vec<(String, u32)> = Vec::new();
    let mut event: Option<Event> = None;
    let mut seen = false;
    for line in lines.by_ref() {
        let property = Property::read(&line.text);
        let begins = property.as_ref().filter(|p| p.is("BEGIN")).map(|p| p.value);
        if open.is_empty() && !begins.is_some_and(|name| name.eq_ignore_ascii_case("VCALENDAR")) {
            return Err(CalendarError::NoCalendar { line: line.number, text: shown(&line.text) });
        }
        seen = true;
        let Some(property) = property else { continue };
        if let Some(name) = begins {
            if open.len() >= DEPTH_MAX {
                return Err(CalendarError::TooDeep { line: line.number });
            }
            open.push((shown(name).to_ascii_uppercase(), line.number));
            if open.len() == 2 && name.eq_ignore_ascii_case("VEVENT") {
                event = Some(Event { line: line.number, ..Event::default() });
            }
        } else if property.is("END") {
            let found = shown(property.value).to_ascii_uppercase();
            match open.pop() {
                Some((component, _)) if component == found => {}
                Some((component, begun)) => return Err(CalendarError::Crossed { line: line.number, found, component, begun }),
                None => return Err(CalendarError::NoCalendar { line: line.number, text: shown(&line.text) }),
            }
            if open.len() == 1 {
                event.take().map_or(Ok(()), |event| reader.take(event))?;
            }
        } else if let Some(event) = event.as_mut().filter(|_| open.len() == 2) {
            reader.note_property(event, &line, &property);
        }
    }
    match open.pop() {
        Some((component, begun)) => Err(CalendarError::CutOff { line: lines.number(), component, begun }),
        None if !seen => Err(CalendarError::NoCalendar { line: 1, text: String::new() }),
        None => reader.finish(),
    }
}

#[derive(Default)]
struct Event {
    line: u32,
    name: String,
    start: Option<Moment>,
    end: Option<Moment>,
    duration: Option<Span>,
    rule: Option<String>,
    excepted: Vec<Moment>,
    /// Why it is left out.
    left_out: Option<&'static str>,
}

const UNREADABLE: &str = "have a time that can't be read; correct it in the calendar";
const MOVED: &str = "are moved or changed occurrences of a series; enter their dates by hand";
const BACKWARDS: &str = "end before they begin; correct them in the calendar";

struct Reader<'a> {
    options: &'a CalendarOptions<'a>,
    /// The first and the last day that are taken.
    first: Date,
    last: Date,
    zones: BTreeMap<String, Option<Zone>>,
    rule_days_left: u32,
    events: u32,
    notes: BTreeMap<&'static str, CalendarNote>,
    once: BTreeMap<String, BTreeSet<(Date, Date)>>,
    yearly: BTreeMap<String, BTreeSet<Dates>>,
    open: BTreeMap<Date, BTreeSet<TimeRange>>,
    collected: usize,
}

impl<'a> Reader<'a> {
    fn new(options: &'a CalendarOptions<'a>) -> Reader<'a> {
        let today = options.zone.wall(options.now_us).date();
        Reader {
            options,
            first: today.yesterday().unwrap_or(today),
            last: today.saturating_add(Span::new().days(WINDOW_DAYS)),
            zones: BTreeMap::new(),
            rule_days_left: RULE_DAYS_MAX,
            events: 0,
            notes: BTreeMap::new(),
            once: BTreeMap::new(),
            yearly: BTreeMap::new(),
            open: BTreeMap::new(),
            collected: 0,
        }
    }

    /// What a line of an event says of it.
    fn note_property(&mut self, event: &mut Event, line: &Line, property: &Property<'_>) {
        let mut moment = |text: &str| self.moment(text, property);
        let left_out = match property.name.to_ascii_uppercase().as_str() {
            "SUMMARY" => {
                event.name = name_of(property.value);
                None
            }
            "DTSTART" => moment(property.value).map(|at| event.start = Some(at)).err(),
            "DTEND" => moment(property.value).map(|at| event.end = Some(at)).err(),
            "DURATION" => property.value.parse().map(|span| event.duration = Some(span)).err().map(|_| UNREADABLE),
            "RRULE" if line.cut || event.rule.is_some() => Some("have several or endless rules; enter their dates by hand"),
            "RRULE" => {
                event.rule = Some(property.value.to_owned());
                None
            }
            "RDATE" | "EXRULE" => Some("come again on listed dates; enter their dates by hand"),
            "EXDATE" if line.cut || event.excepted.len() > EXCEPTED_MAX => Some("have too many excepted days; enter their dates by hand"),
            "EXDATE" => property.value.split(',').find_map(|text| moment(text).map(|at| event.excepted.push(at)).err()),
            "RECURRENCE-ID" => Some(MOVED),
            "STATUS" if property.value.eq_ignore_ascii_case("CANCELLED") => Some("are cancelled"),
            _ => None,
        };
        event.left_out = event.left_out.or(left_out);
    }

    fn moment(&mut self, text: &str, property: &Property<'_>) -> Result<Moment, &'static str> {
        let text = text.trim();
        let date = read_date(text).ok_or(UNREADABLE)?;
        let rest = &text[8..];
        if rest.is_empty() {
            return Ok(Moment::Day(date));
        }
        let (time, utc) = rest.strip_suffix('Z').map_or((rest, false), |time| (time, true));
        let time = time.strip_prefix('T').filter(|time| time.len() == 6).and_then(read_time).ok_or(UNREADABLE)?;
        let zone = match property.parameter("TZID") {
            _ if utc => Some(Zone::UTC),
            Some(name) => self.zone(name),
            None => Some(self.options.zone.clone()),
        };
        let zone = zone.ok_or("are in a time zone without an IANA name; have the calendar write names such as Europe/Berlin")?;
        Ok(Moment::Timed(date.to_datetime(time), zone))
    }

    /// A zone by its name, or by the end of it: some write `/freeassociation.sourceforge.net/Europe/Berlin`.
    fn zone(&mut self, name: &str) -> Option<Zone> {
        if let Some(known) = self.zones.get(name) {
            return known.clone();
        }
        let ends = name.match_indices('/').map(|(slash, _)| &name[slash + 1..]).take(8);
        let zone = std::iter::once(name).chain(ends).find_map(|name| name.parse::<Zone>().ok());
        if self.zones.len() < ZONES_MAX {
            self.zones.insert(name.to_owned(), zone.clone());
        }
        zone
    }

    fn take(&mut self, event: Event) -> Result<(), CalendarError> {
        self.events += 1;
        let line = event.line;
        if let Err(reason) = self.collect(event) {
            let note = self.notes.entry(reason).or_insert(CalendarNote { events: 0, line, reason });
            note.events += 1;
        }
        if self.collected > COLLECTED_MAX {
            return Err(CalendarError::TooMany { what: "days", count: self.collected, count_max: DATES_MAX });
        }
        Ok(())
    }

    /// Collects the days of an event; the error is why it is left out.
    fn collect(&mut self, event: Event) -> Result<(), &'static str> {
        if let Some(reason) = event.left_out {
            return Err(reason);
        }
        let start = event.start.clone().ok_or("have no beginning; correct them in the calendar")?;
        let rule = event.rule.as_deref().map(|rule| Rule::read(rule, |text| Some(utc_or_day(text)?.date_beside(&start)))).transpose()?;
        let excepted: BTreeSet<Date> = event.excepted.iter().map(|at| at.date_beside(&start)).collect();
        let length = length(&event, &start)?;
        let first = start.date();
        let (days, whole) = match length {
            Length::Days(days) => (days, true),
            Length::Time(_) => (1, false),
        };
        if !whole && !self.options.timed_are_open {
            return Err("have times of day, and aren't whole days; say that such events are opening hours, if they are");
        }
        let last_of = |day: Date| day.saturating_add(Span::new().days(days - 1));
        let name = if event.name.is_empty() { "holiday".to_owned() } else { event.name };
        let plain = rule.as_ref().is_some_and(|rule| rule.is_plain_yearly(first)) && event.excepted.is_empty();
        // one that begins in years isn't there before
        if plain && whole && days < 365 && first < self.first.saturating_add(Span::new().days(365)) {
            self.collected += usize::from(self.yearly.entry(name).or_default().insert(Dates::yearly(first, last_of(first))));
            return Ok(());
        }
        let from = self.first.saturating_sub(Span::new().days(days));
        let mut on = match &rule {
            Some(rule) => rule.days(first, from, self.last, &mut self.rule_days_left)?,
            None => vec![first],
        };
        on.retain(|day| last_of(*day) >= self.first && *day <= self.last && !excepted.contains(day));
        if on.is_empty() {
            return Err("are past, or more than two years away");
        }
        for day in on {
            self.collected += usize::from(match (&start, &length) {
                (Moment::Timed(at, zone), Length::Time(time)) => {
                    let (date, range) = self.open_on(day.to_datetime(at.time()), zone, *time).ok_or(UNREADABLE)?;
                    self.open.entry(date).or_default().insert(range)
                }
                _ => self.once.entry(name.clone()).or_default().insert((day, last_of(day))),
            });
        }
        Ok(())
    }

    /// Hours of the schedule's zone, out of those of an event's.
    fn open_on(&self, start: DateTime, zone: &Zone, time: SignedDuration) -> Option<(Date, TimeRange)> {
        let start = zone.first_after(start, Timestamp::MIN)?;
        let wall = |at: Timestamp| self.options.zone.wall(microseconds(at));
        let minute = |at: DateTime| u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs());
        let (from, to) = (wall(start), wall(start.checked_add(time).ok()?));
        Some((from.date(), TimeRange::new(minute(from), minute(to))?))
    }

    fn finish(self) -> Result<Calendar, CalendarError> {
        let mut dates: BTreeMap<String, Vec<Dates>> = BTreeMap::new();
        for (name, once) in self.once {
            dates.insert(name, joined(once));
        }
        for (name, yearly) in self.yearly {
            dates.entry(name).or_default().extend(yearly);
        }
        let mut by_hours: BTreeMap<Vec<TimeRange>, BTreeSet<(Date, Date)>> = BTreeMap::new();
        for (date, ranges) in self.open {
            if ranges.len() > RANGES_MAX {
                return Err(CalendarError::TooMany { what: "times of one day", count: ranges.len(), count_max: RANGES_MAX });
            }
            by_hours.entry(ranges.into_iter().collect()).or_default().insert((date, date));
        }
        let holidays: Vec<Holiday> = dates.into_iter().map(|(name, dates)| Holiday { name, dates, state: None }).collect();
        let exceptions: Vec<Exception> = by_hours.into_iter().map(|(open, days)| Exception { dates: joined(days), open }).collect();
        for (what, count) in [
            ("dates of holidays", holidays.iter().map(|h| h.dates.len()).sum::<usize>()),
            ("dates with hours", exceptions.iter().map(|e| e.dates.len()).sum()),
        ] {
            if count > DATES_MAX {
                return Err(CalendarError::TooMany { what, count, count_max: DATES_MAX });
            }
        }
        let mut notes: Vec<CalendarNote> = self.notes.into_values().collect();
        notes.sort_by_key(|note| note.line);
        Ok(Calendar { holidays, exceptions, events: self.events, notes })
    }
}

/// How long an event is.
enum Length {
    Days(i64),
    Time(SignedDuration),
}

fn length(event: &Event, start: &Moment) -> Result<Length, &'static str> {
    const DAYS_MAX: i64 = 3660;
    let of_days = |days: i64| match days {
        // some write the same day as the end of an event of one day
        0 => Ok(Length::Days(1)),
        1..=DAYS_MAX => Ok(Length::Days(days)),
        ..0 => Err(BACKWARDS),
        _ => Err("last more than ten years; correct them in the calendar"),
    };
    let between = |from: Date, to: Date| i64::from(from.until(to).map_or(0, |span| span.get_days()));
    match (start, &event.end, event.duration) {
        (Moment::Day(_), None, None) => Ok(Length::Days(1)),
        (Moment::Day(from), Some(Moment::Day(to)), _) => of_days(between(*from, *to)),
        (Moment::Day(from), None, Some(span)) => of_days(between(*from, from.checked_add(span).map_err(|_| UNREADABLE)?)),
        (Moment::Day(_), Some(Moment::Timed(..)), _) | (Moment::Timed(..), Some(Moment::Day(_)), _) => Err(UNREADABLE),
        (Moment::Timed(..), None, None) => Err("have no end; correct them in the calendar"),
        (Moment::Timed(at, zone), end, span) => {
            let from = zone.first_after(*at, Timestamp::MIN).ok_or(UNREADABLE)?;
            let to = match (end, span) {
                (Some(Moment::Timed(at, zone)), _) => zone.first_after(*at, from).ok_or(UNREADABLE)?,
                (_, Some(span)) => zone.first_after(at.checked_add(span).map_err(|_| UNREADABLE)?, from).ok_or(UNREADABLE)?,
                _ => return Err(UNREADABLE),
            };
            let until = zone.time_zone().to_datetime(to);
            // Outlook writes whole days from midnight to midnight
            if at.time() == Time::midnight() && until.time() == Time::midnight() && until.date() > at.date() {
                return of_days(between(at.date(), until.date()));
            }
            let time = to.duration_since(from);
            if time <= SignedDuration::ZERO {
                Err(BACKWARDS)
            } else if time > SignedDuration::from_hours(24) {
                Err("have times of day and are longer than a day; enter them by hand")
            } else {
                Ok(Length::Time(time))
            }
        }
    }
}

/// Days as dates, those that touch as one.
fn joined(days: BTreeSet<(Date, Date)>) -> Vec<Dates> {
    let mut spans: Vec<(Date, Date)> = Vec::new();
    for (from, to) in days {
        match spans.last_mut() {
            Some(last) if from <= last.1.saturating_add(Span::new().days(1)) => last.1 = last.1.max(to),
            _ => spans.push((from, to)),
        }
    }
    spans.into_iter().map(|(from, to)| Dates::once(from, to)).collect()
}

impl Schedule {
    /// Takes in what a calendar says: a holiday of a name that is there already is replaced and keeps its state; hours
    /// of a calendar go before those that are there. Taking in the same twice changes nothing.
    pub fn take_in(&mut self, calendar: Calendar) {
        for holiday in calendar.holidays {
            match self.holidays.iter_mut().find(|h| h.name == holiday.name) {
                Some(known) => known.dates = holiday.dates,
                None => self.holidays.push(holiday),
            }
        }
        self.exceptions.retain(|known| !calendar.exceptions.contains(known));
        self.exceptions.splice(0..0, calendar.exceptions);
    }
}

#[cfg(test)]
mod tests;
