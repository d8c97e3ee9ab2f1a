//! Tokens for programs that ask over HTTP. What comes here is a digest: only who asked for a token has it.

use super::desk::{Desk, Refusal, bad};
use super::request::{Reply, TokenDraft};
use super::views::TokenView;
use crate::access::{AccessError, Scope, Token, check_token_name};
use crate::store::Edit;

/// Tokens of one tenant, at most: each look-up compares with all of them.
const TOKENS_MAX: usize = 256;
/// The longest time that a token can be made for, in seconds: ten years. One without an end has none.
const LIFE_SECONDS_MAX: u64 = 3660 * 24 * 3600;

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Refusal {
        Refusal::BadInput(error.to_string())
    }
}

impl Desk {
    pub(super) fn token_add(&self, tenant: &str, draft: TokenDraft) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let scopes = Scope::parse_list(&draft.scopes)?.into_iter().map(|scope| scope.word().to_owned()).collect();
        if draft.expires_seconds.is_some_and(|s| s == 0 || s > LIFE_SECONDS_MAX) {
            return bad("a token can be made for one second to ten years; leave --expires out for one without an end");
        }
        let created_us = self.store.now_us();
        let expires_us = draft.expires_seconds.map(|seconds| created_us + seconds * 1_000_000);
        let token = Token { name: draft.name, scopes, created_us, expires_us, digest: draft.digest }.check()?;
        let there = self.store.tokens(tenant, TOKENS_MAX)?;
        if there.iter().any(|t| t.name == token.name) {
            return bad(format!("there is a token {:?} already; remove it first, or choose another name", token.name));
        }
        if there.len() == TOKENS_MAX {
            return bad(format!("the tenant has {TOKENS_MAX} tokens, the most that there can be; remove one first"));
        }
        self.edit(tenant, Edit::PutToken(token))
    }

    pub(super) fn token_rm(&self, tenant: &str, name: &str) -> Result<Reply, Refusal> {
        check_token_name(name)?;
        self.remove(tenant, Edit::RemoveToken(name.to_owned()), format!("there is no token {name:?}"))
    }

    pub(super) fn token_ls(&self, tenant: &str) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let now_us = self.store.now_us();
        let tokens = self.store.tokens(tenant, TOKENS_MAX)?;
        Ok(Reply::Tokens { tokens: tokens.into_iter().map(|token| TokenView::of(token, now_us)).collect() })
    }
}
