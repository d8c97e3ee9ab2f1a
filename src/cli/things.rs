//! `group`, `extension`, `trunk` and `limit`; and what the verbs of all things have in common.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::edit::{edit, edit_over};
use super::exit::{Exit, Failure};
use super::print;
use super::things_text::{row, said, view};
use crate::control::{ItemWhich, Reply, Request};
use crate::plan::{ExtensionDraft, GroupDraft, ItemDraft, LimitDraft, MemberDraft, TrunkDraft};
use crate::routing::{PlanItem, PlanKey};
use crate::store::PlanSort;
use clap::{Args, Subcommand};

/// What can be done with any of them.
#[derive(Debug, Subcommand)]
pub(super) enum Verb<S: Args> {
    // its help is that of what it takes
    Set(S),
    /// Remove one that nothing else names
    Rm {
        /// Its id
        id: String,
    },
    /// Show one
    Show {
        /// Its id
        id: String,
    },
    /// List all
    Ls,
}

/// Add or replace a ring group
#[derive(Debug, Clone, Args)]
pub(super) struct GroupArgs {
    /// Its id, such as family
    id: String,
    /// The strategy: ringall, hunt, memoryhunt, random, weighted, rrmemory or leastrecent
    #[arg(long, value_name = "S", default_value = "ringall")]
    strategy: String,
    /// Ring so many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u16>,
    /// The name, for people
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A member, such as extension=101,name=Kitchen or number=+14155550111,name=Mom,delay=5,timeout=20,confirm; may stand several times
    #[arg(long = "member", required = true, value_name = "KEY=VALUE,…")]
    members: Vec<String>,
}

/// Change what is named of an extension and keep the rest
#[derive(Debug, Clone, Args)]
pub(super) struct ExtensionArgs {
    /// The extension, such as 101
    extension: String,
    /// The name of its user
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Do not disturb
    #[arg(long, value_parser = ["on", "off"], value_name = "on|off")]
    dnd: Option<String>,
    /// Send all calls there; off takes it back
    #[arg(long, value_name = "N|off")]
    forward_always: Option<String>,
    /// Send calls there that find it busy
    #[arg(long, value_name = "N|off")]
    forward_busy: Option<String>,
    /// Send calls there that nobody answers
    #[arg(long, value_name = "N|off")]
    forward_no_answer: Option<String>,
    /// Send calls there while the telephone can't be reached
    #[arg(long, value_name = "N|off")]
    forward_unavailable: Option<String>,
    /// The mailbox of calls that nobody takes
    #[arg(long, value_name = "BOX|off")]
    mailbox: Option<String>,
    /// Ring so many seconds
    #[arg(long, value_name = "N|off")]
    ring_seconds: Option<String>,
    /// Be busy beyond so many calls at once
    #[arg(long, value_name = "N|off")]
    calls_max: Option<String>,
    /// What it may call: internal, national, mobile, international, …; off for what the tenant allows
    #[arg(long, value_name = "CLASS,…|off")]
    permissions: Option<String>,
    /// Show this number on calls out
    #[arg(long, value_name = "N|off")]
    caller_id: Option<String>,
    /// Show this number to emergency services, which call back there
    #[arg(long, value_name = "N|off")]
    emergency_caller_id: Option<String>,
    /// Write callers' names in ASCII for it
    #[arg(long, value_parser = ["on", "off"], value_name = "on|off")]
    ascii: Option<String>,
}

/// Add or replace a trunk
#[derive(Debug, Clone, Args)]
pub(super) struct TrunkArgs {
    /// Its name in the switch
    id: String,
    /// Write numbers like this: plus (+4930…), e164 (4930…), national (030…) or dialled
    #[arg(long, value_name = "F")]
    format: Option<String>,
    /// Put these digits in front of the number
    #[arg(long, value_name = "DIGITS")]
    tech_prefix: Option<String>,
    /// Show this number on all its calls
    #[arg(long, value_name = "N")]
    caller_id: Option<String>,
    /// Write the caller's number like this
    #[arg(long, value_name = "F")]
    caller_id_format: Option<String>,
    /// Send emergency calls here first
    #[arg(long)]
    emergency: bool,
    /// What a minute costs, such as +49=0.01 or +=0.05,priority=2,weight=10,schedule=night; may stand several times
    #[arg(long = "rate", value_name = "PREFIX=PRICE,…")]
    rates: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum LimitVerb {
    /// Add or replace a limit
    Set {
        #[command(flatten)]
        which: LimitWhich,
        /// So many calls in an hour
        #[arg(long, value_name = "N")]
        per_hour: Option<u32>,
        /// So many calls at once, which takes the switch's events to know
        #[arg(long, value_name = "N")]
        concurrent: Option<u32>,
    },
    /// Remove a limit
    Rm {
        #[command(flatten)]
        which: LimitWhich,
    },
    /// Show a limit
    Show {
        #[command(flatten)]
        which: LimitWhich,
    },
    /// List all limits
    Ls,
}

#[derive(Debug, Args)]
pub(super) struct LimitWhich {
    /// The class of numbers called: international, premium, mobile, …
    class: String,
    /// Count the calls of the whole tenant together, and not each extension's
    #[arg(long)]
    tenant_wide: bool,
}

impl LimitWhich {
    fn said(&self) -> String {
        format!("limit on {} {}", self.class, if self.tenant_wide { "of the tenant" } else { "of each extension" })
    }
}

pub(super) fn bad(text: impl ToString) -> Failure {
    Failure::new(Exit::BadInput, text.to_string())
}

pub(super) fn group(global: &Global, verb: Verb<GroupArgs>) -> Result<Exit, Failure> {
    let set = |args: GroupArgs, _: &mut Backend| {
        let members: Result<Vec<MemberDraft>, Failure> = args.members.iter().map(|text| member(text)).collect();
        let (id, strategy) = (args.id, Some(args.strategy));
        let group = GroupDraft { id, name: args.name, strategy, timeout_seconds: args.timeout, members: members? };
        Ok((None, ItemDraft::Group(group)))
    };
    thing(global, verb, "group", PlanSort::Group, ItemWhich::Group, |args| &args.id, set)
}

/// `extension=101,name=Kitchen,confirm` as a member's draft.
fn member(text: &str) -> Result<MemberDraft, Failure> {
    let mut draft = MemberDraft::default();
    let mut numbers = 0;
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, value) = part.split_once('=').map_or((part, ""), |(k, v)| (k.trim(), v.trim()));
        let seconds = || value.parse::<u16>().map_err(|_| bad(format!("{key}={value:?} of the member {text:?} is no number")));
        let target = Some(value.to_owned());
        match key {
            "extension" => draft.extension = target,
            "number" => draft.number = target,
            "group" => draft.group = target,
            "name" => draft.name = target,
            "trunk" => draft.trunk = target,
            "delay" => draft.delay_seconds = Some(seconds()?),
            "timeout" => draft.timeout_seconds = Some(seconds()?),
            "weight" => draft.weight = Some(seconds()?),
            "confirm" => draft.confirm = !matches!(value, "no" | "false"),
            other => {
                let keys = ["extension", "number", "group", "name", "delay", "timeout", "weight", "confirm", "trunk"];
                let hint = crate::nearest::did_you_mean(other, keys);
                return Err(bad(format!("the member {text:?} has {other:?}{hint}; the keys are {}", keys.join(", "))));
            }
        }
        numbers += u32::from(matches!(key, "extension" | "number" | "group"));
    }
    match numbers {
        0 => Err(bad(format!("the member {text:?} has no number; give it extension=, number= or group="))),
        1 => Ok(draft),
        _ => Err(bad(format!("the member {text:?} has more than one of extension=, number= and group="))),
    }
}

pub(super) fn trunk(global: &Global, verb: Verb<TrunkArgs>) -> Result<Exit, Failure> {
    let set = |args: TrunkArgs, _: &mut Backend| {
        let trunk = TrunkDraft {
            id: args.id,
            format: args.format,
            tech_prefix: args.tech_prefix,
            caller_id: args.caller_id,
            caller_id_format: args.caller_id_format,
            emergency: args.emergency,
            rates: args.rates,
        };
        Ok((None, ItemDraft::Trunk(trunk)))
    };
    thing(global, verb, "trunk", PlanSort::Trunk, ItemWhich::Trunk, |args| &args.id, set)
}

pub(super) fn extension(global: &Global, verb: Verb<ExtensionArgs>) -> Result<Exit, Failure> {
    let set = |args, backend: &mut Backend| patched(global, args, backend);
    thing(global, verb, "extension", PlanSort::Extension, ItemWhich::Extension, |args| &args.extension, set)
}

/// What is set of an extension, with what the arguments change, and the revision that was read.
fn patched(global: &Global, args: ExtensionArgs, backend: &mut Backend) -> Result<(Option<u64>, ItemDraft), Failure> {
    let known = known(backend, global, ItemWhich::Extension(args.extension.clone()))?;
    let over = known.as_ref().and_then(PlanItem::revision).unwrap_or(0);
    let mut draft = match known.as_ref().map(ItemDraft::of) {
        Some(ItemDraft::Extension(draft)) => draft,
        _ => ExtensionDraft { extension: args.extension, ..ExtensionDraft::default() },
    };
    let put = |place: &mut Option<String>, said: Option<String>| {
        if let Some(said) = said {
            *place = Some(said).filter(|text| text != "off");
        }
    };
    put(&mut draft.name, args.name);
    put(&mut draft.forward_always, args.forward_always);
    put(&mut draft.forward_busy, args.forward_busy);
    put(&mut draft.forward_no_answer, args.forward_no_answer);
    put(&mut draft.forward_unavailable, args.forward_unavailable);
    put(&mut draft.mailbox, args.mailbox);
    put(&mut draft.caller_id, args.caller_id);
    put(&mut draft.emergency_caller_id, args.emergency_caller_id);
    if let Some(dnd) = args.dnd {
        draft.dnd = dnd == "on";
    }
    if let Some(ascii) = args.ascii {
        draft.ascii = ascii == "on";
    }
    let whole = |name: &str, text: &str| bad(format!("--{name} {text:?} is no number; write one, or off"));
    match args.ring_seconds.as_deref() {
        None => {}
        Some("off") => draft.ring_seconds = None,
        Some(text) => draft.ring_seconds = Some(text.parse().map_err(|_| whole("ring-seconds", text))?),
    }
    match args.calls_max.as_deref() {
        None => {}
        Some("off") => draft.calls_max = None,
        Some(text) => draft.calls_max = Some(text.parse().map_err(|_| whole("calls-max", text))?),
    }
    match args.permissions.as_deref() {
        None => {}
        Some("off") => draft.permissions = None,
        Some(text) => draft.permissions = Some(text.split(',').map(|word| word.trim().to_owned()).filter(|w| !w.is_empty()).collect()),
    }
    Ok((Some(over), ItemDraft::Extension(draft)))
}

pub(super) fn limit(global: &Global, verb: LimitVerb) -> Result<Exit, Failure> {
    let draft = |which: LimitWhich, per_hour, concurrent| LimitDraft {
        class: which.class,
        scope: which.tenant_wide.then(|| "tenant".to_owned()),
        per_hour,
        concurrent,
    };
    // which one it is takes no figures, and a limit without any can't be read
    let named = |which: LimitWhich| ItemWhich::Limit(draft(which, Some(1), None));
    let tenant = global.tenant.clone();
    match verb {
        LimitVerb::Set { which, per_hour, concurrent } => {
            let what = which.said();
            edit(global, &what, Request::ItemSet { tenant, item: ItemDraft::Limit(draft(which, per_hour, concurrent)) })
        }
        LimitVerb::Rm { which } => {
            let what = which.said();
            edit(global, &what, Request::ItemRm { tenant, which: named(which) })
        }
        LimitVerb::Show { which } => show(global, named(which)),
        LimitVerb::Ls => ls(global, PlanSort::Limit),
    }
}

/// The verbs that are the same for every sort of thing with an id.
fn thing<S: Args + Clone>(
    global: &Global,
    verb: Verb<S>,
    word: &str,
    sort: PlanSort,
    which: fn(String) -> ItemWhich,
    id_of: fn(&S) -> &str,
    draft: impl Fn(S, &mut Backend) -> Result<(Option<u64>, ItemDraft), Failure>,
) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    match verb {
        Verb::Set(args) => edit_over(global, &format!("{word} {}", id_of(&args)), |backend| {
            let (over, item) = draft(args.clone(), backend)?;
            Ok((over, Request::ItemSet { tenant: tenant.clone(), item }))
        }),
        Verb::Rm { id } => edit(global, &format!("{word} {id}"), Request::ItemRm { tenant, which: which(id) }),
        Verb::Show { id } => show(global, which(id)),
        Verb::Ls => ls(global, sort),
    }
}

pub(super) fn one(backend: &mut Backend, global: &Global, which: ItemWhich) -> Result<PlanItem, Failure> {
    match backend.ask(Request::ItemShow { tenant: global.tenant.clone(), which })? {
        Reply::PlanItems { items, .. } => items.into_iter().next().ok_or_else(unexpected),
        _ => Err(unexpected()),
    }
}

/// The same, where it may not be there.
pub(super) fn known(backend: &mut Backend, global: &Global, which: ItemWhich) -> Result<Option<PlanItem>, Failure> {
    match one(backend, global, which) {
        Ok(item) => Ok(Some(item)),
        Err(failure) if failure.exit == Exit::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn show(global: &Global, which: ItemWhich) -> Result<Exit, Failure> {
    let item = one(&mut Backend::look(global)?, global, which)?;
    said(global, &view(&item));
    Ok(Exit::Done)
}

pub(super) fn ls(global: &Global, sort: PlanSort) -> Result<Exit, Failure> {
    let mut backend = Backend::look(global)?;
    let items = all_of(&mut backend, &global.tenant, sort)?;
    if global.json {
        print::json(&items.iter().map(view).collect::<Vec<_>>());
    } else {
        print::out(&print::columns(&items.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(Exit::Done)
}

/// Every thing of a sort.
pub(super) fn all_of(backend: &mut Backend, tenant: &str, sort: PlanSort) -> Result<Vec<PlanItem>, Failure> {
    let (mut all, mut after): (Vec<PlanItem>, Option<PlanKey>) = (Vec::new(), None);
    loop {
        let request = Request::PlanPage { tenant: tenant.to_owned(), sort, after };
        let Reply::PlanItems { items, next, .. } = backend.ask(request)? else { return Err(unexpected()) };
        all.extend(items);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}
