//! Asterisk's manager.conf and dialplan, as far as they can be read.

use super::parts::{self, Setting};
use super::{Finding, Severity};
use crate::config::{Config, SwitchKind};
use std::path::Path;

/// Milliseconds that a manager's reader should have: a machine that swaps for a moment is no reason to cut it off.
const WRITE_TIMEOUT_MS_MIN: u64 = 1000;
/// Lines behind `AGI()` in which its outcome should be looked at.
const LINES_AFTER_MAX: usize = 8;

pub(super) fn examine(dir: &Path, config: &Config) -> Vec<Finding> {
    if !dir.is_dir() {
        return vec![Finding::fine("Asterisk", format!("{} isn't here", dir.display()))];
    }
    let mut findings = Vec::new();
    let users: Vec<&str> =
        config.switches.iter().filter(|switch| switch.kind == SwitchKind::Asterisk).filter_map(|switch| switch.user.as_deref()).collect();
    let path = dir.join("manager.conf");
    let place = path.display().to_string();
    match parts::read(&path) {
        Ok(text) => findings.extend(manager(&place, &parts::settings(&text), &users)),
        Err(why) if users.is_empty() => findings.push(Finding::fine(place, format!("can't be read ({why})"))),
        Err(why) => findings.push(Finding::warning(place, format!("can't be read ({why})"), "run doctor as root to have it examined")),
    }
    for name in ["extensions.conf", "extensions_custom.conf", "extensions_override_freepbx.conf"] {
        let path = dir.join(name);
        if let Ok(text) = parts::read(&path) {
            findings.extend(dialplan(&path.display().to_string(), &text));
        }
    }
    findings
}

fn manager(place: &str, settings: &[Setting], users: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // the last setting of a key counts
    let of =
        |section: &str, key: &str| settings.iter().rev().find(|s| s.section == section && s.key == key).map(|s| (s.value.as_str(), s.line));
    let is_yes = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "y" | "t" | "1" | "on");
    if !users.is_empty() && !of("general", "enabled").is_some_and(|(value, _)| is_yes(value)) {
        findings.push(Finding::bad(place, "the manager isn't enabled", "write enabled = yes under [general], then: manager reload"));
    }
    let is_open = of("general", "bindaddr").is_none_or(|(address, _)| !address.starts_with("127.") && address != "::1");
    for user in users {
        if !settings.iter().any(|s| s.section == *user) {
            let remedy = format!("add [{user}] with secret, read = system,call and write = system,reporting, then: manager reload");
            findings.push(Finding::bad(place, format!("there is no user [{user}], whom strowger logs in as"), remedy));
            continue;
        }
        let has = |key: &str, class: &str| {
            let words = of(user, key).map_or("", |(value, _)| value);
            words.split(',').map(str::trim).any(|word| word == class || word == "all")
        };
        for (key, classes) in [("read", ["system", "call"]), ("write", ["system", "reporting"])] {
            let missing: Vec<&str> = classes.into_iter().filter(|class| !has(key, class)).collect();
            if !missing.is_empty() {
                let remedy = format!("{key} = {} under [{user}]", classes.join(","));
                findings.push(Finding::bad(place, format!("[{user}] may not {key} {}", missing.join(" and ")), remedy));
            }
        }
        let wait = of(user, "writetimeout").or(of("general", "writetimeout")).and_then(|(ms, _)| ms.parse::<u64>().ok()).unwrap_or(100);
        if wait < WRITE_TIMEOUT_MS_MIN {
            let what = format!("[{user}] is cut off after {wait} ms in which nobody reads, without a word");
            findings.push(Finding::warning(place, what, format!("writetimeout = 5000 under [{user}]")));
        }
        for setting in settings.iter().filter(|s| s.section == *user && s.key.starts_with("eventfilter")) {
            let what = format!("line {}: an event filter of [{user}] may hide what strowger needs", setting.line);
            findings.push(Finding::warning(place, what, "leave it to strowger, which sets its own filters after the login"));
        }
        if of(user, "secret").is_some_and(|(secret, _)| secret.len() < 12) {
            findings.push(Finding::warning(place, format!("[{user}] has a short secret"), "use 20 random characters or more"));
        }
        let has_list = settings.iter().any(|s| s.section == *user && matches!(s.key.as_str(), "permit" | "deny" | "acl"));
        if is_open && !has_list {
            let what = format!("anybody who reaches the port may try [{user}]'s secret");
            let remedy =
                format!("bindaddr = 127.0.0.1 under [general], or deny = 0.0.0.0/0 and permit = strowger's address under [{user}]");
            findings.push(Finding::warning(place, what, remedy));
        }
    }
    if !findings.iter().any(|f| f.severity > Severity::Fine) {
        findings.push(Finding::fine(place, if users.is_empty() { "no switch of this kind is configured" } else { "lets strowger listen" }));
    }
    findings
}

/// Whether each question is followed by a look at its outcome: a server that is down sets nothing, and `AGISTATUS` says
/// SUCCESS even of one that closed at once.
fn dialplan(place: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_live = |line: &&&str| !line.starts_with(';');
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_live(line)) {
        if !line.to_ascii_lowercase().contains("agi(agi://") {
            continue;
        }
        let (before, after) = (&lines[at.saturating_sub(LINES_AFTER_MAX)..at], &lines[at + 1..lines.len().min(at + 1 + LINES_AFTER_MAX)]);
        let names_status = |lines: &[&str]| lines.iter().filter(is_live).any(|line| line.contains("STROWGER_STATUS"));
        let number = at + 1;
        if !names_status(before) {
            let remedy = "put Set(STROWGER_STATUS=) in front, or use Gosub(strowger,…) of the sample dialplan";
            findings.push(Finding::warning(place, format!("line {number}: an old answer isn't cleared before the question"), remedy));
        }
        // a subroutine leaves that to whoever called it
        let returns = after.iter().filter(is_live).any(|line| line.contains("Return("));
        if !names_status(after) && !returns {
            let what =
                format!("line {number}: nothing looks at STROWGER_STATUS behind the question; without a server the call goes nowhere");
            findings.push(Finding::bad(
                place,
                what,
                "test it, and let the call go its own way where it is empty, as the sample dialplan does",
            ));
        }
    }
    let asks = lines.iter().filter(is_live).any(|line| line.contains("Gosub(strowger,"));
    if asks && findings.is_empty() {
        findings.push(Finding::fine(place, "asks by the sample dialplan, which falls back by itself"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let of = |f: Finding| format!("{:?} {} -> {}", f.severity, f.what, f.remedy);
        manager("manager.conf", &parts::settings(text), &["strowger"]).into_iter().map(of).collect()
    }

    #[test]
    fn a_manager_user_that_strowger_can_use_is_fine() {
        let fine = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n[strowger]\nsecret = 0123456789abcdef\nread = system,call,dialplan\nwrite = all\nwritetimeout = 5000\n";
        assert_eq!(found(fine), ["Fine lets strowger listen -> "]);
    }

    #[test]
    fn each_thing_that_keeps_strowger_from_listening_is_named_with_its_remedy() {
        let all =
            found("[general]\nenabled = no\n[strowger]\nsecret = short\nread = call\nwrite = system\neventfilter = !Event: Newchannel\n");
        for what in [
            "Bad the manager isn't enabled -> write enabled = yes",
            "Bad [strowger] may not read system -> read = system,call",
            "Bad [strowger] may not write reporting -> write = system,reporting",
            "Warning [strowger] is cut off after 100 ms",
            "Warning line 7: an event filter",
            "Warning [strowger] has a short secret",
            "Warning anybody who reaches the port",
        ] {
            assert!(all.iter().any(|f| f.starts_with(what)), "{what}: {all:#?}");
        }
        assert!(found("[general]\nenabled=yes\n")[0].starts_with("Bad there is no user [strowger]"));
    }

    #[test]
    fn a_question_without_a_look_at_its_outcome_is_bad() {
        let bare = "[from-trunk]\nexten => _X.,1,AGI(agi://127.0.0.1/route)\n same => n,Dial(${STROWGER_TARGET})\n";
        let said: Vec<_> = dialplan("x", bare).into_iter().map(|f| (f.severity, f.what)).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[1].0, Severity::Bad);
        let good = "exten => _X.,1,Set(STROWGER_STATUS=)\n same => n,AGI(agi://127.0.0.1/route)\n same => n,GotoIf($[\"${STROWGER_STATUS}\" = \"\"]?own)\n";
        assert_eq!(dialplan("x", good), []);
        assert_eq!(dialplan("x", ";exten => 1,1,AGI(agi://127.0.0.1/route)\n"), []);
        assert_eq!(dialplan("x", "same => n,Gosub(strowger,route,1)\n")[0].severity, Severity::Fine);
        let sample = include_str!("../../../dialplan/asterisk/strowger.conf");
        assert!(dialplan("x", sample).iter().all(|f| f.severity == Severity::Fine), "{:?}", dialplan("x", sample));
    }
}
