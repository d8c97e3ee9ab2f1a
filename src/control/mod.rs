//! The admin plane: what administrators ask and are told.
//!
//! One [`Desk::apply`] serves the command line, the admin socket and whatever comes later: a [`Request`] in, a
//! [`Reply`] out. Where no server runs, the command line opens the store itself and asks the same desk.

mod batch;
mod calls;
mod client;
mod desk;
mod door;
mod explain;
mod export;
mod features;
mod feed;
mod hand_over;
mod history;
mod http;
mod import;
mod import_ids;
mod import_views;
mod items;
mod keeping;
mod observed;
mod overrides;
mod plan;
mod request;
mod sample;
mod screening;
mod search;
mod server;
mod tokens;
mod users;
mod views;

pub use batch::{BatchError, BatchView};
pub use calls::{JournalQuery, journalled, journalled_call};
pub use client::{Client, ClientError};
pub use desk::{Desk, PlaneStatusSource};
pub use door::{AdminDoor, BindError};
pub use export::{ExportPage, ExportQuery, Whose};
pub use features::ExtensionPatch;
pub use feed::FeedQuery;
pub use hand_over::{HandOver, NotHandedOver, Successor};
pub use history::{ChangeView, FieldView, HistoryPage, HistoryQuery, ThingView, UndoWhich};
pub use http::FeedLimits;
pub use import_ids::{SOURCE_BYTES_MAX, is_label};
pub use import_views::{DifferenceView, DuplicateView, FieldDifference, ImportAsk, ImportDifferences, ImportPart, ImportView, RowError};
pub use observed::{EventStatus, Observed, SourceView};
pub use overrides::OverrideDraft;
pub use request::{ExplainAsk, ItemWhich, ListKey, Reply, Request, RouteWhich, TokenDraft, UserWhich};
pub use sample::sample_requests;
pub use search::Searches;
pub use server::AdminServer;
pub use views::{
    AnswerSeriesView, ContactView, DecisionView, NumberSeen, NumberView, PlaneStatus, RouteView, ScreenView, SpansView, StatusView,
    TokenView, UserView,
};

/// The largest frame on the admin socket, in bytes; an import comes in many.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
