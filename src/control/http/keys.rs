//! Whose token it is, and what it may do.
//!
//! Tokens are read from the store again when something in it has changed, so that one that was removed is refused from
//! the next request on. There is no limit on wrong tokens: nobody guesses 256 bits.

use super::Reply;
use super::reply::problem;
use crate::access::{Scope, Token, TokenDigest};
use crate::store::{Store, StoreError};
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use data_encoding::BASE64;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens of one tenant that are looked at; the desk lets no tenant have more.
const TOKENS_MAX: usize = 256;
/// What a browser names its token by, among the protocols of a WebSocket: it can't set a header there.
const PROTOCOL_PREFIX: &str = "bearer.";

/// A tenant's token.
type Key = (String, Token);

/// What was asked for, and may be had.
#[derive(Clone)]
pub(super) struct Grant {
    /// Whose token it is.
    pub(super) tenant: String,
    /// What it is called, for the change log.
    pub(super) name: String,
    digest: TokenDigest,
    scopes: Vec<Scope>,
}

/// All tokens.
pub(super) struct Keys {
    store: Store,
    tenants: Vec<String>,
    /// As of a revision of the store. Held for a moment, by threads of the admin plane only.
    known: Mutex<Option<(u64, Arc<Vec<Key>>)>>,
}

impl Keys {
    pub(super) fn new(store: Store, tenants: Vec<String>) -> Keys {
        Keys { store, tenants, known: Mutex::new(None) }
    }

    async fn all(&self) -> Result<Arc<Vec<Key>>, StoreError> {
        let revision = self.store.revision();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, keys)) = known.filter(|(known, _)| *known == revision) {
            return Ok(keys);
        }
        let (store, tenants) = (self.store.clone(), self.tenants.clone());
        let read = move || -> Result<Vec<Key>, StoreError> {
            let mut keys = Vec::new();
            for tenant in tenants {
                keys.extend(store.tokens(&tenant, TOKENS_MAX)?.into_iter().map(|token| (tenant.clone(), token)));
            }
            Ok(keys)
        };
        // the disk is waited for on a thread that may wait
        let keys = tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)??;
        let keys = Arc::new(keys);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, keys.clone()));
        Ok(keys)
    }

    async fn find(&self, digest: TokenDigest) -> Result<Option<Key>, StoreError> {
        let now_us = self.store.now_us();
        let is_it = |(_, token): &&Key| token.digest == digest && !token.has_expired(now_us);
        Ok(self.all().await?.iter().find(is_it).cloned())
    }

    /// What a request may have, or the reply that says why it may not.
    pub(super) async fn admit(&self, headers: &HeaderMap, scopes: &[Scope]) -> Result<Grant, Reply> {
        self.admit_token(presented(headers), scopes).await
    }

    /// The same for a telephone, which may show its token as the password of any user: telephones can't send another
    /// header. It is told so, because it shows nothing before it is asked.
    pub(super) async fn admit_telephone(&self, headers: &HeaderMap, scopes: &[Scope]) -> Result<Grant, Reply> {
        let password = password(headers);
        let admitted = self.admit_token(password.as_deref().or_else(|| presented(headers)), scopes).await;
        admitted.map_err(|mut refused| {
            if refused.status() == StatusCode::UNAUTHORIZED {
                refused.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"strowger\""));
            }
            refused
        })
    }

    async fn admit_token(&self, presented: Option<&str>, scopes: &[Scope]) -> Result<Grant, Reply> {
        let Some(presented) = presented else {
            let why = "show a token: Authorization: Bearer swt_… (strowger token add makes one)";
            return Err(refused(StatusCode::UNAUTHORIZED, why, "Bearer realm=\"strowger\""));
        };
        let digest = TokenDigest::of(presented);
        let key = self.find(digest).await.map_err(|error| {
            tracing::error!(%error, "tokens could not be read; a request was refused");
            problem(StatusCode::SERVICE_UNAVAILABLE, "the store can't be read")
        })?;
        let Some((tenant, token)) = key else {
            let why = "the token isn't known, or its time is over";
            return Err(refused(StatusCode::UNAUTHORIZED, why, "Bearer realm=\"strowger\", error=\"invalid_token\""));
        };
        if let Some(missing) = scopes.iter().find(|scope| !token.may(**scope)) {
            let word = missing.word();
            let challenge = format!("Bearer realm=\"strowger\", error=\"insufficient_scope\", scope=\"{word}\"");
            return Err(refused(StatusCode::FORBIDDEN, &format!("the token has no scope {word}"), &challenge));
        }
        Ok(Grant { tenant, name: token.name, digest, scopes: scopes.to_vec() })
    }

    /// Whether what was granted still is. A store that can't be read takes nothing away.
    pub(super) async fn is_still_good(&self, grant: &Grant) -> bool {
        match self.find(grant.digest).await {
            Ok(key) => key.is_some_and(|(tenant, token)| tenant == grant.tenant && grant.scopes.iter().all(|scope| token.may(*scope))),
            Err(_) => true,
        }
    }
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then_some(token.trim());
    }
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
    protocols.flat_map(|value| value.split(',')).find_map(|word| word.trim().strip_prefix(PROTOCOL_PREFIX))
}

/// The password of `Authorization: Basic …`. The user's name is nobody's.
fn password(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(encoded.trim().as_bytes()).ok()).flatten()?;
    let pair = String::from_utf8(decoded).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

fn refused(status: StatusCode, why: &str, challenge: &str) -> Reply {
    let mut reply = problem(status, why);
    if let Ok(challenge) = HeaderValue::from_str(challenge) {
        reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    reply
}
