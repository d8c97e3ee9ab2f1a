//! `explain`: what a call would get, or what one of the journal got, and why.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::calls::{journalled_one, request_of};
use super::exit::{Exit, Failure};
use super::{print, when};
use crate::clock::{Clock, SystemClock};
use crate::control::{DecisionView, ExplainAsk, NumberSeen, Reply, Request};
use crate::routing::Switch;
use clap::Args;
use serde_json::{Value as Json, json};

#[derive(Debug, Args)]
#[command(after_help = "WHEN is 2026-11-21T20:58:00Z, 2026-11-21, 20:58 (the last time it was), or so long ago: 90s, 15m, 2h, 7d. \
Times are UTC. Exit status: 0 if something was found, 1 if not.")]
pub(super) struct ExplainArgs {
    /// The number that is called; not needed for --request name
    #[arg(long, default_value = "", hide_default_value = true, value_name = "DID", required_unless_present_any = ["request", "call"])]
    to: String,
    /// The number that calls; leave it out for a caller without one
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NUMBER")]
    from: String,
    /// The caller withholds his number
    #[arg(long)]
    withheld: bool,
    /// What is asked: route, name or outbound [default: route]
    #[arg(long, value_name = "REQUEST")]
    request: Option<String>,
    /// What the network says of the caller's number (STIR/SHAKEN): failed, missing, a, b or c
    #[arg(long, default_value = "", hide_default_value = true, value_name = "RESULT")]
    verstat: String,
    /// The name that the trunk sent for the caller
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    name: String,
    /// The extension whose personal phone book counts [default: the one that is called]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "EXT")]
    owner: String,
    /// Decide as at this time [default: now]
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// Show how this call of the journal was decided, and how the data of now would decide it, as at its time
    #[arg(long, value_name = "ID", conflicts_with_all = ["to", "from", "withheld", "request", "verstat", "name", "owner"])]
    call: Option<String>,
    /// Show the answer in this switch's words; what either would dial is shown in any case
    #[arg(long, value_parser = ["asterisk", "freeswitch"], default_value = "asterisk")]
    switch: String,
}

impl ExplainArgs {
    fn at_us(&self) -> Result<Option<u64>, Failure> {
        let read = self.at.as_ref().map(|text| when::instant(text, SystemClock.now_us()));
        read.transpose().map_err(|text| Failure::new(Exit::BadInput, text))
    }

    fn switch(&self) -> Switch {
        if self.switch == "freeswitch" { Switch::Freeswitch } else { Switch::Asterisk }
    }
}

pub(super) fn explain(global: &Global, args: &ExplainArgs) -> Result<Exit, Failure> {
    if let Some(id) = &args.call {
        return of_the_journal(global, args, id);
    }
    let ask = ExplainAsk {
        request: args.request.clone().unwrap_or_else(|| "route".to_owned()),
        to: args.to.clone(),
        from: args.from.clone(),
        withheld: args.withheld,
        verstat: args.verstat.clone(),
        name: args.name.clone(),
        owner: args.owner.clone(),
        ascii: String::new(),
        at_us: args.at_us()?,
    };
    let view = asked(global, ask, args.switch())?;
    let found = matches!(view.decision.get("status").and_then(Json::as_str), Some("found" | "ok"));
    if global.json {
        print::json(&view)
    } else {
        print::out(&text(&view))
    }
    Ok(if found { Exit::Done } else { Exit::NotFound })
}

fn asked(global: &Global, ask: ExplainAsk, switch: Switch) -> Result<DecisionView, Failure> {
    let request = Request::Explain { tenant: global.tenant.clone(), ask, switch };
    let Reply::Explained(view) = Backend::look(global)?.ask(request)? else { return Err(unexpected()) };
    Ok(*view)
}

/// A call of the journal: what was decided then, and what would be now.
fn of_the_journal(global: &Global, args: &ExplainArgs, id: &str) -> Result<Exit, Failure> {
    let call = journalled_one(global, id)?;
    let said = |at: &str| call.pointer(at).and_then(Json::as_str).unwrap_or_default().to_owned();
    let decided = call.get("decisions").and_then(Json::as_array).cloned().unwrap_or_default();
    let at_us = match args.at_us()? {
        Some(at_us) => Some(at_us),
        None => when::instant(&said("/started"), SystemClock.now_us()).ok(),
    };
    let is_withheld = call.pointer("/from/withheld").and_then(Json::as_bool).unwrap_or_default();
    let ask = ExplainAsk {
        request: request_of(&call).to_owned(),
        to: said("/to"),
        from: said("/from/number"),
        withheld: is_withheld,
        verstat: String::new(),
        name: String::new(),
        owner: String::new(),
        ascii: String::new(),
        at_us,
    };
    let now = asked(global, ask, args.switch())?;
    if global.json {
        print::json(&json!({ "call": id, "then": decided, "now": now }));
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    if decided.is_empty() {
        out.push_str("then: the journal has no decision of this call\n");
    }
    for decision in &decided {
        let part = |key: &str| decision.get(key).and_then(Json::as_str).unwrap_or_default();
        let revision = decision.get("revision").and_then(Json::as_u64).unwrap_or_default();
        let head = format!("{} {} {} ({}) {}", part("at"), part("status"), part("action"), part("reason"), part("route"));
        out.push_str(&format!("then: {}, from revision {revision} of the store\n", print::shown(head.trim_end())));
        let trace: Vec<String> =
            decision.get("trace").and_then(Json::as_array).into_iter().flatten().filter_map(|r| r.as_str().map(str::to_owned)).collect();
        out.push_str(&numbered(&trace));
    }
    out.push_str("\nnow:\n");
    out.push_str(&text(&now));
    print::out(&out);
    Ok(Exit::Done)
}

fn numbered(trace: &[String]) -> String {
    trace.iter().enumerate().map(|(n, rule)| format!("{:2}. {}\n", n + 1, print::shown(rule))).collect()
}

/// What became of a number that was typed.
fn number_text(number: &NumberSeen) -> String {
    if number.withheld {
        return "withheld".to_owned();
    }
    let Some(canonical) = &number.number else {
        return if number.typed.is_empty() { "none".to_owned() } else { format!("{:?}, which is no number", number.typed) };
    };
    let about: Vec<String> = [number.kind.clone(), number.class.clone(), number.region.clone()].into_iter().flatten().collect();
    let typed = if number.typed == *canonical { String::new() } else { format!(", typed as {}", number.typed) };
    format!("{canonical} ({}){typed}", about.join(", "))
}

fn text(view: &DecisionView) -> String {
    let mut rows = Vec::new();
    for (name, number) in [("called", &view.to), ("caller", &view.from)] {
        rows.extend(number.iter().map(|number| vec![name.to_owned(), print::shown(&number_text(number))]));
    }
    let age = view.age_seconds.map(|seconds| format!(", {} old", when::span_text(seconds))).unwrap_or_default();
    let changed = view.changed.as_ref().map(|at| format!(" of {at}{age}")).unwrap_or_default();
    rows.push(vec!["data".to_owned(), format!("revision {}{changed}", view.revision)]);
    rows.push(vec!["decided".to_owned(), format!("as at {}", view.at)]);
    let mut text = print::columns(&rows);
    text.push('\n');
    text.push_str(&numbered(&view.trace));
    text.push_str("\nanswer\n");
    let mut rows: Vec<Vec<String>> = view
        .decision
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_str().filter(|v| !v.is_empty())?)))
        .map(|(name, value)| vec![format!("  {name}"), print::shown(value)])
        .collect();
    for (switch, target) in view.targets.iter().filter(|(_, target)| !target.is_empty()) {
        rows.push(vec![format!("  on {switch}"), print::shown(target)]);
    }
    rows.extend(view.legs.iter().map(|(variable, dial_string)| vec![format!("    {variable}"), print::shown(dial_string)]));
    text.push_str(&print::columns(&rows));
    text
}
