//! `schedule`: opening hours, holidays out of a calendar, and the override.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::edit::{edit, edit_over};
use super::exit::{Exit, Failure};
use super::print;
use super::things::{bad, known, ls, one};
use super::things_text::{said, view};
use crate::clock::{Clock, SystemClock};
use crate::control::{ItemWhich, Reply, Request};
use crate::plan::{ItemDraft, ScheduleDraft};
use crate::routing::schedule::ics::{CALENDAR_BYTES_MAX, CalendarOptions, read_calendar};
use crate::routing::{PlanItem, Zone};
use crate::store::PlanSort;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleVerb {
    /// Add or replace a schedule
    Set(ScheduleArgs),
    /// Remove a schedule that nothing names
    Rm {
        /// Its id
        id: String,
    },
    /// Show a schedule, its state now and the next change
    Show {
        /// Its id
        id: String,
    },
    /// List all schedules
    Ls,
    /// Take in the holidays of an iCalendar file
    Import {
        /// The schedule
        id: String,
        /// The file (.ics)
        file: PathBuf,
        /// Take events with times of day for opening hours of their day
        #[arg(long)]
        timed_are_open: bool,
    },
    /// Set a schedule by hand (closed for the night), or off to let it go by the clock again
    Override {
        /// The schedule
        id: String,
        /// The state: closed, open, holiday, a period's name; or off
        state: String,
        /// Until then: 18:00, 2026-12-24 18:00, 8h; for good if left out
        #[arg(long, value_name = "WHEN")]
        until: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    /// Its id, such as office
    id: String,
    /// The time zone, such as Europe/Berlin [default: the tenant's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Digits that a star code names it by
    #[arg(long, value_name = "DIGITS")]
    code: Option<String>,
    /// Weekly hours, such as 'mon-fri 09:00-12:00,13:00-17:30'; may stand several times
    #[arg(long, value_name = "DAYS TIMES")]
    open: Vec<String>,
    /// A named part of the week, such as 'lunch mon-fri 12:00-13:00'
    #[arg(long = "period", value_name = "NAME DAYS TIMES")]
    periods: Vec<String>,
    /// Other hours on dates, such as '2026-12-24 09:00-12:00' or '2026-12-31 closed'
    #[arg(long = "exception", value_name = "DATES TIMES")]
    exceptions: Vec<String>,
    /// A holiday, such as 'christmas 12-25..12-26'
    #[arg(long = "holiday", value_name = "NAME DATES")]
    holidays: Vec<String>,
}

pub(super) fn schedule(global: &Global, verb: ScheduleVerb) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    match verb {
        ScheduleVerb::Set(args) => {
            let what = format!("schedule {}", args.id);
            let (open, periods) = (read_all(&args.open)?, read_all(&args.periods)?);
            let (exceptions, holidays) = (read_all(&args.exceptions)?, read_all(&args.holidays)?);
            let set =
                ScheduleDraft { id: args.id, timezone: args.timezone, code: args.code, open, periods, exceptions, holidays, mode: None };
            edit_over(global, &what, |backend| {
                // correcting the hours doesn't open a house that was closed by hand
                let (over, mode) = match known(backend, global, ItemWhich::Schedule(set.id.clone()))? {
                    Some(PlanItem::Schedule(known)) => (known.revision, known.mode),
                    Some(_) => return Err(unexpected()),
                    None => (0, None),
                };
                let item = ItemDraft::Schedule(ScheduleDraft { mode, ..set.clone() });
                Ok((Some(over), Request::ItemSet { tenant: tenant.clone(), item }))
            })
        }
        ScheduleVerb::Rm { id } => edit(global, &format!("schedule {id}"), Request::ItemRm { tenant, which: ItemWhich::Schedule(id) }),
        ScheduleVerb::Show { id } => show_schedule(global, &id),
        ScheduleVerb::Ls => ls(global, PlanSort::Schedule),
        ScheduleVerb::Import { id, file, timed_are_open } => import(global, &id, &file, timed_are_open),
        ScheduleVerb::Override { id, state, until } => {
            let what = format!("override of schedule {id}");
            if state == "off" && until.is_some() {
                return Err(bad("--until is for a state that is set; off lets the schedule go by the clock at once"));
            }
            let state = Some(state).filter(|state| state != "off");
            edit(global, &what, Request::ScheduleOverride { tenant, id, state, until })
        }
    }
}

fn read_all<T: std::str::FromStr>(texts: &[String]) -> Result<Vec<T>, Failure>
where
    T::Err: ToString,
{
    texts.iter().map(|text| text.parse().map_err(|e: T::Err| bad(e.to_string()))).collect()
}

fn show_schedule(global: &Global, id: &str) -> Result<Exit, Failure> {
    let mut backend = Backend::look(global)?;
    let item = one(&mut backend, global, ItemWhich::Schedule(id.to_owned()))?;
    let Reply::ScheduleState { state, why, zone, next } =
        backend.ask(Request::ScheduleState { tenant: global.tenant.clone(), id: id.to_owned() })?
    else {
        return Err(unexpected());
    };
    let mut view = view(&item);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("state".into(), json!(state));
        fields.insert("why".into(), json!(why));
        fields.insert("zone".into(), json!(zone));
        fields.insert("next".into(), json!(next));
    }
    said(global, &view);
    Ok(Exit::Done)
}

fn import(global: &Global, id: &str, file: &std::path::Path, timed_are_open: bool) -> Result<Exit, Failure> {
    let failed = |e: std::io::Error| bad(format!("{} can't be read ({e})", file.display()));
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > CALENDAR_BYTES_MAX as u64 {
        return Err(bad(format!("{} has {size} bytes, more than {CALENDAR_BYTES_MAX}; export fewer years of it", file.display())));
    }
    let text = std::fs::read(file).map_err(failed)?;
    edit_over(global, &format!("schedule {id}"), |backend| {
        let which = ItemWhich::Schedule(id.to_owned());
        let PlanItem::Schedule(mut schedule) = one(backend, global, which)? else { return Err(unexpected()) };
        let state = backend.ask(Request::ScheduleState { tenant: global.tenant.clone(), id: id.to_owned() })?;
        // its own, or the tenant's
        let Reply::ScheduleState { zone, .. } = state else { return Err(unexpected()) };
        let zone: Zone = zone.parse().map_err(bad)?;
        let options = CalendarOptions { now_us: SystemClock.now_us(), zone: &zone, timed_are_open };
        let calendar = read_calendar(&text, &options).map_err(|e| bad(format!("{}: {e}", file.display())))?;
        for note in &calendar.notes {
            print::note(&format!("note: {note}"));
        }
        let over = schedule.revision;
        schedule.take_in(calendar);
        let item = ItemDraft::of(&PlanItem::Schedule(schedule));
        Ok((Some(over), Request::ItemSet { tenant: global.tenant.clone(), item }))
    })
}
