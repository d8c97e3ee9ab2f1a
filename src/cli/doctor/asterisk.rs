//! Asterisk's manager.conf and dialplan, as far as they can be read.

use super::conf::Conf;
use super::{Finding, Severity, file};
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
    match Conf::read(dir, "manager.conf") {
        Ok(conf) => findings.extend(manager(&place, &conf, &users)),
        Err(why) if users.is_empty() => findings.push(Finding::fine(place, format!("can't be read ({why})"))),
        Err(why) => findings.push(Finding::warning(place, format!("can't be read ({why})"), "run doctor as root to have it examined")),
    }
    for name in ["extensions.conf", "extensions_custom.conf", "extensions_override_freepbx.conf"] {
        let path = dir.join(name);
        if let Ok(text) = file::read(&path) {
            findings.extend(dialplan(&path.display().to_string(), &text));
        }
    }
    findings
}

fn manager(place: &str, conf: &Conf, users: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_yes = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "y" | "t" | "1" | "on");
    if !users.is_empty() && !conf.value("general", "enabled").is_some_and(is_yes) {
        findings.push(lacking(place, conf, "the manager isn't enabled", "write enabled = yes under [general], then: manager reload"));
    }
    let is_open = conf.value("general", "bindaddr").is_none_or(|address| !address.starts_with("127.") && address != "::1");
    for user in users {
        if !conf.has_section(user) {
            // what writes FreePBX's manager.conf leaves this one alone
            let own = conf.file_named("manager_custom.conf").map(|path| format!(" to {}", path.display())).unwrap_or_default();
            let remedy = format!("add [{user}]{own} with secret, read = system,call and write = system,reporting, then: manager reload");
            findings.push(lacking(place, conf, &format!("there is no user [{user}], whom strowger logs in as"), &remedy));
            continue;
        }
        let has = |key: &str, class: &str| {
            let words = conf.value(user, key).unwrap_or_default();
            words.split(',').map(str::trim).any(|word| word == class || word == "all")
        };
        for (key, classes) in [("read", ["system", "call"]), ("write", ["system", "reporting"])] {
            let missing: Vec<&str> = classes.into_iter().filter(|class| !has(key, class)).collect();
            if !missing.is_empty() {
                let remedy = format!("{key} = {} under [{user}]", classes.join(","));
                findings.push(lacking(place, conf, &format!("[{user}] may not {key} {}", missing.join(" and ")), &remedy));
            }
        }
        let wait = conf.value(user, "writetimeout").or(conf.value("general", "writetimeout")).and_then(|ms| ms.parse().ok()).unwrap_or(100);
        if wait < WRITE_TIMEOUT_MS_MIN {
            let what = format!("[{user}] is cut off after {wait} ms in which nobody reads, without a word");
            findings.push(Finding::warning(place, what, format!("writetimeout = 5000 under [{user}]")));
        }
        for setting in conf.settings(user).filter(|s| s.key.starts_with("eventfilter")) {
            let what = format!("line {}: an event filter of [{user}] may hide what strowger needs", setting.line);
            findings.push(Finding::warning(&*setting.file, what, "leave it to strowger, which sets its own filters after the login"));
        }
        if conf.value(user, "secret").is_some_and(|secret| secret.len() < 12) {
            findings.push(Finding::warning(place, format!("[{user}] has a short secret"), "use 20 random characters or more"));
        }
        let has_list = conf.settings(user).any(|s| matches!(s.key.as_str(), "permit" | "deny" | "acl"));
        if is_open && !has_list {
            let what = format!("anybody who reaches the port may try [{user}]'s secret");
            let remedy =
                format!("bindaddr = 127.0.0.1 under [general], or deny = 0.0.0.0/0 and permit = strowger's address under [{user}]");
            findings.push(Finding::warning(place, what, remedy));
        }
    }
    // what wasn't read may have it
    if conf.unread().is_empty() {
        let remedy = "put what it builds upon in front of it; Asterisk may take nothing of the file as it is";
        findings.extend(conf.missing().iter().map(|what| Finding::warning(place, format!("{what}, which isn't there before"), remedy)));
    }
    if !findings.iter().any(|f| f.severity > Severity::Fine) {
        findings.push(Finding::fine(place, if users.is_empty() { "no switch of this kind is configured" } else { "lets strowger listen" }));
    }
    findings
}

/// Something that isn't there: bad, unless it may stand in what wasn't read.
fn lacking(place: &str, conf: &Conf, what: &str, remedy: &str) -> Finding {
    if conf.unread().is_empty() {
        return Finding::bad(place, what, remedy);
    }
    let unread = conf.unread().join(", ");
    let what = format!("{what}: not in the files that were read, and these were not: {unread}");
    Finding::warning(place, what, format!("where it isn't there either: {remedy}"))
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

    fn found_in(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let conf = Conf::read(dir.path(), "manager.conf").unwrap();
        let of = |f: Finding| format!("{:?} {} -> {}", f.severity, f.what, f.remedy);
        manager("manager.conf", &conf, &["strowger"]).into_iter().map(of).collect()
    }

    fn found(text: &str) -> Vec<String> {
        found_in(&[("manager.conf", text)])
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

    /// The manager's own section, and the user's but for its heading.
    const GENERAL: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n";
    const USER: &str = "secret = 0123456789abcdef\nread = system,call\nwrite = system,reporting\nwritetimeout = 5000\n";

    #[test]
    fn a_manager_user_in_an_included_file_is_found() {
        let user = format!("[strowger]\n{USER}");
        for (line, name) in [
            ("#include manager_additional.conf\n#include manager_custom.conf", "manager_custom.conf"),
            ("#include \"manager.d/*.conf\"", "manager.d/strowger.conf"),
            ("#tryinclude manager.d/strowger.conf", "manager.d/strowger.conf"),
        ] {
            let text = format!("{GENERAL}{line}\n");
            let files = [("manager.conf", text.as_str()), ("manager_additional.conf", "[admin]\n"), (name, &user)];
            assert_eq!(found_in(&files), ["Fine lets strowger listen -> "], "{line}");
        }
        let filter = format!("{user}eventfilter = !Event: Newchannel\n");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("manager.conf"), format!("{GENERAL}#include a.conf\n")).unwrap();
        std::fs::write(dir.path().join("a.conf"), filter).unwrap();
        let all = manager("manager.conf", &Conf::read(dir.path(), "manager.conf").unwrap(), &["strowger"]);
        assert!(all[0].place.ends_with("/a.conf") && all[0].what.starts_with("line 6: an event filter"), "{all:?}");
    }

    #[test]
    fn what_a_template_lets_a_manager_user_do_he_may_do() {
        let template = format!("{GENERAL}[cti](!)\n{USER}[strowger](cti)\nsecret = fedcba9876543210\n");
        assert_eq!(found(&template), ["Fine lets strowger listen -> "]);
        let own = found(&format!("{template}read = call\n"));
        assert!(own[0].starts_with("Bad [strowger] may not read system"), "its own setting beats the template's: {own:?}");
        let only = found(&format!("{GENERAL}[strowger](!)\n{USER}"));
        assert!(only[0].starts_with("Bad there is no user [strowger]"), "a template is nobody: {only:?}");
        let lost = found(&format!("{GENERAL}[strowger](cti)\n{USER}"));
        assert!(lost[0].starts_with("Warning line 4 of ") && lost[0].contains("takes from [cti], which isn't there before"), "{lost:?}");
    }

    #[test]
    fn what_is_not_in_the_files_that_could_be_read_is_no_more_than_a_warning() {
        for (line, unread) in [("#include gone.conf", "gone.conf (No such file"), ("#exec /usr/bin/users", "#exec /usr/bin/users")] {
            let all = found(&format!("{line}\n[general]\nport = 5038\n"));
            for what in ["Warning the manager isn't enabled: not in the files that were read", "Warning there is no user [strowger]"] {
                assert!(all.iter().any(|f| f.starts_with(what) && f.contains(unread)), "{what}: {all:#?}");
            }
            assert!(all.iter().all(|f| !f.starts_with("Bad")), "{all:#?}");
            assert_eq!(found(&format!("{line}\n{GENERAL}[strowger]\n{USER}")), ["Fine lets strowger listen -> "], "nothing is looked for");
        }
        let freepbx = found_in(&[("manager.conf", &format!("{GENERAL}#include manager_custom.conf\n")), ("manager_custom.conf", "")]);
        assert!(freepbx[0].starts_with("Bad there is no user") && freepbx[0].contains("/manager_custom.conf with secret"), "{freepbx:?}");
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
