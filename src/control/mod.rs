//! The admin plane: what administrators ask and are told.
//!
//! One [`Desk::apply`] serves the command line, the admin socket and whatever comes later: a [`Request`] in, a
//! [`Reply`] out. Where no server runs, the command line opens the store itself and asks the same desk.

mod calls;
mod client;
mod desk;
mod explain;
mod features;
mod feed;
mod http;
mod import;
mod items;
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

pub use calls::{JournalQuery, journalled, journalled_call};
pub use client::{Client, ClientError};
pub use desk::{Desk, PlaneStatusSource};
pub use features::ExtensionPatch;
pub use feed::FeedQuery;
pub use http::FeedLimits;
pub use observed::{EventStatus, Observed, SourceView};
pub use overrides::OverrideDraft;
pub use request::{ExplainAsk, ItemWhich, ListKey, Reply, Request, RouteWhich, TokenDraft, UserWhich};
pub use sample::sample_requests;
pub use search::Searches;
pub use server::{AdminServer, BindError};
pub use views::{
    ContactView, DecisionView, ImportView, NumberSeen, PlaneStatus, RouteView, RowError, ScreenView, StatusView, TokenView, UserView,
};

/// The largest frame on the admin socket, in bytes; an import comes in many.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
