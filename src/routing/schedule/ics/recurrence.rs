//! The rules of RFC 5545 3.3.10 by which events come again, as far as days are concerned.
//!
//! What can't be said exactly is refused, and the event is told of: a holiday on a wrong date is worse than none.

use jiff::civil::Date;

enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

pub(super) struct Rule {
    frequency: Frequency,
    interval: i64,
    count: Option<u32>,
    until: Option<Date>,
    months: Vec<i8>,
    /// Negative ones from the month's end.
    month_days: Vec<i8>,
    /// Which of the month's (0 = each, negative ones from its end), and the day of the week; Monday is 0.
    days: Vec<(i8, i8)>,
    week_start: i8,
}

const NOT_READ: &str = "come again by a rule that isn't read here; enter their dates by hand";
/// What an event says that costs more days than an import may look at.
pub(super) const TOO_FAR: &str = "come again too often to be counted; enter their dates by hand";

fn days_between(from: Date, to: Date) -> i64 {
    i64::from(from.until(to).map_or(0, |span| span.get_days()))
}

fn week_day(text: &str) -> Option<i8> {
    let place = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].iter().position(|day| day.eq_ignore_ascii_case(text))?;
    i8::try_from(place).ok()
}

impl Rule {
    /// Reads a rule; `day` says which day its end is where the event is.
    pub(super) fn read(text: &str, day: impl Fn(&str) -> Option<Date>) -> Result<Rule, &'static str> {
        Rule::read_parts(text, day).ok_or(NOT_READ)
    }

    fn read_parts(text: &str, day: impl Fn(&str) -> Option<Date>) -> Option<Rule> {
        let (mut frequency, mut interval, mut count, mut until, mut week_start) = (None, 1, None, None, 0);
        let (mut months, mut month_days, mut days) = (Vec::new(), Vec::new(), Vec::new());
        let numbers = |value: &str, max: i8| {
            let numbers = value.split(',').map(|n| n.parse::<i8>().ok().filter(|n| *n != 0 && n.abs() <= max));
            numbers.collect::<Option<Vec<i8>>>()
        };
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            match name.trim().to_ascii_uppercase().as_str() {
                "FREQ" => {
                    frequency = Some(match value.to_ascii_uppercase().as_str() {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        "YEARLY" => Frequency::Yearly,
                        _ => return None,
                    });
                }
                "INTERVAL" => interval = i64::from(value.parse::<u16>().ok().filter(|n| *n > 0)?),
                "COUNT" => count = Some(value.parse::<u32>().ok()?),
                "UNTIL" => until = Some(day(value.trim())?),
                "BYMONTH" => months = numbers(value, 12)?,
                "BYMONTHDAY" => month_days = numbers(value, 31)?,
                "BYDAY" => {
                    for day in value.split(',') {
                        let (nth, name) = day.split_at_checked(day.len().checked_sub(2)?)?;
                        let nth = if nth.is_empty() { 0 } else { nth.parse::<i8>().ok().filter(|n| *n != 0 && n.abs() <= 5)? };
                        days.push((nth, week_day(name)?));
                    }
                }
                "WKST" => week_start = week_day(value)?,
                _ => return None,
            }
        }
        // each is looked through for each day that is looked at, and a line has room for thousands
        months.sort_unstable();
        months.dedup();
        month_days.sort_unstable();
        month_days.dedup();
        days.sort_unstable();
        days.dedup();
        let rule = Rule { frequency: frequency?, interval, count, until, months, month_days, days, week_start };
        let nth = rule.days.iter().any(|(nth, _)| *nth != 0);
        let readable = match rule.frequency {
            Frequency::Daily | Frequency::Weekly => !nth,
            Frequency::Monthly => true,
            // the nth of a year, and each of a year, are others than those of months
            Frequency::Yearly => rule.days.is_empty() || !rule.months.is_empty(),
        };
        readable.then_some(rule)
    }

    /// Whether it is the same day of every year, without an end.
    pub(super) fn is_plain_yearly(&self, start: Date) -> bool {
        matches!(self.frequency, Frequency::Yearly)
            && self.interval == 1
            && self.count.is_none()
            && self.until.is_none()
            && self.days.is_empty()
            && match (&self.months[..], &self.month_days[..]) {
                ([], []) => true,
                ([month], []) => *month == start.month(),
                ([month], [day]) => (*month, *day) == (start.month(), start.day()),
                _ => false,
            }
    }

    /// The days on which it comes, from `first` to `last`. Each day that is looked at is taken from `days_left`.
    pub(super) fn days(&self, start: Date, first: Date, last: Date, days_left: &mut u32) -> Result<Vec<Date>, &'static str> {
        let last = self.until.map_or(last, |until| until.min(last));
        // those before count only where they are counted
        let mut day = if self.count.is_some() { start } else { start.max(first) };
        let (mut days, mut counted) = (Vec::new(), 0);
        while day <= last && self.count.is_none_or(|count| counted < count) {
            *days_left = days_left.checked_sub(1).ok_or(TOO_FAR)?;
            if self.comes_on(start, day) {
                counted += 1;
                if day >= first {
                    days.push(day);
                }
            }
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        Ok(days)
    }

    fn comes_on(&self, start: Date, day: Date) -> bool {
        let since = |count: i64| count % self.interval == 0;
        let week_day = |day: Date| day.weekday().to_monday_zero_offset();
        let in_week = |day: Date| i64::from((week_day(day) - self.week_start).rem_euclid(7));
        let months = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
        let by_month_day = || self.month_days.iter().any(|n| *n == day.day() || *n + day.days_in_month() + 1 == day.day());
        let by_day = || {
            self.days.iter().any(|(nth, name)| {
                let (from_begin, from_end) = ((day.day() - 1) / 7 + 1, -((day.days_in_month() - day.day()) / 7 + 1));
                *name == week_day(day) && (*nth == 0 || *nth == from_begin || *nth == from_end)
            })
        };
        let by_both = |neither: bool| match (self.month_days.is_empty(), self.days.is_empty()) {
            (true, true) => neither,
            (no_month_days, no_days) => (no_month_days || by_month_day()) && (no_days || by_day()),
        };
        if !self.months.is_empty() && !self.months.contains(&day.month()) {
            return false;
        }
        match self.frequency {
            Frequency::Daily => since(days_between(start, day)) && by_both(true),
            Frequency::Weekly => {
                since((days_between(start, day) + in_week(start) - in_week(day)) / 7) && by_both(week_day(start) == week_day(day))
            }
            Frequency::Monthly => since(months(day) - months(start)) && by_both(start.day() == day.day()),
            Frequency::Yearly => {
                let same_month = !self.months.is_empty() || !self.month_days.is_empty() || start.month() == day.month();
                since(i64::from(day.year()) - i64::from(start.year())) && same_month && by_both(start.day() == day.day())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_a_rule_names_a_thousand_times_is_looked_at_once() {
        let many = |day: &str| vec![day; 1_000].join(",");
        let text = format!("FREQ=MONTHLY;BYMONTH={};BYMONTHDAY={};BYDAY={};BYDAY=FR,2FR", many("3"), many("-1"), many("2FR"));
        let Ok(rule) = Rule::read(&text, |_| None) else { panic!("{text}") };
        assert_eq!((rule.months, rule.month_days, rule.days), (vec![3], vec![-1], vec![(0, 4), (2, 4)]));
    }
}
