//! What can be asked of the admin plane. JSON on the wire, so that an older command line can talk to a newer server.

use super::batch::{BatchError, BatchView};
use super::calls::JournalQuery;
use super::export::{ExportPage, ExportQuery};
use super::feed::FeedQuery;
use super::hand_over::{NotHandedOver, Successor};
use super::history::{HistoryPage, HistoryQuery, UndoWhich};
use super::import_views::{ImportAsk, ImportPart, ImportView};
use super::views::{ContactView, DecisionView, RouteView, ScreenView, StatusView, TokenView, UserView};
use crate::access::TokenDigest;
use crate::directory::{Contact, ContactDraft};
use crate::plan::{ItemDraft, LimitDraft};
use crate::routing::{List, PlanItem, PlanKey, Switch, User};
use crate::store::{Checked, Compacted, PlanSort};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which route, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteWhich {
    /// One number.
    Number(String),
    /// All that begin like this.
    Prefix(String),
    /// The tenant's default.
    Default,
}

/// Which callers, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKey {
    /// One number.
    Number(String),
    /// All that begin like this.
    Prefix(String),
    /// Those who withhold their number.
    Anonymous,
    /// Numbers of a country, by its ISO 3166 code.
    Country(String),
    /// Numbers of a class.
    Class(String),
    /// Numbers that the network says this of.
    Verification(String),
    /// Those who call more often than this: `10/60`. How often doesn't matter where the entry is only named.
    Rate(String),
}

/// Which user, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserWhich {
    /// The realm.
    pub domain: String,
    /// The name he registers with.
    pub extension: String,
}

/// A token that is to be made: who made it up keeps it, and sends what it is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenDraft {
    /// Its name.
    pub name: String,
    /// A comma list of scopes.
    pub scopes: String,
    /// How long it is good for, in seconds; for ever if nobody says.
    pub expires_seconds: Option<u64>,
    /// Its digest.
    pub digest: TokenDigest,
}

/// Which thing of a plan, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemWhich {
    /// A ring group.
    Group(String),
    /// Opening hours.
    Schedule(String),
    /// An extension's settings.
    Extension(String),
    /// A trunk.
    Trunk(String),
    /// A brake, by its class and scope.
    Limit(LimitDraft),
    /// A route.
    Route(RouteWhich),
    /// An entry of a list.
    Screen(List, ListKey),
    /// A SIP account.
    User(UserWhich),
}

/// A question that is to be explained, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainAsk {
    /// `route`, `name`, `outbound`, `ping`.
    pub request: String,
    /// The number called.
    pub to: String,
    /// The number that calls.
    pub from: String,
    /// Whether that is withheld.
    pub withheld: bool,
    /// What the network says of the caller's number.
    #[serde(default)]
    pub verstat: String,
    /// The name that the switch has for the caller.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The extension whose personal phone book is asked, where that isn't the one that is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// `yes` for a name in ASCII.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ascii: String,
    /// The moment that it is decided for, in microseconds since 1970; now, if nobody says.
    #[serde(default)]
    pub at_us: Option<u64>,
}

/// A request. Every one that edits is acknowledged only when the edit is on the disk and calls see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// How the server is doing.
    Status,
    /// What is logged: shown, reset to what is configured, and set (`call=debug`), in this order.
    Log {
        #[serde(default)]
        reset: bool,
        #[serde(default)]
        set: Vec<String>,
    },
    /// Lets a program take over from the server; the server's own, as it is on the disk now, if none is named.
    Upgrade {
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// Adds or replaces a contact.
    ContactSet { tenant: String, contact: ContactDraft },
    /// Removes a contact.
    ContactRm { tenant: String, id: String },
    /// Shows a contact.
    ContactShow { tenant: String, id: String },
    /// Lists contacts in the order of their ids, from an id on.
    ContactLs { tenant: String, from_id: String, limit: usize },
    /// Finds contacts by any part of what is known of them, the best first: an extension's own and the shared ones.
    ContactSearch {
        tenant: String,
        text: String,
        limit: usize,
        /// The extension whose personal contacts are found, too.
        #[serde(default)]
        owner: Option<String>,
    },
    /// Adds or replaces a route.
    RouteSet { tenant: String, which: RouteWhich, steps: Vec<String>, fallback: Option<String> },
    /// Removes a route.
    RouteRm { tenant: String, which: RouteWhich },
    /// Shows a route.
    RouteShow { tenant: String, which: RouteWhich },
    /// Lists routes, those after one of them.
    RouteLs { tenant: String, after: Option<RouteWhich> },
    /// Adds or replaces an entry of a list.
    ScreenSet { tenant: String, list: List, key: ListKey, action: Option<String> },
    /// Removes an entry of a list.
    ScreenRm { tenant: String, list: List, key: ListKey },
    /// Shows an entry of a list.
    ScreenShow { tenant: String, list: List, key: ListKey },
    /// Lists entries of a list, those after one of them.
    ScreenLs { tenant: String, list: List, after: Option<ListKey> },
    /// Adds or replaces a user. It holds the hash and never the password: who typed that has hashed it.
    UserSet { tenant: String, user: User },
    /// Removes a user.
    UserRm { tenant: String, which: UserWhich },
    /// Shows a user.
    UserShow { tenant: String, which: UserWhich },
    /// Lists users of one domain or of all, those after one of them.
    UserLs { tenant: String, domain: Option<String>, after: Option<UserWhich> },
    /// Adds or replaces a thing of the plan.
    ItemSet { tenant: String, item: ItemDraft },
    /// Removes one that no other names.
    ItemRm { tenant: String, which: ItemWhich },
    /// Shows one.
    ItemShow { tenant: String, which: ItemWhich },
    /// Lists things of one sort (of the lists, one alone), those after one of them.
    ItemLs { tenant: String, sort: PlanSort, list: Option<List>, after: Option<ItemWhich>, limit: usize },
    /// Changes many contacts at once, all of it or nothing.
    ContactBatch { tenant: String, put: Vec<ContactDraft>, delete: Vec<String> },
    /// An edit of one thing, made only while that has this revision, as it was shown; 0 if it must not be there. Who else
    /// edits it meanwhile isn't overwritten.
    Over { revision: u64, edit: Box<Request> },
    /// The state that a schedule has now, and why.
    ScheduleState { tenant: String, id: String },
    /// Sets a schedule by hand, or (without a state) lets it go by the clock again.
    ScheduleOverride { tenant: String, id: String, state: Option<String>, until: Option<String> },
    /// Makes a token.
    TokenAdd { tenant: String, token: TokenDraft },
    /// Removes a token; whoever follows the feed with it is let go.
    TokenRm { tenant: String, name: String },
    /// Lists tokens.
    TokenLs { tenant: String },
    /// Follows the feed: from a place on, or with the state first. The same question on the same connection without a
    /// place goes on where the last one ended. Waits so long for something new, and comes back without it otherwise.
    Events { tenant: String, query: FeedQuery, since: Option<String>, wait_ms: u64 },
    /// Who has a number.
    Name {
        tenant: String,
        number: String,
        /// The extension whose personal phone book is asked, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// What would be answered, and why.
    Explain {
        tenant: String,
        #[serde(flatten)]
        ask: ExplainAsk,
        #[serde(default)]
        switch: Switch,
    },
    /// A page of the calls that live, the oldest first.
    LiveCalls {
        tenant: String,
        /// Those behind this place: when a call began, and its id.
        #[serde(default)]
        after: Option<(u64, String)>,
    },
    /// A page of finished calls.
    Journal(JournalQuery),
    /// One finished call, whole.
    JournalCall { tenant: String, id: String },
    /// A page of an export.
    ContactExport(ExportQuery),
    /// Begins an import; what follows on this connection belongs to it.
    ImportBegin {
        tenant: String,
        #[serde(flatten)]
        ask: ImportAsk,
    },
    /// Rows of the import.
    ImportRows(ImportPart),
    /// Says what the import would do, so many differences of each sort in full, and drops it.
    ImportPreview { shown_max: usize },
    /// Puts together some more of the import, for some tenths of a second; nobody sees it.
    ImportStage,
    /// Makes the import true.
    ImportCommit,
    /// A page of one sort of a tenant's plan, whole as of one revision: pages with the same revision are of the same plan.
    PlanPage { tenant: String, sort: PlanSort, after: Option<PlanKey> },
    /// The same of the contacts that no import brought.
    PlanContacts { tenant: String, after: Option<String> },
    /// Begins a change of a plan, computed over a revision; what follows on this connection belongs to it.
    PlanBegin { tenant: String, over: u64 },
    /// A part of it. Of two puts of the same thing the later one counts, and of a put and a removal the put.
    PlanPart {
        puts: Vec<PlanItem>,
        removes: Vec<PlanKey>,
        #[serde(default)]
        contacts: Vec<ContactDraft>,
        #[serde(default)]
        contacts_removed: Vec<String>,
    },
    /// Makes all of it true, or nothing of it.
    PlanCommit,
    /// A page of what was changed, the newest first.
    History(HistoryQuery),
    /// Undoes a change.
    Undo(UndoWhich),
    /// Begins a backup of the whole store; what follows on this connection belongs to it.
    BackupBegin,
    /// The next part of it.
    BackupNext,
    /// Reads the whole store and says what is wrong with it.
    StoreCheck,
    /// Writes the store anew, so that it takes less room and opens sooner.
    StoreCompact,
}

/// A reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", content = "is", rename_all = "kebab-case")]
pub enum Reply {
    /// The server's state.
    Status(Box<StatusView>),
    /// Each plane of the server, and the level that is logged.
    Log {
        /// (`call`, `debug`).
        levels: Vec<(String, String)>,
    },
    /// Another process has taken over.
    Upgraded(Successor),
    /// None has, and the server goes on as before.
    NotUpgraded(NotHandedOver),
    /// Nothing was done, because another process is just taking over: it takes the request in a moment.
    TryAgain(String),
    /// An edit was made (or was not necessary).
    Done {
        /// The store's revision.
        revision: u64,
        /// Whether the thing was there before.
        existed: bool,
        /// Whether anything is different now.
        changed: bool,
        /// What whoever made the edit should know.
        #[serde(default)]
        notes: Vec<String>,
    },
    /// Contacts, and the id to go on from.
    Contacts {
        /// In the order of their ids; those that a search found, the best first.
        contacts: Vec<ContactView>,
        /// The next page's `from_id`.
        next_id: Option<String>,
        /// What whoever asked should know: that a search ran out of time, say.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// Routes, and the one to go on after.
    Routes {
        /// In the order of their keys.
        routes: Vec<RouteView>,
        /// The next page's `after`.
        next: Option<RouteWhich>,
    },
    /// Entries of a list, and the one to go on after.
    Screens {
        /// In the order of their keys.
        screens: Vec<ScreenView>,
        /// The next page's `after`.
        next: Option<ListKey>,
    },
    /// Users, and the one to go on after.
    Users {
        /// In the order of domain and extension.
        users: Vec<UserView>,
        /// The next page's `after`.
        next: Option<UserWhich>,
    },
    /// Tokens, by name.
    Tokens {
        /// All of the tenant's.
        tokens: Vec<TokenView>,
    },
    /// A schedule's state.
    ScheduleState {
        /// `open`, `closed`, ….
        state: String,
        /// Which of its rules says so.
        why: String,
        /// The zone that it goes by.
        zone: String,
        /// The next state, and when, if it changes.
        next: Option<String>,
    },
    /// What is new in the feed.
    Events {
        /// Events, gaps and the state (`snapshot`), in order.
        events: Vec<serde_json::Value>,
        /// The place behind them; none in the middle of a state that is told in parts.
        next: Option<String>,
    },
    /// Who has a number.
    Name {
        /// The number as it is stored.
        number: String,
        /// The contacts who have it, the one that names callers first.
        contacts: Vec<ContactView>,
    },
    /// A decision and its trace.
    Explained(Box<DecisionView>),
    /// Calls, as the feed writes them, and the place to go on behind.
    Calls {
        /// In the order that was asked for.
        calls: Vec<serde_json::Value>,
        /// The next page's `after`.
        next: Option<(u64, String)>,
        /// Records that were passed over because they can't be read.
        #[serde(default)]
        unreadable: usize,
    },
    /// A page of an export.
    ExportPage(ExportPage),
    /// How an import stands.
    Import(ImportView),
    /// Things of a plan, and the one to go on after.
    PlanItems {
        /// In the order of their keys.
        items: Vec<PlanItem>,
        /// The next page's `after`.
        next: Option<PlanKey>,
        /// The plan was not edited between this revision and the reading of the page.
        revision: u64,
        /// The revision that made each of them what it is.
        #[serde(default)]
        revisions: Vec<u64>,
    },
    /// Contacts that no import brought, and the one to go on after.
    PlanContacts {
        /// In the order of their ids.
        contacts: Vec<Contact>,
        /// The next page's `after`.
        next: Option<String>,
        /// As with things of the plan.
        revision: u64,
    },
    /// A change of a plan on its way.
    Plan {
        /// How many edits it has so far.
        edits: u64,
    },
    /// Nothing was done: the plan was edited since the change was computed. Read it anew.
    PlanStale {
        /// The revision that it was computed over.
        over: u64,
        /// The store's.
        revision: u64,
    },
    /// What was changed, the newest first.
    History(HistoryPage),
    /// A part of a backup.
    Backup {
        /// Its bytes.
        base64: String,
        /// Whether it was the last.
        is_end: bool,
    },
    /// What a check of the store found.
    StoreChecked(Box<Checked>),
    /// What a compaction did.
    StoreCompacted(Compacted),
    /// Nothing was done: the thing has another revision than the edit was made over. Read it anew.
    Stale {
        /// Its revision now; 0 where it isn't there.
        revision: u64,
    },
    /// What a batch of contacts did.
    Batch(BatchView),
    /// A batch did nothing, because of these.
    BatchWrong {
        /// What is wrong, in the order of the batch; not more than a hundred.
        errors: Vec<BatchError>,
        /// How many there are in all.
        wrong: usize,
    },
    /// Nothing of that name.
    NotFound(String),
    /// The request can't be carried out as it is; the text says why and what to do.
    BadInput(String),
    /// The store can't be used.
    Store(String),
}
