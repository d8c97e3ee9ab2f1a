//! One call on its way: its channel, its profile, the hunts, and the applications one after another.

use super::dialplan::{Contexts, Hunter, hunt};
use super::template::{Snapshot, connect_headers};
use super::text::{Names, expand};
use super::{Bridge, Call, Ending, FakeSwitch, Record, Session, http};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How deep `execute_extension` may go into itself (source: SWITCH_MAX_STACKS).
const STACKS_MAX: usize = 16;
/// How often a fake call may hunt, so that a loop in a dialplan ends a test.
const HUNTS_MAX: usize = 500;

/// Fields of a caller's profile: the dialplan's name, and the header's name behind `Caller-`.
const FIELDS: [(&str, &str); 13] = [
    ("caller_id_name", "Caller-ID-Name"),
    ("caller_id_number", "Caller-ID-Number"),
    ("orig_caller_id_name", "Orig-Caller-ID-Name"),
    ("orig_caller_id_number", "Orig-Caller-ID-Number"),
    ("ani", "ANI"),
    ("destination_number", "Destination-Number"),
    ("context", "Context"),
    ("username", "Username"),
    ("uuid", "Unique-ID"),
    ("dialplan", "Dialplan"),
    ("network_addr", "Network-Addr"),
    ("privacy_hide_name", "Privacy-Hide-Name"),
    ("privacy_hide_number", "Privacy-Hide-Number"),
];

pub type Profile = BTreeMap<String, String>;

/// What an application leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// The next one runs.
    Next,
    /// The dialplan is left for another place.
    Transfer { destination: String, context: String },
    /// The call has ended, or is stuck.
    End(Ending),
}

/// A call in a switch.
pub struct Run<'a> {
    pub switch: &'a FakeSwitch,
    pub call: &'a Call,
    pub uuid: String,
    /// In the order in which they were set.
    pub variables: Vec<(String, String)>,
    pub profile: Profile,
    /// The profile that is hunted for: the call's own, or that of an `execute_extension`.
    pub hunted: Profile,
    pub answered: bool,
    /// `ring_ready` was said to the caller.
    pub rings: bool,
    pub depth: usize,
    pub hunts: usize,
    pub applications: Vec<(String, String)>,
    pub executed_apis: Vec<(String, String)>,
    pub bridges: Vec<Bridge>,
    pub transfers: Vec<String>,
    pub sessions: Vec<Session>,
    pub requests: Vec<Vec<u8>>,
    pub log: Vec<String>,
}

pub fn run(switch: &FakeSwitch, call: &Call) -> Record {
    let began = Instant::now();
    let mut run = Run::new(switch, call);
    let ending = run.route();
    Record {
        ending,
        applications: run.applications,
        executed_apis: run.executed_apis,
        variables: run.variables.into_iter().collect(),
        profile: run.profile,
        bridges: run.bridges,
        transfers: run.transfers,
        sessions: run.sessions,
        requests: run.requests,
        log: run.log,
        took: began.elapsed(),
    }
}

impl<'a> Run<'a> {
    fn new(switch: &'a FakeSwitch, call: &'a Call) -> Run<'a> {
        let uuid = "a21a71a1-5b44-415c-bcb8-18e1ffa03f99".to_owned();
        let mut profile = Profile::new();
        for (field, value) in [
            ("caller_id_name", call.name.as_str()),
            ("caller_id_number", &call.number),
            ("orig_caller_id_name", &call.name),
            ("orig_caller_id_number", &call.number),
            ("ani", &call.number),
            ("username", &call.number),
            ("destination_number", &call.to),
            ("context", &call.context),
            ("uuid", &uuid),
            ("dialplan", "XML"),
            ("network_addr", "127.0.0.1"),
            ("privacy_hide_name", if call.hide_name { "true" } else { "false" }),
            ("privacy_hide_number", if call.hide_number { "true" } else { "false" }),
        ] {
            profile.insert(field.to_owned(), value.to_owned());
        }
        let mut run = Run {
            switch,
            call,
            uuid,
            variables: Vec::new(),
            hunted: profile.clone(),
            profile,
            answered: false,
            rings: false,
            depth: 0,
            hunts: 0,
            applications: Vec::new(),
            executed_apis: Vec::new(),
            bridges: Vec::new(),
            transfers: Vec::new(),
            sessions: Vec::new(),
            requests: Vec::new(),
            log: Vec::new(),
        };
        run.recorded_variables();
        for (name, value) in &call.variables {
            run.set(name, value);
        }
        run
    }

    /// Variables that a SIP call has before its dialplan runs, from the recording, with this call's numbers.
    fn recorded_variables(&mut self) {
        let (number, name, to) = (&self.call.number, &self.call.name, &self.call.to);
        let mine = |variable: &str, recorded: String| match variable {
            "sip_from_user" | "sip_from_user_stripped" => number.clone(),
            "sip_from_display" => name.clone(),
            "sip_from_uri" => format!("{number}@127.0.0.1"),
            "sip_to_user" | "sip_req_user" => to.clone(),
            "sip_to_uri" | "sip_req_uri" => format!("{to}@127.0.0.1:5080"),
            "sip_full_to" => format!("<sip:{to}@127.0.0.1:5080>"),
            _ => recorded.replace("\"Ann Example\" <sip:1001@", &format!("\"{name}\" <sip:{number}@")),
        };
        // those are the socket app's own
        let app = ["current_application_data", "current_application", "socket_path", "socket_host"];
        for (header, value) in connect_headers() {
            if let Some(variable) = header.strip_prefix("variable_").filter(|v| !app.contains(v)) {
                // FreeSWITCH keeps no variable from SIP that holds ${
                let value = mine(variable, value);
                if !value.contains("${") {
                    self.variables.push((variable.to_owned(), value));
                }
            }
        }
        // and writes % for $ in a display name
        if self.call.name.contains('$') {
            let name = self.call.name.replace('$', "%");
            self.profile.insert("caller_id_name".to_owned(), name.clone());
            self.profile.insert("orig_caller_id_name".to_owned(), name);
            self.hunted = self.profile.clone();
        }
    }

    /// A channel variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Sets a channel variable; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(n, _)| n != name || !value.is_empty());
        match self.variables.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value.to_owned(),
            None if value.is_empty() => {}
            None => self.variables.push((name.to_owned(), value.to_owned())),
        }
    }

    /// What is said about the channel.
    pub fn snapshot<T>(&self, mode: &str, control: &str, with: impl FnOnce(Snapshot<'_>) -> T) -> T {
        let headers = |profile: &Profile| -> Vec<(String, String)> {
            FIELDS.iter().map(|(field, header)| ((*header).to_owned(), profile.get(*field).cloned().unwrap_or_default())).collect()
        };
        with(Snapshot {
            uuid: &self.uuid,
            profile: &headers(&self.profile),
            hunted: &headers(&self.hunted),
            variables: &self.variables,
            answered: self.answered,
            mode,
            control,
        })
    }

    /// Hunts and executes until the call has ended.
    fn route(&mut self) -> Ending {
        loop {
            self.hunted = self.profile.clone();
            let Some(collected) = self.hunt() else {
                self.log.push("no route".to_owned());
                return Ending::HungUp("NO_ROUTE_DESTINATION".to_owned());
            };
            match self.execute(&collected) {
                Flow::Next => return Ending::EndOfDialplan,
                Flow::End(ending) => return ending,
                Flow::Transfer { destination, context } => {
                    self.profile.insert("destination_number".to_owned(), destination);
                    self.profile.insert("context".to_owned(), context);
                }
            }
        }
    }

    /// Collects the actions for the profile that is hunted for.
    fn hunt(&mut self) -> Option<Vec<(String, String)>> {
        self.hunts += 1;
        assert!(self.hunts <= HUNTS_MAX, "the dialplan runs in circles: {:?}", self.applications.iter().rev().take(8).collect::<Vec<_>>());
        let fetched = self.fetched();
        let switch = self.switch;
        let contexts = fetched.as_ref().unwrap_or(&switch.contexts);
        let context = self.hunted.get("context").cloned().unwrap_or_default();
        let Some(extensions) = contexts.get(&context).or_else(|| contexts.get("global")) else {
            self.log.push(format!("context {context} not found"));
            return None;
        };
        hunt(self, extensions)
    }

    /// The dialplan from mod_xml_curl, if there is one and it answers with a dialplan.
    fn fetched(&mut self) -> Option<Contexts> {
        let binding = self.switch.xml_curl.clone()?;
        let body = self.snapshot("", "", |s| s.form("dialplan"));
        let (request, answer) = http::post(&binding.url, &body, binding.timeout.unwrap_or(Duration::MAX));
        self.requests.push(request);
        let mut globals = self.switch.globals.clone();
        match answer.map_err(|why| why.to_string()).and_then(|answer| http::dialplan_of(&answer, &mut globals)) {
            Ok(contexts) => contexts,
            Err(why) => {
                self.log.push(format!("xml_curl: {why}"));
                None
            }
        }
    }

    /// Runs applications until one leads elsewhere.
    pub fn execute(&mut self, actions: &[(String, String)]) -> Flow {
        for (application, data) in actions {
            match self.application(application, data) {
                Flow::Next => {}
                other => return other,
            }
        }
        Flow::Next
    }

    /// `execute_extension`: another hunt, whose applications run before we come back.
    pub fn execute_extension(&mut self, destination: &str, context: &str) -> Flow {
        if self.depth >= STACKS_MAX {
            self.log.push("too many stacked extensions".to_owned());
            return Flow::Next;
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.hunted, self.profile.clone());
        self.hunted.insert("destination_number".to_owned(), destination.to_owned());
        self.hunted.insert("context".to_owned(), context.to_owned());
        let collected = self.hunt();
        self.hunted = outer;
        let flow = match collected {
            Some(collected) => self.execute(&collected),
            None => {
                self.log.push(format!("execute_extension {destination}: nothing there"));
                Flow::Next
            }
        };
        self.depth -= 1;
        flow
    }
}

impl Names for Run<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let own = self.get(name).map(str::to_owned);
        own.or_else(|| self.profile.get(name).cloned()).or_else(|| self.switch.globals.get(name).cloned())
    }

    fn api(&mut self, name: &str, arguments: &str) -> String {
        self.executed_apis.push((name.to_owned(), arguments.to_owned()));
        match name {
            "cidlookup" => self.cid_lookup(arguments.split(' ').next().unwrap_or_default()).unwrap_or_else(|| "UNKNOWN".to_owned()),
            _ => "+OK".to_owned(),
        }
    }
}

impl Hunter for Run<'_> {
    fn field(&self, name: &str) -> Option<String> {
        self.hunted.get(name).cloned()
    }

    fn inline(&mut self, application: &str, data: &str) {
        assert_eq!(self.application(application, data), Flow::Next);
        // an application that changes the call's profile changes what is hunted for
        let name = self.profile.get("caller_id_name").cloned().unwrap_or_default();
        self.hunted.insert("caller_id_name".to_owned(), name);
    }
}

impl Run<'_> {
    /// Data with its variables put in.
    pub fn expanded(&mut self, data: &str) -> String {
        expand(self, data)
    }
}
