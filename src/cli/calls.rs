//! `calls`: who calls whom now, and who has.
//!
//! Live calls are the server's to tell. Those that are over lie in the journal, which this process opens itself where no
//! server runs.

use super::args::{CallsArgs, Global};
use super::backend::{Backend, overrides, said, unexpected};
use super::calls_text::{CSV_COLUMNS, CallRow, csv_cells, head, line_of, whole};
use super::exit::{Exit, Failure};
use super::follow;
use super::print;
use super::when;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{Client, ClientError, JournalQuery, Reply, Request, journalled, journalled_call};
use crate::cti::SourcePhase;
use crate::journal::{Journal, JournalLimits};
use crate::routing::{Request as Asked, Tenants};
use serde_json::Value as Json;
use std::io::{IsTerminal, stdout};

/// Calls that a person is shown, unless he asks for more.
const SHOWN_DEFAULT: usize = 100;
/// Calls that are asked for at once.
const PAGE_CALLS: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Csv,
    Jsonl,
    Json,
}

pub(super) fn calls(global: &Global, args: &CallsArgs) -> Result<Exit, Failure> {
    let form = match args.format.as_deref() {
        _ if global.json => Form::Json,
        Some("csv") => Form::Csv,
        Some("jsonl") => Form::Jsonl,
        _ => Form::Table,
    };
    if let Some(id) = &args.id {
        return one(global, id);
    }
    if args.follow {
        return follow::calls(global, args.number.as_slice());
    }
    let of_the_past =
        args.since.is_some() || args.until.is_some() || args.number.is_some() || args.limit.is_some() || args.format.is_some();
    if of_the_past { past(global, args, form) } else { live(global, args, form) }
}

fn live(global: &Global, args: &CallsArgs, form: Form) -> Result<Exit, Failure> {
    let mut server = Backend::server(global)?;
    let calls = live_calls(&mut server, &global.tenant)?;
    note_switches(&mut server);
    if form == Form::Json {
        print::json(&calls);
        return Ok(Exit::Done);
    }
    if calls.is_empty() {
        print::note("no call lives");
        return Ok(Exit::Done);
    }
    let now_us = SystemClock.now_us();
    let mut text = head(args.ids);
    for call in &calls {
        text.push_str(&line_of(&row(call)?, args.ids, now_us));
    }
    print::out(&text);
    Ok(Exit::Done)
}

/// Says which switches can't tell of their calls' ends now.
fn note_switches(server: &mut Backend) {
    let Ok(Reply::Status(view)) = server.ask(Request::Status) else { return };
    for source in view.planes.events.iter().flat_map(|events| &events.sources) {
        let how = match source.phase {
            SourcePhase::Up => continue,
            SourcePhase::Down(_) => "is down",
            SourcePhase::Connecting | SourcePhase::LoggingIn => "is not connected yet",
        };
        print::note(&format!("switch {} {how}; what is shown of its calls may be over", source.name));
    }
}

fn live_calls(server: &mut Backend, tenant: &str) -> Result<Vec<Json>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let question = Request::LiveCalls { tenant: tenant.to_owned(), after };
        let Reply::Calls { calls, next, .. } = server.ask(question)? else { return Err(unexpected()) };
        all.extend(calls);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// One finished call of the journal.
pub(super) fn journalled_one(global: &Global, id: &str) -> Result<Json, Failure> {
    Past::open(global)?.call(&global.tenant, id)
}

/// What was asked first of a call: where it goes (`route`), or how it gets out (`outbound`). The journal once didn't keep
/// that; then it is taken for one that came in.
pub(super) fn request_of(call: &Json) -> &'static str {
    let decisions = call.get("decisions").and_then(Json::as_array).into_iter().flatten();
    let mut asked = decisions.filter_map(|decision| Asked::from_name(decision.get("request")?.as_str()?));
    asked.find(|request| matches!(request, Asked::Route | Asked::Outbound)).unwrap_or(Asked::Route).name()
}

/// Every finished call of the journal since a time, the oldest first.
pub(super) fn each_journalled(global: &Global, since_us: u64, mut see: impl FnMut(&Json)) -> Result<(), Failure> {
    let mut past = Past::open(global)?;
    let mut query = JournalQuery {
        tenant: global.tenant.clone(),
        since_us: Some(since_us),
        limit: PAGE_CALLS,
        oldest_first: true,
        ..JournalQuery::default()
    };
    loop {
        let Reply::Calls { calls, next, .. } = past.page(query.clone())? else { return Err(unexpected()) };
        calls.iter().for_each(&mut see);
        query.after = next;
        if query.after.is_none() {
            return Ok(());
        }
    }
}

/// One call: a finished one, or, where a server runs, a live one.
fn one(global: &Global, id: &str) -> Result<Exit, Failure> {
    let mut past = Past::open(global)?;
    let found = match past.call(&global.tenant, id) {
        Ok(call) => Ok(call),
        Err(not_there) if not_there.exit == Exit::NotFound => past.live(&global.tenant, id).ok_or(not_there),
        Err(error) => Err(error),
    }?;
    if global.json {
        print::json(&found)
    } else {
        print::out(&whole(&row(&found)?))
    }
    Ok(Exit::Done)
}

fn past(global: &Global, args: &CallsArgs, form: Form) -> Result<Exit, Failure> {
    let now_us = SystemClock.now_us();
    let instant = |text: &Option<String>| {
        let read = text.as_ref().map(|text| when::instant(text, now_us));
        read.transpose().map_err(|text| Failure::new(Exit::BadInput, text))
    };
    let query = JournalQuery {
        tenant: global.tenant.clone(),
        since_us: instant(&args.since)?,
        until_us: instant(&args.until)?,
        number: args.number.clone(),
        ..JournalQuery::default()
    };
    let mut past = Past::open(global)?;
    let for_a_person = matches!(form, Form::Table | Form::Json) && stdout().is_terminal();
    let limit = args.limit.unwrap_or(if for_a_person { SHOWN_DEFAULT } else { usize::MAX });
    let export = matches!(form, Form::Csv | Form::Jsonl);
    // the oldest first, unless the last few are wanted: then they are turned around here
    let oldest_first = export && limit == usize::MAX;
    let mut out = Out { form, ids: args.ids, now_us, turned: export && !oldest_first, kept: Vec::new(), any: false };
    let (more, unreadable) = past.each(JournalQuery { oldest_first, ..query }, limit, &mut out)?;
    let none = form == Form::Table && !out.any && !more;
    out.end()?;
    if more && args.limit.is_none() {
        print::note(&format!("only the last {limit} are shown; --limit shows more, --format csv exports all"));
    }
    if unreadable > 0 {
        print::note(&format!("{unreadable} calls can't be read, and were left out; a newer strowger may have written them"));
    }
    // what a program reads is an empty list, or a head alone
    if none { Err(Failure::new(Exit::NotFound, "the journal has no such call")) } else { Ok(Exit::Done) }
}

fn row(call: &Json) -> Result<CallRow, Failure> {
    serde_json::from_value(call.clone()).map_err(|_| unexpected())
}

/// Where calls go that are listed: out at once, as they come, but for what has to be turned around or is one document.
struct Out {
    form: Form,
    ids: bool,
    now_us: u64,
    turned: bool,
    kept: Vec<Json>,
    any: bool,
}

impl Out {
    fn page(&mut self, calls: Vec<Json>, first: bool) -> Result<(), Failure> {
        self.any |= !calls.is_empty();
        if first {
            match self.form {
                Form::Table if !calls.is_empty() => print::out(&head(self.ids)),
                Form::Table => {}
                Form::Csv => print::out(&csv_line(CSV_COLUMNS)?),
                Form::Json | Form::Jsonl => {}
            }
        }
        if self.turned || self.form == Form::Json {
            self.kept.extend(calls);
            return Ok(());
        }
        self.say(&calls)
    }

    fn say(&self, calls: &[Json]) -> Result<(), Failure> {
        let mut text = String::new();
        for call in calls {
            match self.form {
                Form::Table => text.push_str(&line_of(&row(call)?, self.ids, self.now_us)),
                Form::Csv => text.push_str(&csv_line(&csv_cells(&row(call)?))?),
                Form::Json | Form::Jsonl => {
                    text.push_str(&print::json_line(call));
                    text.push('\n');
                }
            }
        }
        print::out(&text);
        Ok(())
    }

    fn end(mut self) -> Result<(), Failure> {
        if self.form == Form::Json {
            print::json(&self.kept);
        } else if self.turned {
            self.kept.reverse();
            self.say(&self.kept)?;
        }
        Ok(())
    }
}

fn csv_line<T: AsRef<[u8]>>(cells: &[T]) -> Result<String, Failure> {
    let failed = |error: String| Failure::new(Exit::Trouble, error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|e| failed(e.to_string()))?;
    let bytes = writer.into_inner().map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // a file gets what was said; a terminal nothing that it would act upon
    Ok(if stdout().is_terminal() { format!("{}\n", print::shown(text.trim_end_matches('\n'))) } else { text })
}

/// Who knows the calls that are over.
enum Past {
    Server(Backend),
    Own(Journal, Box<Tenants>),
}

impl Past {
    fn open(global: &Global) -> Result<Past, Failure> {
        let config = Config::load(overrides(global))?;
        match Client::connect(&config.admin) {
            Ok(client) => return Ok(Past::Server(Backend::Server(client))),
            Err(ClientError::NoServer(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let dir = config.journal_dir();
        if !dir.exists() {
            let text =
                format!("there is no journal in {}; the server makes one, or name the right place with --data", config.data.display());
            return Err(Failure::new(Exit::Store, text));
        }
        // nothing is removed by whoever only reads, whatever the limits are
        Ok(Past::Own(Journal::open(&dir, JournalLimits::default())?, Box::new(config.tenants)))
    }

    fn page(&mut self, query: JournalQuery) -> Result<Reply, Failure> {
        match self {
            Past::Server(server) => server.ask(Request::Journal(query)),
            Past::Own(journal, tenants) => said(journalled(journal, tenants, &query)),
        }
    }

    /// Hands over page after page; says whether there is more than was wanted, and how many can't be read.
    fn each(&mut self, mut query: JournalQuery, limit: usize, out: &mut Out) -> Result<(bool, usize), Failure> {
        let (mut left, mut first, mut unreadable) = (limit, true, 0);
        loop {
            query.limit = left.min(PAGE_CALLS);
            let Reply::Calls { calls, next, unreadable: passed_over } = self.page(query.clone())? else { return Err(unexpected()) };
            left = left.saturating_sub(calls.len());
            unreadable += passed_over;
            out.page(calls, first)?;
            first = false;
            query.after = next;
            if query.after.is_none() || left == 0 {
                return Ok((query.after.is_some(), unreadable));
            }
        }
    }

    fn call(&mut self, tenant: &str, id: &str) -> Result<Json, Failure> {
        let reply = match self {
            Past::Server(server) => server.ask(Request::JournalCall { tenant: tenant.to_owned(), id: id.to_owned() }),
            Past::Own(journal, tenants) => said(journalled_call(journal, tenants, tenant, id)),
        };
        let Reply::Calls { calls, .. } = reply? else { return Err(unexpected()) };
        calls.into_iter().next().ok_or_else(unexpected)
    }

    /// A live call, if a server runs that knows it.
    fn live(&mut self, tenant: &str, id: &str) -> Option<Json> {
        let Past::Server(server) = self else { return None };
        let calls = live_calls(server, tenant).ok()?;
        calls.into_iter().find(|call| call.get("id").and_then(Json::as_str) == Some(id))
    }
}
