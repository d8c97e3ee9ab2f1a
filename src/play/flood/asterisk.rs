//! A fake manager interface's half of the conversation: Asterisk's, as far as a client that listens needs it.
//!
//! It has no channel and no device, so every list is empty. It takes event masks into account (user events are sent where
//! `user` was asked for), and filters not: all that it sends are events of live calls, which whoever follows calls wants.

use super::FloodPlan;
use super::session::{Talk, Turn, Wants};
use md5::{Digest, Md5};

/// What a client is asked to hash with the secret. Asterisk's is nine digits, too.
const CHALLENGE: &str = "149122768";

/// The events that end lists, by action; an action that isn't here is answered by `Success`.
const LISTS: &[(&str, &str)] = &[
    ("coreshowchannels", "CoreShowChannelsComplete"),
    ("devicestatelist", "DeviceStateListComplete"),
    ("extensionstatelist", "ExtensionStateListComplete"),
    ("pjsipshowcontacts", "ContactListComplete"),
    ("pjsipshowendpoints", "EndpointListComplete"),
    ("pjsipshowaors", "AorListComplete"),
    ("pjsipshowregistrationsinbound", "InboundRegistrationDetailComplete"),
    ("pjsipshowregistrationsoutbound", "OutboundRegistrationDetailComplete"),
    ("pjsipshowregistrationinboundcontactstatuses", "ContactStatusDetailComplete"),
    ("confbridgelistrooms", "ConfbridgeListRoomsComplete"),
    ("status", "StatusComplete"),
    ("queuestatus", "QueueStatusComplete"),
];

/// One connection's talk.
pub(super) struct Manager {
    user: String,
    secret: String,
    epoch_seconds: u64,
    is_in: bool,
    wants: Wants,
}

impl Manager {
    pub(super) fn new(plan: &FloodPlan) -> Manager {
        let FloodPlan { user, secret, epoch_seconds, .. } = plan.clone();
        Manager { user, secret, epoch_seconds, is_in: false, wants: Wants::Nothing }
    }

    fn login(&mut self, action: &Action) -> bool {
        let key = format!("{:x}", Md5Hex(&format!("{CHALLENGE}{}", self.secret)));
        let is_right = match action.get("key") {
            Some(said) => said.eq_ignore_ascii_case(&key),
            None => action.get("secret") == Some(self.secret.as_str()),
        };
        self.is_in = is_right && action.get("username") == Some(self.user.as_str());
        if self.is_in {
            self.wants = wants(action.get("events").unwrap_or("on"));
        }
        self.is_in
    }
}

/// MD5 as it is written in logins.
struct Md5Hex<'a>(&'a str);

impl std::fmt::LowerHex for Md5Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Md5::digest(self.0).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an event mask lets through.
fn wants(mask: &str) -> Wants {
    let has = |class: &str| mask.split(',').any(|word| word.trim().eq_ignore_ascii_case(class));
    match (has("on") || has("all") || has("user"), has("call")) {
        (true, _) => Wants::Everything,
        (_, true) => Wants::Calls,
        _ => Wants::Nothing,
    }
}

/// An action's headers.
struct Action<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Action<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

impl Talk for Manager {
    fn greeting(&self) -> String {
        "Asterisk Call Manager/11.0.0\r\n".to_owned()
    }

    fn hear(&mut self, lines: &[String]) -> Turn {
        let action = Action(lines.iter().filter_map(|line| line.split_once(':')).map(|(n, v)| (n.trim(), v.trim())).collect());
        let name = action.get("action").unwrap_or_default().to_ascii_lowercase();
        let id = action.get("actionid").map(|id| format!("ActionID: {id}\r\n")).unwrap_or_default();
        let answer = |response: &str, rest: &str| format!("Response: {response}\r\n{id}{rest}\r\n");
        let mut turn = Turn { reply: String::new(), wants: None, is_over: false, is_refused: false };
        turn.reply = match name.as_str() {
            "challenge" => answer("Success", &format!("Challenge: {CHALLENGE}\r\n")),
            "login" if self.login(&action) => {
                turn.wants = Some(self.wants);
                let booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 20\r\nLastReload: 20\r\nStatus: Fully Booted\r\n\r\n";
                answer("Success", "Message: Authentication accepted\r\n") + booted
            }
            "login" => {
                (turn.is_over, turn.is_refused) = (true, true);
                answer("Error", "Message: Authentication failed\r\n")
            }
            _ if !self.is_in => answer("Error", "Message: Permission denied\r\n"),
            "logoff" => {
                turn.is_over = true;
                answer("Goodbye", "Message: Thanks for all the fish.\r\n")
            }
            "events" => {
                self.wants = wants(action.get("eventmask").unwrap_or("on"));
                turn.wants = Some(self.wants);
                answer("Success", if self.wants == Wants::Nothing { "Events: Off\r\n" } else { "Events: On\r\n" })
            }
            "ping" => answer("Success", &format!("Ping: Pong\r\nTimestamp: {}.000000\r\n", self.epoch_seconds)),
            "coresettings" => answer(
                "Success",
                "AMIversion: 11.0.0\r\nAsteriskVersion: 22.10.1\r\nSystemName: flood\r\nCoreMaxCalls: 0\r\nCoreMaxLoadAvg: 0.000000\r\n",
            ),
            "corestatus" => answer(
                "Success",
                &format!("CoreStartupDate: 2026-11-21\r\nCoreStartupTime: {:08}\r\nCoreCurrentCalls: 0\r\n", self.epoch_seconds % 86_400),
            ),
            list => match LISTS.iter().find(|(action, _)| *action == list) {
                Some((_, complete)) => {
                    let start = answer("Success", "EventList: start\r\nMessage: A listing follows\r\n");
                    format!("{start}Event: {complete}\r\n{id}EventList: Complete\r\nListItems: 0\r\n\r\n")
                }
                None => answer("Success", "Message: Done\r\n"),
            },
        };
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(manager: &mut Manager, text: &str) -> Turn {
        manager.hear(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_is_told_without_a_login_whose_key_is_right() {
        let plan = FloodPlan { user: "lab".into(), secret: "lab-secret".into(), ..FloodPlan::default() };
        let mut manager = Manager::new(&plan);
        assert!(says(&mut manager, "Action: CoreShowChannels\nActionID: 1").reply.starts_with("Response: Error\r\nActionID: 1\r\n"));
        assert!(says(&mut manager, "Action: Challenge\nAuthType: MD5").reply.contains("Challenge: 149122768\r\n"));
        // the key of the recorded login (`ami-login`)
        let turn = says(&mut manager, "Action: Login\nUsername: lab\nKey: 60718f7f7ae7664d9a2a60ad2c773646\nEvents: system,call");
        assert_eq!((turn.wants, turn.is_over), (Some(Wants::Calls), false), "{}", turn.reply);
        let list = says(&mut manager, "Action: CoreShowChannels\nActionID: 2").reply;
        assert!(list.contains("EventList: start\r\n") && list.contains("EventList: Complete\r\nListItems: 0\r\n"), "{list}");
        let mut manager = Manager::new(&plan);
        let turn = says(&mut manager, "Action: Login\nUsername: lab\nKey: 60718f7f7ae7664d9a2a60ad2c773647\nEvents: on");
        assert_eq!((turn.wants, turn.is_over, turn.is_refused), (None, true, true));
    }

    #[test]
    fn user_events_are_for_those_who_asked_for_them() {
        for (mask, expected) in
            [("system,call", Wants::Calls), ("call,user", Wants::Everything), ("on", Wants::Everything), ("off", Wants::Nothing)]
        {
            assert_eq!(wants(mask), expected, "{mask}");
        }
    }
}
