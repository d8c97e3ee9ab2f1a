//! Applications of the dialplan.
//!
//! Seen: an unknown one hangs up with DESTINATION_OUT_OF_ORDER; `set` and `multiset` put variables in a second time; a
//! failed `bridge` hangs the caller up with the callee's cause, unless `continue_on_fail` forbids it. From the source:
//! `transfer` counts `max_forwards` down, `bridge` without a dial string does nothing, `cidlookup` names a caller it
//! doesn't know `UNKNOWN`; `play_and_get_digits` sets its variable if the digits fit (documentation). What `bridge` does
//! with its legs: `originate.rs`.

use super::originate::{Caller, leading, originate};
use super::run::{Flow, Run};
use super::text::{PIECES_MAX, expand, has_variable, separate};
use super::{Bridge, Ending, Outcome, Stay};

/// Transfers that a call may make if its INVITE didn't say (source).
const FORWARDS: i32 = 70;

impl Run<'_> {
    /// Runs one application.
    pub fn application(&mut self, application: &str, data: &str) -> Flow {
        let data = self.expanded(data);
        self.applications.push((application.to_owned(), data.clone()));
        self.set("current_application_data", &data);
        self.set("current_application", application);
        self.set("current_application_response", "");
        match application {
            "set" => self.assign(&data),
            "multiset" => {
                for piece in separate(&data, ' ', PIECES_MAX) {
                    self.assign(&piece);
                }
            }
            "unset" => self.set(&data, ""),
            "export" => {
                self.assign(data.strip_prefix("nolocal:").unwrap_or(&data));
            }
            "set_profile_var" => {
                if let Some((name, value)) = data.split_once('=') {
                    self.profile.insert(name.to_owned(), value.to_owned());
                }
            }
            "answer" => self.answered = true,
            "ring_ready" => self.rings = true,
            "sleep" | "info" | "pre_answer" => {}
            "log" => self.log.push(data),
            "hangup" => return Flow::End(Ending::HungUp(if data.is_empty() { "NORMAL_CLEARING".to_owned() } else { data })),
            "respond" => return Flow::End(Ending::HungUp(cause_of_response(&data).to_owned())),
            "park" => return Flow::End(Ending::Parked),
            "transfer" => return self.transfer(&data),
            "execute_extension" => {
                let words = separate(&data, ' ', 4);
                let Some(destination) = words.first() else { return Flow::Next };
                let context = words.get(2).cloned().unwrap_or_else(|| self.hunted["context"].clone());
                return self.execute_extension(destination, &context);
            }
            "bridge" => return self.bridge(&data),
            "voicemail" | "conference" | "playback" | "callcenter" => return self.stay(application, &data),
            "play_and_get_digits" => return self.play_and_get_digits(&data),
            "cidlookup" => self.cidlookup(&data),
            "socket" => return self.socket(&data),
            _ => {
                self.log.push(format!("invalid application {application}"));
                return Flow::End(Ending::HungUp("DESTINATION_OUT_OF_ORDER".to_owned()));
            }
        }
        Flow::Next
    }

    /// `name=value`, or `name,value` where there is no equals sign; variables are put in once more.
    fn assign(&mut self, data: &str) {
        let (name, value) = data.split_once('=').or_else(|| data.split_once(',')).unwrap_or((data, ""));
        let (name, value) = (name.to_owned(), value.to_owned());
        let value = expand(self, &value);
        self.set(&name, &value);
    }

    fn transfer(&mut self, data: &str) -> Flow {
        let words = separate(data, ' ', 4);
        let Some(destination) = words.first() else {
            self.log.push("transfer: no extension specified".to_owned());
            return Flow::Next;
        };
        if destination.eq_ignore_ascii_case("-bleg") || destination.eq_ignore_ascii_case("-both") {
            self.log.push("transfer: no b-leg present".to_owned());
            return Flow::Next;
        }
        let forwards = self.get("max_forwards").map_or(FORWARDS, |n| n.parse().unwrap_or(0) - 1);
        if forwards <= 0 {
            return Flow::End(Ending::HungUp("EXCHANGE_ROUTING_ERROR".to_owned()));
        }
        self.set("max_forwards", &forwards.to_string());
        let context = words.get(2).cloned().unwrap_or_else(|| self.profile["context"].clone());
        self.transfers.push(format!("{destination} {} {context}", words.get(1).map_or("XML", String::as_str)));
        Flow::Transfer { destination: destination.clone(), context }
    }

    fn bridge(&mut self, data: &str) -> Flow {
        if leading(leading(data, '<', '>').1, '{', '}').1.is_empty() {
            if !data.is_empty() {
                self.set("originate_disposition", "failure");
                self.set("DIALSTATUS", "INVALIDARGS");
            }
            return Flow::Next;
        }
        let switch = self.switch;
        let does = |leg: &str| {
            let found = switch.legs.iter().find(|(part, _)| leg.contains(part.as_str()));
            found.map_or(Outcome::Answers, |(_, outcome)| *outcome)
        };
        let originated = originate(
            data,
            &Caller {
                call_timeout: self.get("call_timeout").and_then(|t| t.parse().ok()),
                confirm_key: self.get("group_confirm_key").map(str::to_owned),
                outcome: &does,
            },
        );
        self.bridges.push(Bridge {
            variables: originated.variables.clone(),
            legs: originated.legs.iter().map(|l| (l.brackets.clone(), l.leg.clone())).collect(),
            timeout: self.get("call_timeout").map(str::to_owned),
            shown_name: self.get("effective_caller_id_name").unwrap_or(&self.profile["caller_id_name"]).to_owned(),
            shown_number: self.get("effective_caller_id_number").unwrap_or(&self.profile["caller_id_number"]).to_owned(),
            heard_ringing: self.rings || !originated.is_enterprise,
            rung: originated.legs,
            at: originated.at,
        });
        let cause = match originated.won {
            Ok(leg) => {
                self.answered = true;
                self.set("originate_disposition", if originated.is_enterprise { "success" } else { "SUCCESS" });
                self.set("DIALSTATUS", "SUCCESS");
                let hangs_up = self.get("hangup_after_bridge").is_some_and(is_true);
                return if hangs_up { Flow::End(Ending::Bridged(leg)) } else { Flow::Next };
            }
            Err(cause) => cause,
        };
        if originated.is_enterprise {
            self.set("originate_disposition", "failure");
        } else {
            self.set("originate_disposition", cause);
            self.set("DIALSTATUS", dialstatus(cause));
        }
        self.set("originate_failed_cause", cause);
        let goes_on = self.get("continue_on_fail").is_some_and(|list| is_true(list) || list.split(',').any(|c| c.trim() == cause));
        if goes_on { Flow::Next } else { Flow::End(Ending::HungUp(cause.to_owned())) }
    }

    /// `MIN MAX TRIES TIMEOUT TERMINATORS FILE INVALID_FILE VARIABLE REGEXP`: the caller presses what the call says.
    fn play_and_get_digits(&mut self, data: &str) -> Flow {
        let words = separate(data, ' ', 9);
        let [min, max, tries, timeout, _, _file, _, variable, expression] = words.as_slice() else {
            self.log.push(format!("play_and_get_digits: {data} isn't understood"));
            return Flow::Next;
        };
        let numbers: Vec<u32> = [min, max, tries, timeout].iter().map(|n| n.parse().unwrap()).collect();
        assert!(numbers[0] >= 1 && numbers[1] >= numbers[0] && numbers[2] == 1 && numbers[3] >= 1000, "{data}");
        match self.call.presses.as_deref() {
            Some("hangup") => return Flow::End(Ending::CallerHungUp),
            Some(digits) if regex::Regex::new(expression).unwrap().is_match(digits) => self.set(variable, digits),
            Some(digits) => self.set(&format!("{variable}_invalid"), digits),
            None => {}
        }
        Flow::Next
    }

    fn stay(&mut self, application: &str, data: &str) -> Flow {
        let fits = |(a, part, _): &&(String, String, Stay)| a == application && data.contains(part.as_str());
        let stay = self.switch.stays.iter().find(fits).map_or(Stay::Done, |(_, _, stay)| *stay);
        if stay == Stay::CallerHangsUp {
            return Flow::End(Ending::CallerHungUp);
        }
        match (application, stay) {
            ("voicemail", Stay::Done) => self.set("voicemail_message_len", "7"),
            ("playback", Stay::Done) => self.set("current_application_response", "FILE PLAYED"),
            ("playback", _) => self.set("current_application_response", "FILE NOT FOUND"),
            ("callcenter", Stay::Done) => self.set("cc_cause", "answered"),
            ("callcenter", Stay::TimedOut) => {
                self.set("cc_cause", "cancel");
                self.set("cc_cancel_reason", "TIMEOUT");
            }
            _ => {}
        }
        Flow::Next
    }

    fn cidlookup(&mut self, data: &str) {
        let number = data.split(' ').next().filter(|n| !n.is_empty()).unwrap_or(&self.profile["caller_id_number"]).to_owned();
        let name = self.cid_lookup(&number).unwrap_or_else(|| "UNKNOWN".to_owned());
        if has_variable(&name) {
            self.log.push(format!("invalid CID data {name} contains a variable"));
            return;
        }
        let original = self.profile["caller_id_name"].clone();
        self.set("original_caller_id_name", &original);
        self.profile.insert("caller_id_name".to_owned(), name);
    }
}

fn is_true(text: &str) -> bool {
    ["true", "yes", "on", "1"].contains(&text)
}

/// DIALSTATUS for a cause (USER_BUSY, NO_ANSWER, CALL_REJECTED were seen).
fn dialstatus(cause: &str) -> &'static str {
    match cause {
        "USER_BUSY" => "BUSY",
        "NO_ANSWER" | "NO_USER_RESPONSE" => "NOANSWER",
        "CALL_REJECTED" => "DONTCALL",
        "ORIGINATOR_CANCEL" => "CANCEL",
        _ => "CHANUNAVAIL",
    }
}

/// The cause with which a call ends that was refused with a SIP status (603 was seen).
fn cause_of_response(data: &str) -> &'static str {
    match data.split(' ').next().unwrap_or_default() {
        "486" | "600" => "USER_BUSY",
        "603" | "403" => "CALL_REJECTED",
        "404" => "UNALLOCATED_NUMBER",
        "480" => "NO_USER_RESPONSE",
        "503" => "NORMAL_TEMPORARY_FAILURE",
        _ => "NORMAL_CLEARING",
    }
}
