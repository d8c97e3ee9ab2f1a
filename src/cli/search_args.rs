//! `contact search`: what can be typed, and what is printed.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{ContactView, NumberView, Reply, Request};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Any part of a name, company, tag or number; several words in any order
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Show so many, the best ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Find this extension's personal contacts, too
    #[arg(long, value_name = "EXTENSION")]
    owner: Option<String>,
}

pub(super) fn search(global: &Global, args: SearchArgs) -> Result<Exit, Failure> {
    let text = args.text.join(" ");
    let request = Request::ContactSearch { tenant: global.tenant.clone(), text: text.clone(), limit: args.limit, owner: args.owner };
    let Reply::Contacts { contacts, notes, .. } = Backend::look(global)?.ask(request)? else { return Err(unexpected()) };
    notes.iter().for_each(|note| print::note(&format!("note: {note}")));
    if global.json {
        print::json(&contacts);
    } else {
        print::out(&print::columns(&contacts.iter().map(row).collect::<Vec<_>>()));
    }
    match contacts.is_empty() {
        true if !global.json && notes.is_empty() => Err(Failure::new(Exit::NotFound, format!("no contact fits {text:?}"))),
        true => Ok(Exit::NotFound),
        false => Ok(Exit::Done),
    }
}

/// Name and company, numbers, id.
fn row(contact: &ContactView) -> Vec<String> {
    let star = if contact.favourite { "* " } else { "" };
    let name = match &contact.company {
        Some(company) if *company != contact.name => format!("{star}{} ({company})", contact.name),
        _ => format!("{star}{}", contact.name),
    };
    let numbers: Vec<&str> = contact.numbers.iter().map(NumberView::listed).collect();
    vec![name, numbers.join(" "), contact.id.clone()]
}
