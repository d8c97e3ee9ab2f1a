//! `token`: what programs ask over HTTP with.
//!
//! A token is made up in this process and printed once; the admin socket and the server have its digest only.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::edit::edit;
use super::exit::{Exit, Failure};
use super::print;
use crate::access::Secret;
use crate::control::{Reply, Request, TokenDraft, TokenView};
use crate::span::span_seconds;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum TokenVerb {
    /// Make a token and print it, this once
    Add(TokenAddArgs),
    /// Remove a token; whoever follows the feed with it is let go
    Rm {
        /// Its name
        name: String,
    },
    /// List tokens and what they may do, without showing them
    Ls,
}

#[derive(Debug, Args)]
pub(super) struct TokenAddArgs {
    /// What to call it, such as the program that will have it
    name: String,
    /// What it may do: events:read, events:raw, calls:read, metrics:read, features:write, contacts:read, contacts:write, plan:read, plan:write; a comma list
    #[arg(long = "scope", required = true, value_name = "SCOPE,…")]
    scopes: Vec<String>,
    /// Take it no longer after this time: 90d, 12h, 30m, 45s [default: until it is removed]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
}

/// `90d` in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time; write a number and its unit, such as 90d, 12h, 30m or 45s");
    span_seconds(text).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

pub(super) fn token(global: &Global, verb: TokenVerb) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    match verb {
        TokenVerb::Add(args) => add(global, &args),
        TokenVerb::Rm { name } => edit(global, &format!("token {name}"), Request::TokenRm { tenant, name }),
        TokenVerb::Ls => {
            let Reply::Tokens { tokens } = Backend::look(global)?.ask(Request::TokenLs { tenant })? else { return Err(unexpected()) };
            if global.json {
                print::json(&tokens)
            } else {
                print::out(&print::columns(&tokens.iter().map(row).collect::<Vec<_>>()))
            }
            Ok(Exit::Done)
        }
    }
}

fn row(token: &TokenView) -> Vec<String> {
    let end = match (&token.expires, token.expired) {
        (None, _) => "no end".to_owned(),
        (Some(end), false) => format!("until {end}"),
        (Some(end), true) => format!("EXPIRED {end}"),
    };
    vec![token.name.clone(), token.scopes.join(","), end]
}

fn add(global: &Global, args: &TokenAddArgs) -> Result<Exit, Failure> {
    let secret = Secret::random().map_err(|e| Failure::new(Exit::Trouble, format!("the system gives no random numbers ({e})")))?;
    let (name, scopes) = (args.name.clone(), args.scopes.join(","));
    let token = TokenDraft { name, scopes, expires_seconds: args.expires, digest: secret.digest() };
    let request = Request::TokenAdd { tenant: global.tenant.clone(), token };
    // it is printed only once it is on the disk
    let Reply::Done { revision, .. } = Backend::open(global)?.ask(request)? else { return Err(unexpected()) };
    if global.json {
        print::json(&json!({ "name": args.name, "token": secret.reveal(), "revision": revision }));
    } else {
        print::line(secret.reveal());
        print::note("this is the only time that the token is shown; send it as: Authorization: Bearer TOKEN");
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_time_is_a_number_and_its_unit() {
        assert_eq!(seconds("90d"), Ok(7_776_000));
        assert_eq!((seconds("12h"), seconds("30m"), seconds("45s")), (Ok(43_200), Ok(1800), Ok(45)));
        for wrong in ["", "90", "d", "0d", "-1d", "1w", "1.5h", "99999999999999999999d", "999999999999999999d", "1ä"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
