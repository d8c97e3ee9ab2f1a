//! `user`: who registers telephones at the switch.
//!
//! A password comes from standard input only, because arguments and environments can be read by others, and is hashed
//! in this process: neither the admin socket nor the server ever has it.

use super::args::{Global, UserSetArgs, UserVerb, UserWhichArgs};
use super::backend::{Backend, unexpected};
use super::edit::edit;
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{Reply, Request, UserView, UserWhich};
use crate::routing::{A1Hash, PASSWORD_BYTES_MAX, User};
use std::io::{self, BufRead, BufReader, IsTerminal, Read};

/// The longest line that is read, in bytes: the longest password, its line end, and one more, so that a longer one is
/// seen to be longer.
const LINE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 3;

fn bad(text: impl ToString) -> Failure {
    Failure::new(Exit::BadInput, text.to_string())
}

pub(super) fn user(global: &Global, verb: UserVerb) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    match verb {
        UserVerb::Set(args) => {
            let what = what_of(&args.which);
            let user = read_user(args)?;
            edit(global, &what, Request::UserSet { tenant, user })
        }
        UserVerb::Rm { which } => edit(global, &what_of(&which), Request::UserRm { tenant, which: which_of(which) }),
        UserVerb::Show { which } => {
            let request = Request::UserShow { tenant, which: which_of(which) };
            let Reply::Users { users, .. } = Backend::look(global)?.ask(request)? else { return Err(unexpected()) };
            for user in &users {
                if global.json { print::json(user) } else { print::out(&user_text(user)) }
            }
            Ok(Exit::Done)
        }
        UserVerb::Ls { domain } => ls(global, domain.as_ref()),
    }
}

fn what_of(which: &UserWhichArgs) -> String {
    format!("user {}@{}", which.extension, which.domain)
}

fn which_of(which: UserWhichArgs) -> UserWhich {
    UserWhich { domain: which.domain, extension: which.extension }
}

fn read_user(args: UserSetArgs) -> Result<User, Failure> {
    let UserWhichArgs { extension, domain } = args.which;
    let a1_hash = match args.secret.a1_hash.as_deref() {
        Some("-") => A1Hash::parse(&secret_line("a1-hash")?),
        Some(text) => A1Hash::parse(text),
        None => {
            // what is wrong with the rest is said before a password is asked for
            A1Hash::of(&extension, &domain, "x").map_err(bad)?;
            A1Hash::of(&extension, &domain, &secret_line("password")?)
        }
    };
    let a1_hash = a1_hash.map_err(bad)?;
    User { extension, domain, name: args.name, context: args.context, a1_hash }.check().map_err(bad)
}

/// One line of standard input without its end.
fn secret_line(what: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(bad(format!(
            "standard input is a terminal, which would show the {what}; pipe it in: read -rs S && printf '%s\\n' \"$S\" | strowger user set …"
        )));
    }
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    let mut limited = BufReader::new(stdin.lock().take(LINE_BYTES_MAX as u64));
    limited.read_until(b'\n', &mut line).map_err(|e| bad(format!("the {what} can't be read from standard input ({e})")))?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        return Err(bad(format!("standard input has no {what}; give it as one line")));
    }
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(bad(format!("the {what} is longer than {PASSWORD_BYTES_MAX} bytes; shorten it")));
    }
    String::from_utf8(text.to_vec()).map_err(|_| bad(format!("the {what} isn't UTF-8; give it as UTF-8 on one line")))
}

fn user_text(user: &UserView) -> String {
    let mut rows = Vec::new();
    for (name, value) in [
        ("extension", Some(user.extension.clone())),
        ("domain", Some(user.domain.clone())),
        ("name", user.name.clone()),
        ("context", user.context.clone()),
        ("a1-hash", Some(user.a1_hash.clone())),
        ("revision", Some(user.revision.to_string())),
    ] {
        rows.extend(value.map(|value| vec![name.to_owned(), value]));
    }
    print::columns(&rows)
}

fn ls(global: &Global, domain: Option<&String>) -> Result<Exit, Failure> {
    let (mut backend, mut all, mut after) = (Backend::look(global)?, Vec::new(), None);
    loop {
        let request = Request::UserLs { tenant: global.tenant.clone(), domain: domain.cloned(), after };
        let Reply::Users { users, next } = backend.ask(request)? else { return Err(unexpected()) };
        all.extend(users);
        after = next;
        if after.is_none() {
            break;
        }
    }
    if global.json {
        print::json(&all);
    } else {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let row = |u: &UserView| vec![format!("{}@{}", u.extension, u.domain), optional(&u.context), optional(&u.name)];
        print::out(&print::columns(&all.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(Exit::Done)
}
